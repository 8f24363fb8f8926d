"""Retraining behind a gate: a new version of each node, judged against the one that is served.

`pipeline` takes the steps in their order, and each of them has a module of its own: `old_data`, `holdout`,
`selection`, `inference`, `evaluation`, `gate`; `tracking` keeps the result in MLflow. Nothing here changes
what is served: a version that passes is registered as challenger.
"""

from training.retraining.pipeline import RetrainOptions, retrain
from training.retraining.result import NodeOutcome, Retraining

__all__ = ["NodeOutcome", "RetrainOptions", "Retraining", "retrain"]
