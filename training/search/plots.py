"""Pictures of a benchmark for MLflow's page of the parent run; they say nothing that the table doesn't."""

from collections.abc import Sequence
from itertools import accumulate

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from optuna import create_study
from optuna.exceptions import OptunaError
from optuna.importance import MeanDecreaseImpurityImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from training.search.leaderboard import LeaderboardRow
from training.search.settings import ALGORITHM
from training.task import LOWER_IS_BETTER

SHOWN = 15
"""Leaders in the picture of intervals."""

ENOUGH = 12
"""Trials of one algorithm from which on the importance of its settings is drawn."""


def draw_study(
    rows: Sequence[LeaderboardRow], trials: Sequence[FrozenTrial], metric: str
) -> dict[str, Figure]:
    """File name → picture."""
    scored = [row for row in rows if row.interval]
    if not scored:
        return {}
    figures = {"intervals.png": _intervals(scored[:SHOWN], metric), "trials.png": _course(scored, metric)}
    importance = _importance(scored[0], trials, metric)
    return figures | ({"importance.png": importance} if importance else {})


def _figure(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.4, height), layout="tight")
    return figure, figure.subplots()


def _intervals(rows: Sequence[LeaderboardRow], metric: str) -> Figure:
    figure, axes = _figure(0.8 + 0.3 * len(rows))
    for place, row in enumerate(rows):
        assert row.interval is not None
        axes.plot([row.interval.low, row.interval.high], [place, place], color="tab:blue")
        axes.plot(row.interval.mean, place, "o", color="tab:blue")
        axes.plot(row.scores, [place] * len(row.scores), "|", color="grey")
    axes.set(
        yticks=range(len(rows)),
        yticklabels=[f"{row.rank}. {row.algorithm} ({row.number})" for row in rows],
        xlabel=f"{metric}: folds, mean, 95 % interval (Nadeau and Bengio)",
    )
    axes.invert_yaxis()
    return figure


def _course(rows: Sequence[LeaderboardRow], metric: str) -> Figure:
    figure, axes = _figure(3.6)
    means = {row.number: row.interval.mean for row in rows if row.interval}
    for algorithm in dict.fromkeys(row.algorithm for row in sorted(rows, key=lambda row: row.number)):
        own = [row.number for row in rows if row.algorithm == algorithm]
        axes.plot(own, [means[number] for number in own], "o", markersize=4, label=algorithm)
    numbers = sorted(means)
    best = accumulate((means[number] for number in numbers), min if metric in LOWER_IS_BETTER else max)
    axes.step(numbers, list(best), where="post", color="grey", linewidth=1)
    axes.set(xlabel="Trial", ylabel=f"{metric}, mean over folds")
    axes.legend(fontsize=6)
    return figure


def _importance(leader: LeaderboardRow, trials: Sequence[FrozenTrial], metric: str) -> Figure | None:
    own = [
        trial
        for trial in trials
        if trial.state is TrialState.COMPLETE and trial.params[ALGORITHM] == leader.algorithm
    ]
    if len(own) < ENOUGH:
        return None
    study = create_study(direction="minimize" if metric in LOWER_IS_BETTER else "maximize")
    study.add_trials(own)
    try:
        evaluator = MeanDecreaseImpurityImportanceEvaluator(n_trees=32, seed=0)
        importances = get_param_importances(study, evaluator=evaluator)
    except (OptunaError, ValueError, RuntimeError):
        return None  # all of its trials have one score
    importances.pop(ALGORITHM, None)
    figure, axes = _figure(0.8 + 0.3 * len(importances))
    axes.barh([name.partition(".")[2] for name in importances], list(importances.values()))
    axes.set(title=leader.algorithm, xlabel=f"Share in the difference of {metric} (trees over its trials)")
    axes.invert_yaxis()
    return figure
