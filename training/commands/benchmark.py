"""`python -m training benchmark`: searches the model that answers a task best, and shows the leaders."""

import json
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table
from rich.text import Text

from concord.errors import InvalidInput, TrainingError
from concord.settings import Settings
from training.commands.console import COLUMNS, SCREEN, TrainingCommand, complain
from training.task import SEED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.search.leaderboard import Row
    from training.search.registration import Enlisted
    from training.search.session import Session

# Heavy modules are imported by the command that needs them: `--help` answers at once.
# click hands a flag over as a plain argument.
# ruff: noqa: PLC0415, FBT001, PLR0913, PLR0917

TRIALS = 50
"""Where neither trials nor minutes are said: a few minutes on a laptop, and five times the algorithms."""

SHOWN = 10
"""Leaders in the table; the whole board is an artifact of the parent run."""

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""


@click.command("benchmark", cls=TrainingCommand)
@click.argument("name", metavar="TASK")
@click.option("--data", "source", default="generator", show_default=True, metavar="SOURCE", help="The rows.")
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
    source: str,
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
    from training.data.sources import read_rows
    from training.search.session import Session
    from training.search.worker import Limits
    from training.tasks import select

    if trials is not None and minutes is not None:
        raise InvalidInput("--trials and --minutes exclude each other; say one.", field="--minutes")
    signal.signal(signal.SIGTERM, _as_interrupt)
    settings, task = Settings.read(), select([name])[0]
    if study is not None:
        settings = settings.model_copy(update={"study": study})
    with SCREEN.status("Reading data"):
        data = read_rows(task, source)
        session = Session(settings.home, settings.study_url, task, data, folds, seed)
    SCREEN.print(_introduction(session), highlight=False, soft_wrap=True)
    wanted = None if minutes else trials or TRIALS
    limits = Limits(wanted, minutes * 60 if minutes else None, trial_seconds)
    try:
        _search(session, limits, workers)
    except KeyboardInterrupt:
        _stopped(session, wanted)
    rows = session.rows()
    session.publish(rows)
    winners = session.enlist(rows, count) if count else []
    if as_json:
        click.echo(json.dumps(_plain(session, rows, winners), ensure_ascii=False))
    else:
        _show(session, rows, winners, count or 0)
    if not any(row.served for row in rows):
        raise TrainingError("No trial has come to a model that can be served; the table says why.")
    if count and winners is not None and len(winners) < count:
        complain(
            TrainingError(f"Only {len(winners)} of {count} are registered: all others err on the same rows.")
        )


def _introduction(session: "Session") -> Text:
    finished, _ = session.counts
    learned, held_out = len(session.parts.training.rows), len(session.parts.test.rows)
    rows = f"{session.task.name}: {learned} rows in {session.identity.folds} folds, {held_out} held out"
    name = session.identity.name
    if finished:
        study = f"Study {name} goes on from {finished} finished trials."
    elif session.others:
        other, differs = session.others[0]
        study = f"Another study begins, {name}: compared with {other}, changed: {', '.join(differs)}."
    else:
        study = f"A new study begins, {name}."
    return Text(f"{rows} ({session.data.name})\n{study}")


def _search(session: "Session", limits: Any, workers: int) -> None:  # noqa: ANN401  `Limits`
    with Progress(*COLUMNS, console=SCREEN) as progress:
        bar = progress.add_task("Opening the registry", total=limits.trials)
        seen = -1

        def tell(finished: int) -> None:
            nonlocal seen
            if finished != seen:
                seen = finished
                best = _best(session.rows(), session.task.metric)
                progress.update(bar, description=best, completed=finished)

        session.search(limits, workers, tell)
        _done(progress, bar)


def _done(progress: Progress, bar: TaskID) -> None:
    finished = progress.tasks[bar].completed
    progress.update(bar, total=finished, completed=finished)


def _best(rows: "Sequence[Row]", metric: str) -> str:
    if not rows or rows[0].interval is None:
        return "First trials"
    return f"{metric} {_number(rows[0].interval.mean)} {rows[0].algorithm}"


def _stopped(session: "Session", wanted: int | None) -> NoReturn:
    finished, _ = session.counts
    of = f" of {wanted}" if wanted else ""
    SCREEN.print(
        f"Stopped with {finished}{of} trials finished; what was under way will be begun again. "
        "The same command goes on.",
        soft_wrap=True,
    )
    sys.exit(INTERRUPTED)


def _as_interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    # A pod is asked to end by SIGTERM, and leaves as after Ctrl-C: its trials are free for others at once.
    raise KeyboardInterrupt


def _show(session: "Session", rows: "Sequence[Row]", winners: "list[Enlisted] | None", count: int) -> None:
    from training.search.settings import written

    console = Console(highlight=False)
    console.print(_table(session, rows))
    for row in [row for row in rows if row.served][:1]:
        console.print(Text(f"The leader's settings: {written(row.settings)}."))
    console.print(Text(_summary(rows)))
    for row in [row for row in rows if row.reason][:3]:
        console.print(Text(f"  trial {row.number} ({row.algorithm}): {row.reason}"))
    if winners is None:
        console.print("Another worker has registered the winners of these trials.")
    elif count:
        console.print(_registered(session, winners))
        console.print("`concord up` serves them.")


def _summary(rows: "Sequence[Row]") -> str:
    failed = sum(row.interval is None for row in rows)
    refused = sum(row.interval is not None and not row.served for row in rows)
    served = len(rows) - failed - refused
    return (
        f"{len(rows)} trials: {served} can be served, {refused} do not convert to ONNX, {failed} failed. "
        "“=”: by its folds as good as the leader. Interval: of the mean over folds, 95 %, Nadeau and Bengio. "
        "The best of many is the best by luck too: --register says what winners do on the held-out rows."
    )


def _table(session: "Session", rows: "Sequence[Row]") -> Table:
    metric = session.task.metric
    title = f"{session.task.name}, by {metric} in {session.identity.folds}-fold cross-validation"
    headings = ("", "algorithm", "trial", "mean", "low", "high", "", "s", "ONNX kB")
    table = _made(title, headings, left={"algorithm"})
    for row in [row for row in rows if row.interval][:SHOWN]:
        assert row.interval is not None
        found = [_number(value) for value in (row.interval.mean, row.interval.low, row.interval.high)]
        size = "no" if row.size is None else f"{row.size / 1000:.0f}"
        level = "=" if row.level and row.rank > 1 else ""
        table.add_row(
            str(row.rank), row.algorithm, str(row.number), *found, level, f"{row.seconds:.1f}", size
        )
    return table


def _made(title: str, headings: "Sequence[str]", left: "set[str]") -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 1, 0, 0))
    for heading in headings:
        table.add_column(heading, justify="left" if heading in left else "right", no_wrap=True)
    return table


def _registered(session: "Session", winners: "Sequence[Enlisted]") -> Table:
    metric = session.task.metric
    headings = ("model", "v", "trial", "folds", "held out", "likest")
    table = _made(f"Registered, by {metric}; likest: its errors' correlation", headings, left={"model"})
    for one in winners:
        row = one.winner.row
        assert row.interval is not None
        table.add_row(
            one.info.model,
            one.info.version,
            str(row.number),
            _number(row.interval.mean),
            _number(one.fitted.metrics[metric]),
            f"{one.winner.twin:.2f}",
        )
    return table


def _number(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 1000 else f"{value:,.0f}"


def _plain(session: "Session", rows: "Sequence[Row]", winners: "list[Enlisted] | None") -> dict[str, Any]:
    from training.search.leaderboard import plain

    return {
        "study": session.identity.name,
        "task": session.task.name,
        "metric": session.task.metric,
        "folds": session.identity.folds,
        "seed": session.identity.seed,
        "data": {"name": session.data.name, "digest": session.data.digest},
        "parent_run_id": session.record.parent,
        "trials": {"finished": session.counts[0], "failed": sum(row.interval is None for row in rows)},
        "leaderboard": [plain(row) for row in rows],
        "registered": None if winners is None else [_plain_winner(one) for one in winners],
    }


def _plain_winner(one: "Enlisted") -> dict[str, Any]:
    return {
        "model": one.info.model,
        "version": one.info.version,
        "run_id": one.info.run_id,
        "trial": one.winner.row.number,
        "likest": one.winner.twin,
        "loss_together": one.winner.loss,
        "held_out": one.fitted.metrics,
    }
