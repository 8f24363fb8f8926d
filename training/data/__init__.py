"""Rows of a task: reading them from any source, cleaning them, and splitting them for training and test.

`sources` reads a source into a `dataset`; `database` and `tmdb` are the sources' own code.
"""
