"""Files that commands read and write: rows, labels and columns of CSV files, and results.

A file is read and checked whole before anything is sent, and written whole or not at all.
"""
