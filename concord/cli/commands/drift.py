"""`concord drift`: are the rows still those that the models learned from?

Live rounds are compared by the service. A file is compared here, row by row, with the profile that the
service knows or with one that lies beside it: its rows leave this machine in no case.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from concord.cli.console import Command, json_option, out, print_json, table
from concord.errors import ConfigurationError, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from concord.tasks.profile import TrainingProfile
    from concord.types.drift import Difference, DriftReport, ErrorDrift

# Client, numpy and rich are imported by what uses them.

SECONDS: Final = 300.0
"""How long the service may take: a million rounds take half a minute on a core of their own."""

_MARKS: Final = {"drifted": "[red]✗[/]", "steady": "[green]✓[/]", "too_few_rows": "[dim]·[/]"}
_TESTS: Final = {"kolmogorov_smirnov": "KS", "chi_squared": "χ²", "missing": "missing", None: ""}
_SAID: Final = {
    "drifted": "[red]✗[/] The rows have drifted.",
    "steady": "[green]✓[/] The rows look like those that were learned from.",
    "too_few_rows": "[yellow]![/] Too few rows to say.",
}


@click.command("drift", cls=Command, short_help="Compare rows with those that models learned from.")
@click.argument("task")
@click.option(
    "--file", "source", type=click.Path(path_type=Path), help="Rows of this CSV file instead of live ones."
)
@click.option(
    "--profile", type=click.Path(path_type=Path), help="With --file: a profile.json, and no service is asked."
)
@click.option("--since", metavar="WHEN", help="Only later rounds: 90s, 15m, 2h, 7d or 2026-01-31T09:00.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), help="The newest rounds, 10,000 unless said.")
@click.option("--report", "kept", is_flag=True, help="Keep it in MLflow too, with a table and pictures.")
@json_option
def drift(
    *,
    task: str,
    source: Path | None,
    profile: Path | None,
    since: str | None,
    limit: int | None,
    kept: bool,
    as_json: bool,
) -> None:
    """Compare the rows that TASK is asked now with those that its models learned from.

    A column has drifted if chance does not explain the difference (at 1 % for all columns together) and its
    population stability index, or the share of new values, is 0.1 or more. The exit status is 0 all the same.

    \b
    Examples:
      concord drift iris --since 7d
      concord drift iris --since 7d --report
      concord drift loan_amount --file fastia_df_new.csv
      concord drift loan_amount --file fastia_df_new.csv --profile profile.json
    """
    if source is None:
        if profile is not None:
            raise InvalidInput("--profile goes with --file; the service knows its own.", field="--profile")
        report = _live(task, since, limit)
    else:
        if since is not None or limit is not None:
            raise InvalidInput("--since and --limit are about live rounds, not about a file.", field="--file")
        report = _of_file(task, source, profile)
    where = _keep(report, source) if kept else None
    if as_json:
        print_json(report if where is None else {"report": report, "kept": where})
        return
    _show(out(), report)
    if where is not None:
        _show_kept(out(), where)


def _live(task: str, since: str | None, limit: int | None) -> "DriftReport":
    from concord.cli.commands.rounds import moment
    from concord.cli.home import connect

    start = moment(since, datetime.now(UTC)) if since else None
    with connect(SECONDS) as client:
        return client.drift(task, since=start, limit=limit)


def _of_file(task: str, source: Path, profile: Path | None) -> "DriftReport":
    import numpy as np

    from concord.cli.files.column_file import chunks
    from concord.drift.report import Sketch, Sketches, build_report

    reference, nodes = _reference(task, profile)
    features = Sketches(reference)
    target = Sketch(reference.target) if reference.target else None
    for cells in chunks(source, reference.features, reference.target):
        values = [column.read_values(some) for column, some in zip(reference.features, cells, strict=False)]
        features.add(np.stack(values))
        if target is not None and len(cells) > len(values):
            target.add_cells(cells[-1])
    found = target if target is not None and target.read else None
    return build_report(task, reference, nodes, features, target=found)


def _keep(report: "DriftReport", source: Path | None) -> dict[str, Any]:
    """Has training draw the report and keep it, as a process; where it is."""
    from dataclasses import asdict

    import orjson

    from concord.cli.home import home, project, service_url, settings
    from concord.cli.up.preparation import Preparation

    name = "live rounds" if source is None else source.name
    preparation = Preparation(project(), home().home)
    return preparation.report(report.task, orjson.dumps(asdict(report)), name, service_url(settings()))


def _show_kept(console: "Console", where: Mapping[str, Any]) -> None:
    console.print(
        f"[green]✓[/] Kept in MLflow: run {where['run_id']} of the experiment {where['experiment']}.",
        soft_wrap=True,
    )
    from concord.cli.home import home

    # MLflow's page is `concord up`'s where the registry is a file of its home.
    served = where["page"] and home().running().get("mlflow")
    run = f"{served}/#/experiments/{where['experiment_id']}/runs/{where['run_id']}" if served else None
    for told in (where["url"], run, where["page"]):
        if told:
            console.print(f"  {told}", soft_wrap=True)


def _reference(task: str, profile: Path | None) -> "tuple[TrainingProfile, list[str]]":
    if profile is None:
        from concord.cli.home import connect

        with connect() as client:
            return client.profile(task), []
    import orjson

    from concord.tasks.profile import TrainingProfile

    try:
        return TrainingProfile.from_json(orjson.loads(profile.read_bytes())), []
    except OSError as error:
        raise ConfigurationError(f"{profile} cannot be read: {error.strerror}.", field="--profile") from error
    except ValueError as error:
        raise ConfigurationError(f"{profile} is no JSON.", field="--profile") from error


def _show(console: "Console", report: "DriftReport") -> None:
    made = table("", "column", "rows", "PSI", "test", "distance", "p", "missing", "new", right=_NUMBERS)
    target = [] if report.target is None else [report.target]
    for one in [*report.features, *target]:
        made.add_row(*_row(one, one.name))
    for said in report.answers:
        made.add_row(*_row(said.difference, f"{said.node} v{said.version}"))
    console.print(made)
    _show_errors(console, report.errors)
    drifted = [one.name for one in [*report.features, *target] if one.status == "drifted"]
    drifted += [said.node for said in report.answers if said.difference.status == "drifted"]
    console.print(_SAID[report.status] + (f" {', '.join(drifted)}." if drifted else ""), soft_wrap=True)
    console.print(f"[dim]{_against(report)}[/]", soft_wrap=True)
    for hint in _hints(report):
        console.print(f"[dim]{hint}[/]", soft_wrap=True)


def _against(report: "DriftReport") -> str:
    rows = "1 row" if report.rows == 1 else f"{report.rows:,} rows"
    by = f"that {', '.join(report.profile_nodes)} learned from" if report.profile_nodes else "learned from"
    return (
        f"{rows} against {report.profile_rows:,} {by}; p by Holm, {report.level:.0%} for all together; "
        f"at least {report.least_rows} rows."
    )


def _hints(report: "DriftReport") -> "Iterator[str]":
    """What explains a report that says little, to whoever sees one for the first time."""
    if not report.rows and report.profile_nodes:
        yield (
            "No round with its row is there: none was asked (since then), or rows were forgotten, or have "
            "expired (CONCORD_RETENTION_DAYS). --file compares a file."
        )
    fresh = [said for said in report.answers if said.difference.rows < report.least_rows <= report.rows]
    if fresh:
        names = ", ".join(f"{said.node} v{said.version}" for said in fresh)
        yield f"{names}: as new as that; what an older version answered does not count."
    known = {said.node for said in report.answers}
    others = sorted(known.difference(report.profile_nodes)) if report.profile_nodes else []
    if others:
        yield f"{', '.join(others)} learned from other rows, with less stake behind them."


_NUMBERS: Final = ("rows", "PSI", "distance", "p", "missing", "new")


def _row(one: "Difference", name: str) -> tuple[str, ...]:
    new = one.unseen or one.outside
    distance = "" if one.statistic is None else f"{one.statistic:.4g}"
    return (
        _MARKS[one.status],
        name,
        f"{one.rows:,}",
        "" if one.psi is None else f"{one.psi:.3f}",
        _TESTS[one.test],
        distance,
        "" if one.adjusted is None else f"{one.adjusted:.2g}",
        f"{one.missing:.1%}" if one.missing else "",
        f"{new:.1%}" if new else "",
    )


def _show_errors(console: "Console", errors: "ErrorDrift | None") -> None:
    if errors is None or not errors.labelled:
        return
    if errors.problem or errors.error is None:
        why = errors.problem or "too few to say whether errors have grown."
        console.print(f"[dim]·[/] {errors.labelled:,} labelled rounds: {why}", soft_wrap=True)
    elif errors.error_before is None:
        console.print(f"{_MARKS[errors.status]} errors: {errors.error:.3f}, and no change was seen")
    else:
        change = f"{errors.error_before:.3f} → {errors.error:.3f}, noticed {errors.since}"
        console.print(f"{_MARKS[errors.status]} errors: {change}", soft_wrap=True)
