"""The leaderboard: every trial with its interval, the best first.

It is computed from the study's database alone, so each worker shows the same. What cannot be served because
it does not convert stands below what can, however good it is.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from training.search.interval import FoldInterval, fold_interval, level_with
from training.search.optimiser import NUMBER
from training.search.settings import ALGORITHM, SearchSettings, settings_text
from training.search.space import Space
from training.task import LOWER_IS_BETTER


@dataclass(frozen=True)
class LeaderboardRow:
    """One trial of the board.

    Attributes:
        rank: From 1; 0 for a failure.
        number: Of the trial.
        settings: What was tried.
        scores: The metric on each fold; empty for a failure.
        interval: Of their mean; None for a failure.
        level: Whether the folds leave open that it is as good as the leader.
        seconds: What its folds took.
        size: Bytes as ONNX; None if it does not convert.
        reason: Why it failed, or why it does not convert; empty otherwise.
        run: MLflow's run.
    """

    rank: int
    number: int
    settings: SearchSettings
    scores: tuple[float, ...]
    interval: FoldInterval | None
    level: bool
    seconds: float
    size: int | None
    reason: str
    run: str

    @property
    def algorithm(self) -> str:
        """Its algorithm."""
        return str(self.settings[ALGORITHM])

    @property
    def served(self) -> bool:
        """Whether it could be registered."""
        return self.interval is not None and self.size is not None


def build_leaderboard(trials: Sequence[FrozenTrial], space: Space, metric: str) -> list[LeaderboardRow]:
    """Finished trials: those that can be served by score, then the others, then failures."""
    finished = [trial for trial in trials if trial.state in (TrialState.COMPLETE, TrialState.FAIL)]
    rows = [_row(trial, space, metric) for trial in finished]
    sign = 1 if metric in LOWER_IS_BETTER else -1
    scored = [row for row in rows if row.interval]
    scored.sort(key=lambda row: (not row.served, sign * float(np.mean(row.scores)), row.number))
    ranked = [_ranked(row, rank, scored[0]) for rank, row in enumerate(scored, start=1)]
    return ranked + [row for row in rows if row.interval is None]


def leaderboard_csv(rows: Sequence[LeaderboardRow]) -> str:
    """The whole board as a CSV file."""
    file = io.StringIO()
    writer = csv.DictWriter(file, list(row_to_json(rows[0])) if rows else ["rank"])
    writer.writeheader()
    writer.writerows(row_to_json(row) | {"settings": settings_text(row.settings)} for row in rows)
    return file.getvalue()


def row_to_json(row: LeaderboardRow) -> dict[str, Any]:
    """One row as JSON has it."""
    unknown = dict.fromkeys(field.name for field in fields(FoldInterval))
    return {
        "rank": row.rank,
        "trial": row.number,
        "algorithm": row.algorithm,
        **(asdict(row.interval) if row.interval else unknown),
        "level_with_leader": row.level,
        "seconds": row.seconds,
        "onnx_bytes": row.size,
        "reason": row.reason,
        "run_id": row.run,
        "settings": dict(row.settings),
    }


def _row(trial: FrozenTrial, space: Space, metric: str) -> LeaderboardRow:
    attributes = trial.user_attrs
    scores = tuple(attributes.get("scores", ()))
    return LeaderboardRow(
        rank=0,
        number=int(attributes[NUMBER]),
        settings=space.settings(trial.params),
        scores=scores,
        interval=bounded(fold_interval(scores), metric) if scores else None,
        level=False,
        seconds=float(attributes.get("seconds", 0.0)),
        size=attributes.get("size"),
        reason=str(attributes.get("reason") or ""),
        run=str(attributes.get("run", "")),
    )


def bounded(interval: FoldInterval, metric: str) -> FoldInterval:
    """An interval within what the metric can be; a t distribution ignores that no accuracy is above 1."""
    low = interval.low if metric == "r2" else max(interval.low, 0.0)
    high = interval.high if metric in LOWER_IS_BETTER else min(interval.high, 1.0)
    return replace(interval, low=low, high=high)


def _ranked(row: LeaderboardRow, rank: int, leader: LeaderboardRow) -> LeaderboardRow:
    return replace(row, rank=rank, level=level_with(leader.scores, row.scores))
