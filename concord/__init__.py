"""Concord: several models answer, and their consensus is what the caller gets."""
