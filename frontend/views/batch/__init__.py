"""The page Batch: a file of rows is checked, asked about in slices, and given back with its answers."""
