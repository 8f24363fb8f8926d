"""What the page of models alone shows: versions side by side, and what may be decided about them."""
