"""Concord: several models answer, and their consensus is what the caller gets."""

__version__ = "0.1.0"
