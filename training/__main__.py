"""`python -m training`: fit models, package them.

The only module of this package that prints. It refuses to know how anything is done: it reads
arguments, shows progress on stderr and the result on stdout, and turns an error of ours into its
sentence on stderr and an exit code: 2 where the user can mend it (a data file, a name), 1 otherwise.
With `--json` the error is one JSON document on stdout too.
"""

import json
import logging
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from concord.errors import ConcordError, InvalidInput
from concord.settings import Settings
from training.task import SEED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.data import Dataset
    from training.promotion import Versions
    from training.run import Result
    from training.split import Split

# Heavy modules are imported by the command that needs them: `--help` answers at once.
# click hands a flag over as a plain argument.
# ruff: noqa: PLC0415, FBT001

SCREEN = Console(stderr=True)

COLUMNS = (
    SpinnerColumn(),
    TextColumn("{task.description}"),
    BarColumn(),
    MofNCompleteColumn(),
    TimeElapsedColumn(),
)

HEADINGS = {"version": "v", "precision": "prec.", "roc_auc": "AUC", "log_loss": "loss", "f1": "F1"}
"""Short names, so that a table fits 80 columns."""


class Command(click.Command):
    """A command whose known errors are sentences."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  click's own signature
        """Runs the command; an error of ours ends it with its exit code and no traceback."""
        try:
            return super().invoke(ctx)
        except ConcordError as error:
            if ctx.params.get("as_json"):
                document = {"code": error.code, "message": error.message, "field": error.field}
                click.echo(json.dumps({"error": document}, ensure_ascii=False))
            _complain(error)
            ctx.exit(_exit_code(error))


class Group(click.Group):
    """Commands of that kind."""

    command_class = Command
    group_class = type


@click.group(cls=Group)
def main() -> None:
    """Fit Concord's models, register them in MLflow and package them as bentos."""
    logging.basicConfig(level=logging.WARNING)


@main.command("fit")
@click.argument("tasks", nargs=-1, metavar="[TASK]...")
@click.option(
    "--data",
    "files",
    multiple=True,
    metavar="TASK=FILE.csv",
    help="Learn a task from your own file. Repeatable.",
)
@click.option("--seed", default=SEED, show_default=True, help="Seed of generators and split.")
@click.option(
    "--missing", "only_missing", is_flag=True, help="Leave out tasks whose nodes all have a champion."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def fit_command(
    tasks: tuple[str, ...], files: tuple[str, ...], seed: int, only_missing: bool, as_json: bool
) -> None:
    """Fit every node of the named tasks, or of all tasks, and register it as champion.

    Without --data the rows come from each task's own seeded generator. Models go to MLflow at
    MLFLOW_TRACKING_URI, or below CONCORD_HOME (.concord).
    """
    from training.champions import missing
    from training.tasks import select

    home, chosen = Settings.read().home, select(tasks)
    if only_missing:
        chosen = [task for task in chosen if missing([task], home)]
    results = _fit(chosen, dict(_pair(file) for file in files), seed, home) if chosen else []
    if as_json:
        click.echo(json.dumps([_plain(result) for result in results]))
    else:
        _show(results)
    failed = [result.error for result in results if result.error]
    for error in failed:
        _complain(error)
    if failed:
        sys.exit(1)


@main.command("describe")
def describe_command() -> None:
    """Print the tasks as Markdown: features, missing values, answers, nodes."""
    from training.describe import describe
    from training.tasks import select

    click.echo(describe(select(())), nl=False)


@main.command("package")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--json", "as_json", is_flag=True, help="Print the bentos' tags as JSON.")
def package_command(names: tuple[str, ...], as_json: bool) -> None:
    """Put the champions into BentoML's store and build the bentos concord-node and concord-consensus.

    NAME is a task (iris) or a model (iris.knn); all champions where none is named. What is already
    built from the same models and code is not built again.
    """
    from training.package import package

    with SCREEN.status("Packaging …") as status:
        made = package(Settings.read().home, names, tell=status.update)
    if as_json:
        click.echo(json.dumps(asdict(made)))
        return
    for tag in made.bentos.values():
        click.echo(f"{tag} {'unchanged' if tag in made.unchanged else 'built'}")
    click.echo(f"{len(made.models)} models: {', '.join(made.models.values())}")


@main.group("models")
def models_group() -> None:
    """The registry's side of `concord models`, as JSON."""


def _versions(*, cluster: bool) -> "Versions":
    from training.promotion import Versions

    return Versions(Settings.read().home, cluster=cluster)


cluster_option = click.option("--cluster", is_flag=True, help="About what a cluster serves, not a laptop.")


@models_group.command("list")
@cluster_option
@click.option("--json", "as_json", is_flag=True, default=True, hidden=True)
def models_list_command(cluster: bool, as_json: bool) -> None:  # noqa: ARG001  how an error is shown
    """List every registered model with its versions."""
    click.echo(json.dumps(_versions(cluster=cluster).listing()))


@models_group.command("promote")
@click.argument("model")
@click.argument("version")
@click.option("--served", metavar="VERSION:DIGEST", help="What is served now, if not the champion.")
@click.option("--again", is_flag=True, help="End a promotion that was begun.")
@cluster_option
@click.option("--json", "as_json", is_flag=True, default=True, hidden=True)
def models_promote_command(
    model: str,
    version: str,
    served: str | None,
    again: bool,
    cluster: bool,
    as_json: bool,  # noqa: ARG001
) -> None:
    """Name VERSION of MODEL champion."""
    number, _, digest = (served or "").partition(":")
    known = {"version": number, "digest": digest} if served else {}
    click.echo(json.dumps(asdict(_versions(cluster=cluster).promote(model, version, known, again=again))))


@models_group.command("rollback")
@click.argument("model")
@cluster_option
@click.option("--json", "as_json", is_flag=True, default=True, hidden=True)
def models_rollback_command(model: str, cluster: bool, as_json: bool) -> None:  # noqa: ARG001
    """Name the version champion that was served before."""
    click.echo(json.dumps(asdict(_versions(cluster=cluster).roll_back(model))))


@models_group.command("settle")
@click.argument("model")
@cluster_option
@click.option("--json", "as_json", is_flag=True, default=True, hidden=True)
def models_settle_command(model: str, cluster: bool, as_json: bool) -> None:  # noqa: ARG001
    """End a rollback: forget what was served before, because it is served again."""
    _versions(cluster=cluster).settle(model)
    click.echo("null")


def _fit(chosen: "Sequence[Any]", files: dict[str, Path], seed: int, home: Path) -> "list[Result]":
    with Progress(*COLUMNS, console=SCREEN) as progress:
        bar = progress.add_task("Reading data", total=sum(len(task.nodes) for task in chosen))
        from training.registry import Registry
        from training.run import fit_all, prepare

        prepared = prepare(chosen, files, seed)
        for task, data, parts in prepared:
            progress.console.print(_rows(task.name, data, parts), highlight=False, soft_wrap=True)
        progress.update(bar, description="Opening the registry")
        registry, results = Registry(home), []
        for result in fit_all(prepared, registry, seed, lambda name: progress.update(bar, description=name)):
            progress.advance(bar)
            results.append(result)
        progress.update(bar, description="Done")
    return results


def _exit_code(error: ConcordError) -> int:
    """2 where the user can mend it, as click's own usage errors have it."""
    return 2 if 400 <= error.status < 500 else 1


def _complain(error: ConcordError) -> None:
    SCREEN.print(Text("✗ ", style="red").append(error.message, style="default"), soft_wrap=True)


def _rows(task: str, data: "Dataset", parts: "Split") -> Text:
    learned, held_out = len(parts.training.rows), len(parts.test.rows)
    notes = [f"{rows} without {column} dropped" for column, rows in data.dropped.items()]
    if parts.copies:
        notes.append(f"{parts.copies} copies left out")
    return Text(", ".join([f"{task}: {learned} rows to learn and {held_out} held out ({data.name})", *notes]))


def _pair(text: str) -> tuple[str, Path]:
    task, sign, path = text.partition("=")
    if not sign or not path:
        raise InvalidInput(f"--data takes TASK=FILE.csv, not {text!r}.", field="--data")
    return task, Path(path)


def _show(results: "Sequence[Result]") -> None:
    if not results:
        click.echo("Every node has a champion; nothing to fit.")
    for task in dict.fromkeys(result.model.split(".")[0] for result in results):
        mine = [result for result in results if result.model.startswith(f"{task}.")]
        Console().print(_table(task, mine))


def _table(title: str, results: "Sequence[Result]") -> Table:
    metric = results[0].metric
    columns = list(next((result.metrics for result in results if result.metrics), {}))
    title = f"{title}, by {metric} on held-out rows"
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 1, 0, 0))
    table.add_column("node", no_wrap=True)
    for column in ["version", *columns, "fit s"]:
        table.add_column(HEADINGS.get(column, column), justify="right", no_wrap=True)
    sign = -1 if metric in {"log_loss", "brier", "mae", "mse"} else 1
    for result in sorted(
        results, key=lambda found: sign * found.metrics.get(metric, float("-inf")), reverse=True
    ):
        cells = [f"{result.metrics[column]:.3f}" for column in columns if result.metrics]
        table.add_row(
            result.model.split(".", 1)[1],
            result.info.version if result.info else "[red]failed[/]",
            *(cells or [""] * len(columns)),
            f"{result.seconds:.2f}",
        )
    return table


def _plain(result: "Result") -> dict[str, Any]:
    return {
        "model": result.model,
        "version": result.info.version if result.info else None,
        "run_id": result.info.run_id if result.info else None,
        "digest": result.info.digest if result.info else None,
        "metrics": dict(result.metrics),
        "seconds": result.seconds,
        "error": result.error.message if result.error else None,
    }


if __name__ == "__main__":
    main(prog_name="python -m training")
