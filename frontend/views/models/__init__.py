"""The page Models: versions side by side, their comparison on labelled rounds, and decisions about them."""
