"""Asks the nodes of a task and decides: batches of concurrent requests, polls, ensembles, and the recorder of
rounds. The reconciler brings the ledger in line with what is declared and served.
"""
