"""Which version each node serves: desired versions, decisions about them, and comparisons of two versions.

`inventory` reads a node's versions, `state` holds them, `planning` plans a decision and `rollout` carries it
out; `registry` asks MLflow, `desired` stores the desired versions, `comparison` and `confidence` compare two.
"""
