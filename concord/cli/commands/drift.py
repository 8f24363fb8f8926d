"""`concord drift`: are the rows still those that the models learned from?

The service compares the rows of live rounds. A file is compared here with the profile that the service has,
or with one in a file; its rows never leave this machine.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from concord.cli.console import Command, json_option, print_json
from concord.cli.home import connect, find_home, find_project, read_settings, service_url
from concord.errors import ConfigurationError, InvalidInput

if TYPE_CHECKING:
    from concord.tasks.profile import TrainingProfile
    from concord.types.drift import DriftReport

# Client, numpy and rich are imported by what uses them.

SECONDS: Final = 300.0
"""How long the service may take: a million rounds take half a minute on a core of their own."""


@click.command("drift", cls=Command, short_help="Compare rows with those that models learned from.")
@click.argument("task")
@click.option(
    "--file", "source", type=click.Path(path_type=Path), help="Rows of this CSV file instead of live ones."
)
@click.option(
    "--profile", type=click.Path(path_type=Path), help="With --file: a profile.json, and no service is asked."
)
@click.option("--since", metavar="WHEN", help="Only later rounds: 90s, 15m, 2h, 7d or 2026-01-31T09:00.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), help="The newest rounds; 10,000 by default.")
@click.option("--report", "keep", is_flag=True, help="Keep it in MLflow too, with a table and pictures.")
@json_option
def drift(
    *,
    task: str,
    source: Path | None,
    profile: Path | None,
    since: str | None,
    limit: int | None,
    keep: bool,
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
    if source is not None and (since is not None or limit is not None):
        raise InvalidInput("--since and --limit are about live rounds, not about a file.", field="--file")
    if source is None and profile is not None:
        raise InvalidInput("--profile goes with --file; the service knows its own.", field="--profile")
    report = _compare_rounds(task, since, limit) if source is None else _compare_file(task, source, profile)
    tracking = _keep_report(report, source) if keep else None
    if as_json:
        print_json({"report": report, "kept": tracking} if tracking else report)
    else:
        _show(report, tracking)


def _show(report: "DriftReport", tracking: Mapping[str, Any] | None) -> None:
    from concord.cli.text.drift import show_kept, show_report

    show_report(report)
    if tracking is not None:
        # MLflow's page is `concord up`'s where the registry is a file of its home.
        show_kept(tracking, find_home().read_state().get("mlflow"))


def _compare_rounds(task: str, since: str | None, limit: int | None) -> "DriftReport":
    from concord.cli.commands.rounds import read_moment

    start = read_moment(since, datetime.now(UTC)) if since else None
    with connect(SECONDS) as client:
        return client.drift(task, since=start, limit=limit)


def _compare_file(task: str, source: Path, profile_file: Path | None) -> "DriftReport":
    import numpy as np

    from concord.cli.files.column_file import read_chunks
    from concord.drift.report import Sketch, Sketches, build_report

    profile = _ask_profile(task) if profile_file is None else _read_profile(profile_file)
    features = Sketches(profile)
    target = Sketch(profile.file_target) if profile.file_target else None
    for cells in read_chunks(source, profile.features, profile.file_target):
        values = [
            column.read_values(column_cells)
            for column, column_cells in zip(profile.features, cells, strict=False)
        ]
        features.add(np.stack(values))
        if target is not None and len(cells) > len(values):
            target.add_cells(cells[-1])
    return build_report(task, profile, [], features, target=target if target and target.read else None)


def _ask_profile(task: str) -> "TrainingProfile":
    with connect() as client:
        return client.profile(task)


def _read_profile(file: Path) -> "TrainingProfile":
    import orjson

    from concord.tasks.profile import TrainingProfile

    try:
        return TrainingProfile.from_json(orjson.loads(file.read_bytes()))
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}.", field="--profile") from error
    except ValueError as error:
        raise ConfigurationError(f"{file} is no JSON.", field="--profile") from error


def _keep_report(report: "DriftReport", source: Path | None) -> dict[str, Any]:
    """Has training draw the report and keep it in MLflow, as a process; returns where."""
    from dataclasses import asdict

    import orjson

    from concord.cli.up.preparation import Preparation

    rows = "live rounds" if source is None else source.name
    preparation = Preparation(find_project(), find_home().folder)
    return preparation.report(report.task, orjson.dumps(asdict(report)), rows, service_url(read_settings()))
