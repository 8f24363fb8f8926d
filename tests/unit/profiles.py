"""Profiles made as training makes them, of columns that a test chooses."""

from types import SimpleNamespace

import numpy as np
from scipy import stats

from concord.tasks.profile import TrainingProfile
from concord.tasks.schema import Feature, Label, TaskSchema
from training.data.dataset import Dataset
from training.fitting.profile import build_profile
from training.task import Answer, Rule

GRADES = ("low", "middle", "high")


def task_of(rules=None, choices=GRADES):
    """Two features, a number `x` and a choice `grade`, and two labels."""
    schema = TaskSchema(
        "toy",
        "Toy",
        "A toy.",
        (Feature("x", "number", 1.0), Feature("grade", "choice", choices[0], choices=choices)),
        (Label("no", "No."), Label("yes", "Yes.")),
    )
    found = rules or {}
    return SimpleNamespace(schema=schema, answers=(Answer("y"),), rule=lambda name: found.get(name, Rule()))


def document_of(numbers, codes=None, *, answers=None, votes=None, empty=None, **options):
    numbers = np.asarray(numbers, dtype=np.float32)
    codes = np.zeros(len(numbers)) if codes is None else np.asarray(codes)
    rows = np.column_stack([numbers, codes]).astype(np.float32)
    data = Dataset("toy", rows, np.zeros(len(rows)), empty=empty or {})
    return build_profile(task_of(**options), rows, data, answers, votes)


def reference_of(*columns, **options):
    return TrainingProfile.from_json(document_of(*columns, **options))


def ks_2samp(before, now):
    """SciPy's, in double precision: from 1.18 on it computes in that of its samples."""
    return stats.ks_2samp(before.astype(np.float64), now.astype(np.float64), method="asymp")
