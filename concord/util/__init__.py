"""Small functions without state that have no home of their own, each in a module named after what it does."""
