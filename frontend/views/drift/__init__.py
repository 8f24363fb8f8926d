"""What the page of drift alone shows: what was compared, how far it has moved, and the errors."""
