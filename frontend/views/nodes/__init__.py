"""What the page of nodes alone shows: how each stands, its stake over time, and what changed."""
