"""Benchmark: which algorithm, with which settings, answers a task best, found by several workers together.

`search` runs it, `claims` sees to it that no two workers fit the same, `optimiser` says what to try next,
`crossval` measures, `record` tells MLflow, `board` ranks, `winners` chooses and `enlist` registers; `session`
is all of it for one worker. The study lives in a SQL database, so processes on a laptop and pods in a cluster
are the same to it.
"""
