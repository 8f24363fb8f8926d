"""How commands show things on a terminal: values, verdicts, blocks, models, drift reports.

Only rich and plain sentences; what is shown was asked or computed before. A command imports its text when
it runs, so these modules import what they need at the top.
"""
