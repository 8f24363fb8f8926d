"""What the page of batches alone shows: a person's file, its faults, and the answers to its lines."""
