"""The rules of the policies `seed` and `wager`: pooling votes, scoring them, moving stake.

Pure functions and frozen values over integers, without clock, store, network or task schema, so that a replay
of the ledger gives the same bytes on any machine.
"""
