"""What `python -m training retrain` shows: tables of at most 80 columns, for people who see one first.

It shows what was measured and how the gate decided, and computes nothing of its own but ratios.
"""

from collections.abc import Sequence

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from concord.types.drift import DriftReport
from training.retraining.evaluation import RowGroup
from training.retraining.gate import number
from training.retraining.result import Measured, NodeOutcome, Retraining
from training.task import LOWER_IS_BETTER, Task

WIDTH = 80

BY = {
    "time": "the newest by their dates",
    "random": "drawn at random with seed {seed}, since they carry no dates",
}


def show(task: Task, found: Retraining, seed: int) -> None:
    """Everything about every node."""
    told: set[str] = set()
    for node in found.nodes:
        if node.error is not None:
            continue
        click.echo(f"\n{node.model}: champion is version {node.champion}")
        for note in node.notes:
            _say(note)
        if node.measured is not None:
            _measured(task, node.measured, seed, told)
        _gate(node)


def _measured(task: Task, found: Measured, seed: int, told: set[str]) -> None:
    rows = found.isolated.proof["rows"]
    text = (
        f"{rows['test']['rows']:,} rows of {found.origins[1]} to judge on, "
        f"{BY[found.isolated.by].format(seed=seed)}. They share no row with the {rows['old']['rows']:,} old "
        f"and {rows['new']['rows']:,} new rows to learn from, nor with the {rows['champion']['rows']:,} that "
        "the champion learned from (by hash, in proof.json of the run)."
    )
    if text not in told:
        told.add(text)
        _say(text)
        _say(_drift(found.drift, found.origins))
    _candidates(task, found)
    _metrics(found)
    if found.judgement.groups:
        _groups(found.judgement.groups)
        _ratios(found.judgement.groups)


def _drift(report: DriftReport, origins: tuple[str, str]) -> str:
    columns = [*report.features, *([report.target] if report.target else [])]
    drifted = [
        f"{one.name} {one.psi:.2f}" for one in columns if one.status == "drifted" and one.psi is not None
    ]
    steady = [
        f"{one.name} {one.psi:.2f}" for one in columns if one.status == "steady" and one.psi is not None
    ]
    said = f"Drift from {origins[0]} to {origins[1]} (PSI): {', '.join(drifted) or 'none'}"
    return f"{said}; steady: {', '.join(steady)}." if steady else f"{said}."


def _candidates(task: Task, found: Measured) -> None:
    table = _table(f"candidates, by {task.metric} on validation rows", "learned from", ["mean", "± std"])
    table.add_column("settings", overflow="fold")
    sign = 1 if task.metric in LOWER_IS_BETTER else -1
    for trial in sorted(found.trials, key=lambda one: sign * one.mean):
        settings = ", ".join(f"{name.split('__')[-1]}={value}" for name, value in trial.settings.items())
        chosen = "→ " if trial is found.chosen else "  "
        table.add_row(
            chosen + trial.basis, number(trial.mean), number(trial.spread), settings or "as declared"
        )
    _print(table)


def _metrics(found: Measured) -> None:
    judgement, more = found.judgement, len(found.seeds) > 1
    mean = [f"mean of {len(found.seeds)} seeds"] if more else []
    table = _table(f"on the {judgement.rows:,} test rows", "metric", ["champion", "challenger", *mean])
    for name, value in judgement.champion.metrics.items():
        cells = [value, judgement.challenger.metrics[name], *([found.mean[name]] if more else [])]
        table.add_row(name, *map(number, cells))
    _print(table)


def _groups(groups: Sequence[RowGroup]) -> None:
    metric = next(name for name in groups[0].champion.metrics)
    said = groups[0].true is not None
    headings = [
        "rows",
        *(["true", "champ.", "chall."] if said else []),
        f"{metric} champ.",
        f"{metric} chall.",
    ]
    title = f"by group: means of what was true and answered, and {metric}" if said else f"by group: {metric}"
    table = _table(title, "group", headings)
    for group in groups:
        means = [group.true, group.champion.said, group.challenger.said] if said else []
        cells = [*means, group.champion.metrics[metric], group.challenger.metrics[metric]]
        name = Text(f"{group.feature} {group.choice}")
        name.truncate(30, overflow="ellipsis")
        table.add_row(name, f"{group.rows:,}", *(number(cell or 0.0) for cell in cells))
    _print(table)


def _ratios(groups: Sequence[RowGroup]) -> None:
    """Plainly, how many times as much the one group gets as the other."""
    for feature in dict.fromkeys(group.feature for group in groups):
        these = [one for one in groups if one.feature == feature and one.true and one.challenger.said]
        if len(these) < 2:
            continue
        most = max(these, key=lambda one: one.challenger.said or 0.0)
        least = min(these, key=lambda one: one.challenger.said or 0.0)
        _say(
            f"{feature}: {most.choice} is answered {_times(most.challenger.said, least.challenger.said)} as "
            f"much as {least.choice} (champion {_times(most.champion.said, least.champion.said)}, in truth "
            f"{_times(most.true, least.true)})."
        )


def _times(most: float | None, least: float | None) -> str:
    return f"{most / least:.1f} times" if most is not None and least else "many times"


def _gate(node: NodeOutcome) -> None:
    table = Table(title="gate", title_justify="left", title_style="bold", box=None, padding=(0, 1, 0, 0))
    for column in ("", "condition"):
        table.add_column(column, no_wrap=True)
    table.add_column("what was found", overflow="fold")
    for one in node.conditions:
        mark = Text("✓", style="green") if one.passed else Text("✗", style="red")
        table.add_row(mark, one.name, Text(one.reason))
    _print(table)
    if node.passed:
        _say(f"✓ {node.model}: passed. Version {node.version} is registered as challenger.")
    else:
        failed = ", ".join(one.name for one in node.refused_by)
        _say(f"✗ {node.model}: refused by {failed}. Version {node.champion} stays champion.")
    if node.run_id:
        _say(f"MLflow run {node.run_id}.")


def _table(title: str, first: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 1, 0, 0))
    table.add_column(first, no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _print(what: Table) -> None:
    console = Console()
    console.print(what, width=min(console.width, WIDTH))


def _say(text: str) -> None:
    console = Console()
    console.print(Text(text), width=min(console.width, WIDTH), highlight=False)
