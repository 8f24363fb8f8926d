"""The consensus bento."""
