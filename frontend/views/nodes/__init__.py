"""The page Nodes: how each node stands, its stake over time, and what changed its account."""
