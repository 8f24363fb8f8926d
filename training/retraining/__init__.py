"""Retraining behind a gate: a new version of each node, judged against the one that is served.

`retraining` takes the steps in their order; what each of them needs stands in a module of its own, of
which only `record` knows MLflow. Nothing here changes what is served: a version that passes is a
challenger, and who promotes it is no matter of this package.
"""

from training.retraining.pipeline import retrain
from training.retraining.result import NodeOutcome, Retraining

__all__ = ["NodeOutcome", "Retraining", "retrain"]
