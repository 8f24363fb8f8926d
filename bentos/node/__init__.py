"""The node bento."""
