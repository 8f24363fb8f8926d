"""What the page of live figures alone shows."""
