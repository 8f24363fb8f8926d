"""One module a command of `concord --help`, named as it: its options, its help, and what it does.

Modules here are imported to list the commands, so what is heavy is imported inside the functions.
"""
