"""Asks the nodes of a task and decides: batches, polls, ensembles, the recorder of rounds, the reconciler."""
