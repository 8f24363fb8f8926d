"""What the page of rounds alone shows: finding them, their list, and one with all that is known of it."""
