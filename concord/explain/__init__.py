"""Explanations of a round: why it was answered as it was, what each vote weighed and earned, and the proof.

`explanation` puts them together, `weights` words the reasons of weights, `votes` explains each node's vote.
"""
