"""What `python -m training retrain` shows: tables of at most 80 columns, for people who see one first.

It shows what was measured and how the gate decided, and computes nothing of its own but ratios.
"""

from collections.abc import Sequence

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from concord.types.drift import DriftReport
from training.commands.console import make_table
from training.retraining.evaluation import RowGroup
from training.retraining.gate import number
from training.retraining.result import NodeMeasurement, NodeOutcome, Retraining
from training.task import LOWER_IS_BETTER, Task

WIDTH = 80

BY = {
    "time": "the newest by their dates",
    "random": "drawn at random with seed {seed}, since they carry no dates",
}


def show(task: Task, retraining: Retraining, seed: int) -> None:
    """Everything about every node."""
    shown: set[str] = set()
    for node in retraining.nodes:
        if node.error is not None:
            continue
        click.echo(f"\n{node.model}: champion is version {node.champion}")
        for note in node.notes:
            _say(note)
        if node.measurement is not None:
            _show_measurement(task, node.measurement, seed, shown)
        _gate(node)


def _show_measurement(task: Task, measurement: NodeMeasurement, seed: int, shown: set[str]) -> None:
    rows = measurement.holdout.proof["rows"]
    text = (
        f"{rows['test']['rows']:,} rows of {measurement.origins[1]} to judge on, "
        f"{BY[measurement.holdout.by].format(seed=seed)}. They share no row with the "
        f"{rows['old']['rows']:,} old and {rows['new']['rows']:,} new rows to learn from, nor with the "
        f"{rows['champion']['rows']:,} that the champion learned from (by hash, in proof.json of the run)."
    )
    if text not in shown:
        shown.add(text)
        _say(text)
        _say(_drift(measurement.drift, measurement.origins))
    _candidates(task, measurement)
    _metrics(measurement)
    if measurement.judgement.groups:
        _groups(measurement.judgement.groups)
        _ratios(measurement.judgement.groups)


def _drift(report: DriftReport, origins: tuple[str, str]) -> str:
    columns = [*report.features, *([report.target] if report.target else [])]
    listed = {
        status: ", ".join(
            f"{column.name} {column.psi:.2f}"
            for column in columns
            if column.status == status and column.psi is not None
        )
        for status in ("drifted", "steady")
    }
    text = f"Drift from {origins[0]} to {origins[1]} (PSI): {listed['drifted'] or 'none'}"
    return f"{text}; steady: {listed['steady']}." if listed["steady"] else f"{text}."


def _candidates(task: Task, measurement: NodeMeasurement) -> None:
    title = f"candidates, by {task.metric} on validation rows"
    table = make_table(title, ["learned from", "mean", "± std"], left=["learned from"])
    table.add_column("settings", overflow="fold")
    sign = 1 if task.metric in LOWER_IS_BETTER else -1
    for candidate in sorted(measurement.candidates, key=lambda candidate: sign * candidate.mean):
        chosen = "→ " if candidate is measurement.chosen else "  "
        scores = (number(candidate.mean), number(candidate.spread))
        table.add_row(chosen + candidate.basis, *scores, candidate.settings_text or "as declared")
    _print(table)


def _metrics(measurement: NodeMeasurement) -> None:
    judgement, more = measurement.judgement, len(measurement.seeds) > 1
    mean = [f"mean of {len(measurement.seeds)} seeds"] if more else []
    table = make_table(
        f"on the {judgement.rows:,} test rows", ["metric", "champion", "challenger", *mean], left=["metric"]
    )
    for name, value in judgement.champion.metrics.items():
        cells = [value, judgement.challenger.metrics[name], *([measurement.mean[name]] if more else [])]
        table.add_row(name, *map(number, cells))
    _print(table)


def _groups(groups: Sequence[RowGroup]) -> None:
    metric = next(name for name in groups[0].champion.metrics)
    has_means = groups[0].true is not None
    headings = [
        "rows",
        *(["true", "champ.", "chall."] if has_means else []),
        f"{metric} champ.",
        f"{metric} chall.",
    ]
    title = (
        f"by group: means of what was true and answered, and {metric}" if has_means else f"by group: {metric}"
    )
    table = make_table(title, ["group", *headings], left=["group"])
    for group in groups:
        means = [group.true, group.champion.said, group.challenger.said] if has_means else []
        cells = [*means, group.champion.metrics[metric], group.challenger.metrics[metric]]
        name = Text(f"{group.feature} {group.choice}")
        name.truncate(30, overflow="ellipsis")
        table.add_row(name, f"{group.rows:,}", *(number(cell or 0.0) for cell in cells))
    _print(table)


def _ratios(groups: Sequence[RowGroup]) -> None:
    """Plainly, how many times as much the one group gets as the other."""
    for feature in dict.fromkeys(group.feature for group in groups):
        own = [group for group in groups if group.feature == feature and group.true and group.challenger.said]
        if len(own) < 2:
            continue
        most = max(own, key=lambda group: group.challenger.said or 0.0)
        least = min(own, key=lambda group: group.challenger.said or 0.0)
        _say(
            f"{feature}: {most.choice} is answered {_times(most.challenger.said, least.challenger.said)} as "
            f"much as {least.choice} (champion {_times(most.champion.said, least.champion.said)}, in truth "
            f"{_times(most.true, least.true)})."
        )


def _times(most: float | None, least: float | None) -> str:
    return f"{most / least:.1f} times" if most is not None and least else "many times"


def _gate(node: NodeOutcome) -> None:
    table = make_table("gate", ["", "condition"], left=["", "condition"])
    table.add_column("result", overflow="fold")
    for condition in node.conditions:
        mark = Text("✓", style="green") if condition.passed else Text("✗", style="red")
        table.add_row(mark, condition.name, Text(condition.reason))
    _print(table)
    if node.passed:
        _say(f"✓ {node.model}: passed. Version {node.version} is registered as challenger.")
    else:
        failed = ", ".join(condition.name for condition in node.refused_by)
        _say(f"✗ {node.model}: refused by {failed}. Version {node.champion} stays champion.")
    if node.run_id:
        _say(f"MLflow run {node.run_id}.")


def _print(table: Table) -> None:
    console = Console()
    console.print(table, width=min(console.width, WIDTH))


def _say(text: str) -> None:
    console = Console()
    console.print(Text(text), width=min(console.width, WIDTH), highlight=False)
