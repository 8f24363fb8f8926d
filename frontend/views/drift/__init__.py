"""The page Drift: how far rows, labels and answers have moved from those that the models learned from."""
