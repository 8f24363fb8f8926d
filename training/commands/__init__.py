"""The commands of `python -m training`, one module each. Only they print."""
