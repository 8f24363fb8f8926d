"""The page Rounds: a list of rounds with filters, and one round with all that is known of it."""
