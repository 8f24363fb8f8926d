"""`python -m training benchmark`: searches the model that answers a task best, and shows the leaders."""

import json
import signal
import sys
from contextlib import closing
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from concord.errors import InvalidInput, TrainingError
from concord.settings import Settings
from concord.util.numbers import format_metric
from training.commands.console import PROGRESS_COLUMNS, SCREEN, TrainingCommand, complain, make_table
from training.task import SEED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.search.leaderboard import LeaderboardRow
    from training.search.registration import RegisteredWinner
    from training.search.session import Session
    from training.search.worker import SearchLimits

# Heavy modules are imported by the command that needs them: `--help` answers at once.
# click hands a flag over as a plain argument.
# ruff: noqa: PLC0415, FBT001, PLR0913, PLR0917

TRIALS = 50
"""Trials by default: a few minutes on a laptop, and five times the algorithms."""

SHOWN = 10
"""Leaders in the table; the whole board is an artifact of the parent run."""

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""


@click.command("benchmark", cls=TrainingCommand)
@click.argument("name", metavar="TASK")
@click.option(
    "--data",
    "source",
    metavar="SOURCE",
    help="The rows [generator, unless the task's models learned from rows of yours].",
)
@click.option("--trials", type=click.IntRange(1), help=f"Trials that the study is to have in all [{TRIALS}].")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="Begin trials for so long instead.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes that fit.")
@click.option("--study", metavar="URL", help="The study's database [CONCORD_STUDY, or SQLite at home].")
@click.option("--folds", default=5, show_default=True, help="Folds of the cross-validation.")
@click.option("--seed", default=SEED, show_default=True, help="Seed of split, folds, fits and suggestions.")
@click.option(
    "--trial-seconds", type=click.FloatRange(1), default=300.0, show_default=True, help="Limit of one trial."
)
@click.option("--register", "count", type=click.IntRange(1), help="Register so many winners as nodes.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def benchmark_command(
    name: str,
    source: str | None,
    trials: int | None,
    minutes: float | None,
    workers: int,
    study: str | None,
    folds: int,
    seed: int,
    trial_seconds: float,
    count: int | None,
    as_json: bool,
) -> None:
    """Search algorithms and settings for TASK, cross-validated, and show the best.

    Any number of these commands, on one machine or in several pods, work on the same study if task, rows,
    folds and seed are the same; started again after Ctrl-C or a crash, it goes on. SOURCE is a CSV file,
    URL#table, `journal`, or `generator`.
    """
    limits = _limits(trials, minutes, trial_seconds)
    signal.signal(signal.SIGTERM, _as_interrupt)
    with closing(_open_session(name, source, study, folds, seed)) as session:
        try:
            _search(session, limits, workers)
        except KeyboardInterrupt:
            _exit_interrupted(session, limits.trials)
        rows = session.rows()
        session.publish(rows)
        winners = session.register_winners(rows, count) if count else []
        if as_json:
            click.echo(json.dumps(_to_json(session, rows, winners), ensure_ascii=False))
        else:
            _show(session, rows, winners, count or 0)
        _check_results(rows, winners, count or 0)


def _limits(trials: int | None, minutes: float | None, trial_seconds: float) -> "SearchLimits":
    from training.search.worker import SearchLimits

    if trials is not None and minutes is not None:
        raise InvalidInput("--trials and --minutes exclude each other; say one.", field="--minutes")
    if minutes is not None:
        return SearchLimits(None, minutes * 60, trial_seconds)
    return SearchLimits(trials or TRIALS, None, trial_seconds)


def _open_session(name: str, source: str | None, study: str | None, folds: int, seed: int) -> "Session":
    from training.data.sources import GENERATOR, read_rows
    from training.fit_tasks import refuse_silent_generator
    from training.registry.registry import Registry, has_registry
    from training.search.session import Session
    from training.tasks import select

    settings, task = Settings.read(), select([name])[0]
    if study is not None:
        settings = settings.model_copy(update={"study": study})
    with SCREEN.status("Reading data"):
        if source is None:
            refuse_silent_generator(task, Registry(settings.home) if has_registry(settings.home) else None)
        data = read_rows(task, source or GENERATOR)
        session = Session(settings.home, settings.study_url, task, data, folds, seed)
    SCREEN.print(_introduction(session), highlight=False, soft_wrap=True)
    return session


def _check_results(
    rows: "Sequence[LeaderboardRow]", winners: "list[RegisteredWinner] | None", count: int
) -> None:
    if not any(row.served for row in rows):
        raise TrainingError("No trial has come to a model that can be served; the table says why.")
    if winners is not None and len(winners) < count:
        complain(
            TrainingError(f"Only {len(winners)} of {count} are registered: all others err on the same rows.")
        )


def _introduction(session: "Session") -> Text:
    finished, _ = session.counts
    training, held_out = len(session.parts.training.rows), len(session.parts.test.rows)
    rows = f"{session.task.name}: {training} rows in {session.identity.folds} folds, {held_out} held out"
    name = session.identity.name
    if finished:
        study = f"Study {name} goes on from {finished} finished trials."
    elif session.others:
        other, differs = session.others[0]
        study = f"Another study begins, {name}: compared with {other}, changed: {', '.join(differs)}."
    else:
        study = f"A new study begins, {name}."
    return Text(f"{rows} ({session.data.name})\n{study}")


def _search(session: "Session", limits: "SearchLimits", workers: int) -> None:
    with Progress(*PROGRESS_COLUMNS, console=SCREEN) as progress:
        bar = progress.add_task("Opening the registry", total=limits.trials)
        shown = -1

        def report_finished(finished: int) -> None:
            nonlocal shown
            if finished != shown:
                shown = finished
                best = _best(session.rows(), session.task.metric)
                progress.update(bar, description=best, completed=finished)

        session.search(limits, workers, report_finished)
        finished = progress.tasks[bar].completed
        progress.update(bar, total=finished, completed=finished)


def _best(rows: "Sequence[LeaderboardRow]", metric: str) -> str:
    if not rows or rows[0].interval is None:
        return "First trials"
    return f"{metric} {format_metric(rows[0].interval.mean)} {rows[0].algorithm}"


def _exit_interrupted(session: "Session", most: int | None) -> NoReturn:
    finished, _ = session.counts
    total = f" of {most}" if most else ""
    SCREEN.print(
        f"Stopped with {finished}{total} trials finished; what was under way will be begun again. "
        "The same command goes on.",
        soft_wrap=True,
    )
    sys.exit(INTERRUPTED)


def _as_interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    # A pod is asked to end by SIGTERM, and leaves as after Ctrl-C: its trials are free for others at once.
    raise KeyboardInterrupt


def _show(
    session: "Session", rows: "Sequence[LeaderboardRow]", winners: "list[RegisteredWinner] | None", count: int
) -> None:
    from training.search.settings import settings_text

    console = Console(highlight=False)
    console.print(_table(session, rows))
    for row in [row for row in rows if row.served][:1]:
        console.print(Text(f"The leader's settings: {settings_text(row.settings)}."))
    console.print(Text(_summary(rows)))
    for row in [row for row in rows if row.reason][:3]:
        console.print(Text(f"  trial {row.number} ({row.algorithm}): {row.reason}"))
    if winners is None:
        console.print("Another worker has registered the winners of these trials.")
    elif count:
        console.print(_registered(session, winners))
        console.print("`concord up` serves them.")


def _summary(rows: "Sequence[LeaderboardRow]") -> str:
    failed = sum(row.interval is None for row in rows)
    refused = sum(row.interval is not None and not row.served for row in rows)
    served = len(rows) - failed - refused
    return (
        f"{len(rows)} trials: {served} can be served, {refused} do not convert to ONNX, {failed} failed. "
        "“=”: by its folds as good as the leader. Interval: of the mean over folds, 95 %, Nadeau and Bengio. "
        "The best of many is the best by luck too: --register says what winners do on the held-out rows."
    )


def _table(session: "Session", rows: "Sequence[LeaderboardRow]") -> Table:
    metric = session.task.metric
    title = f"{session.task.name}, by {metric} in {session.identity.folds}-fold cross-validation"
    headings = ("", "algorithm", "trial", "mean", "low", "high", "", "s", "ONNX kB")
    table = make_table(title, headings, left=["algorithm"])
    for row in [row for row in rows if row.interval][:SHOWN]:
        assert row.interval is not None
        means = [format_metric(value) for value in (row.interval.mean, row.interval.low, row.interval.high)]
        size = "no" if row.size is None else f"{row.size / 1000:.0f}"
        level = "=" if row.level and row.rank > 1 else ""
        table.add_row(
            str(row.rank), row.algorithm, str(row.number), *means, level, f"{row.seconds:.1f}", size
        )
    return table


def _registered(session: "Session", winners: "Sequence[RegisteredWinner]") -> Table:
    metric = session.task.metric
    headings = ("model", "v", "trial", "folds", "held out", "likest")
    title = f"Registered, by {metric}; likest: its errors' correlation"
    table = make_table(title, headings, left=["model"])
    for winner in winners:
        row = winner.winner.row
        assert row.interval is not None
        table.add_row(
            winner.info.model,
            winner.info.version,
            str(row.number),
            format_metric(row.interval.mean),
            format_metric(winner.fitted.metrics[metric]),
            f"{winner.winner.twin:.2f}",
        )
    return table


def _to_json(
    session: "Session", rows: "Sequence[LeaderboardRow]", winners: "list[RegisteredWinner] | None"
) -> dict[str, Any]:
    from training.search.leaderboard import row_to_json

    return {
        "study": session.identity.name,
        "task": session.task.name,
        "metric": session.task.metric,
        "folds": session.identity.folds,
        "seed": session.identity.seed,
        "data": {"name": session.data.name, "digest": session.data.digest},
        "parent_run_id": session.runs.parent,
        "trials": {"finished": session.counts[0], "failed": sum(row.interval is None for row in rows)},
        "leaderboard": [row_to_json(row) for row in rows],
        "registered": None if winners is None else [_winner_to_json(winner) for winner in winners],
    }


def _winner_to_json(winner: "RegisteredWinner") -> dict[str, Any]:
    return {
        "model": winner.info.model,
        "version": winner.info.version,
        "run_id": winner.info.run_id,
        "trial": winner.winner.row.number,
        "likest": winner.winner.twin,
        "loss_together": winner.winner.loss,
        "held_out": winner.fitted.metrics,
    }
