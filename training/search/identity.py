"""What makes two studies the same: the question, the rows, and how they are measured.

Scores of other rows, folds or metrics cannot be compared, so each of these makes a study of its own; its name
is their digest, which every worker computes alike. That is all it takes to join one.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from training.data.dataset import Dataset
from training.search.space import Space
from training.task import Task

PROPOSALS = 2
"""The way in which settings are proposed; another one makes other trials of the same seed.

1 learned from whatever was finished; 2 learns from lower numbers alone.
"""

SPLIT = 2
"""The way in which rows are parted; another one makes other folds of the same seed.

1 left copies out; 2 keeps every row, and rows of equal features together.
"""

WORDS = {
    "data": "the rows",
    "schema": "the task's schema",
    "folds": "the number of folds",
    "seed": "the seed",
    "metric": "the metric",
    "space": "the algorithms and their ranges",
    "proposals": "the way in which settings are proposed",
    "split": "the way in which rows are parted",
}


@dataclass(frozen=True)
class StudyIdentity:
    """The identity of a study.

    Attributes:
        task: The task's name.
        data: Digest of all rows and answers.
        schema: Digest of the task's schema.
        folds: How many.
        seed: Of split, folds and fits.
        metric: What settings are compared by.
        space: Digest of what may be tried.
        proposals: `PROPOSALS`.
        split: `SPLIT`.
    """

    task: str
    data: str
    schema: str
    folds: int
    seed: int
    metric: str
    space: str
    proposals: int = PROPOSALS
    split: int = SPLIT

    @classmethod
    def of(cls, task: Task, data: Dataset, space: Space, folds: int, seed: int) -> "StudyIdentity":
        """Of a benchmark that is about to begin or to go on."""
        space_digest = hashlib.sha256(repr(space).encode()).hexdigest()
        return cls(task.name, data.digest, task.schema.digest, folds, seed, task.metric, space_digest)

    @property
    def name(self) -> str:
        """The study's name, such as `iris-1f0c7e0d52b4`."""
        text = json.dumps(asdict(self), sort_keys=True)
        return f"{self.task}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    def differences(self, other: Mapping[str, object]) -> list[str]:
        """What is different in another study's identity, in words."""
        own = asdict(self)
        return [word for name, word in WORDS.items() if own[name] != other.get(name)]
