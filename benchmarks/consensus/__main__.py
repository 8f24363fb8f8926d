"""`python -m benchmarks.consensus`: plays every scenario, says what was reached, draws who had the say.

The only module here that prints. Everything happens in memory; nothing is written but what is asked
for. Exit code 1 where a promise is not kept.
"""

import multiprocessing
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.consensus.outcomes import Outcome, run
from benchmarks.consensus.plots import draw
from benchmarks.consensus.promises import promises, shortfalls
from benchmarks.consensus.report import Report, write_markdown
from benchmarks.consensus.scenarios import SCENARIOS, Scenario, chosen
from concord.policies.voting import WARM_LABELS

SCREEN: Final = Console(stderr=True)
WIDTH: Final = 160

Job = tuple[Scenario, int, int, int]


def _named(_context: click.Context, _option: click.Parameter, texts: Sequence[str]) -> Sequence[Scenario]:
    scenarios = chosen(texts)
    if not scenarios:
        raise click.BadParameter("No scenario has such a name; --list names them.")
    return scenarios


def _list(context: click.Context, _option: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - a flag
    if wanted:
        click.echo("\n".join(one.name for one in context.params["scenarios"]))
        context.exit()


@click.command()
@click.option("--seeds", default=5, show_default=True, type=click.IntRange(1), help="How many seeds.")
@click.option(
    "--rounds", default=4000, show_default=True, type=click.IntRange(100), help="Length of a stream."
)
@click.option(
    "--warm",
    default=WARM_LABELS,
    show_default=True,
    type=click.IntRange(0),
    help="Labelled rounds from which on skill is believed.",
)
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    is_eager=True,
    callback=_named,
    help="Only scenarios whose name contains this text.",
)
@click.option("--list", is_flag=True, expose_value=False, callback=_list, help="Name the scenarios and end.")
@click.option(
    "--markdown", "markdown_file", type=click.Path(path_type=Path), help="Write the tables as Markdown."
)
@click.option(
    "--plots", "plots_folder", type=click.Path(path_type=Path), help="Draw the telling ones into a folder."
)
@click.option("--processes", default=1, show_default=True, type=click.IntRange(1), help="How many at a time.")
@click.option("--check/--no-check", default=True, help="Whether falling short of the promises is an error.")
def main(
    seeds: int,
    rounds: int,
    warm: int,
    scenarios: Sequence[Scenario],
    markdown_file: Path | None,
    plots_folder: Path | None,
    processes: int,
    check: bool,  # noqa: FBT001 - click hands a flag over as a plain argument
) -> None:
    """Play the shipped rule against streams, adversaries and bad labels, and say what it reached."""
    outcomes = _play([(one, seed, rounds, warm) for seed in range(seeds) for one in scenarios], processes)
    report = Report(outcomes, promises(outcomes), rounds, warm)
    if markdown_file:
        write_markdown(markdown_file, report.markdown())
    for path in draw(plots_folder, 0, rounds, warm) if plots_folder else ():
        SCREEN.print(f"drawn: {path}")
    screen = Console(width=None if sys.stdout.isatty() else WIDTH)
    for table in report.tables():
        screen.print(table, "")
    short = shortfalls(report.promises)
    for sentence in short:
        SCREEN.print(f"[red]✗[/] {sentence}", soft_wrap=True)
    if short and check:
        sys.exit(1)


def _play(jobs: Sequence[Job], processes: int) -> list[Outcome]:
    # Scenarios of one stream and seed stand together, so that its models are fitted once.
    order = list(dict.fromkeys(job[0].stream for job in jobs))
    jobs = sorted(jobs, key=lambda job: (order.index(job[0].stream), job[1]))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    found = []
    with Progress(*columns, console=SCREEN) as progress:
        bar = progress.add_task("", total=len(jobs))
        for one in _run_all(jobs, processes):
            found.append(one)
            progress.update(bar, description=f"{one.scenario}, seed {one.seed}")
            progress.advance(bar)
    place = {one.name: i for i, one in enumerate(SCENARIOS)}
    return sorted(found, key=lambda one: (place[one.scenario], one.seed))


def _run_all(jobs: Sequence[Job], processes: int) -> Iterator[Outcome]:
    if processes == 1:
        yield from (run(*job) for job in jobs)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as workers:
        # A function of this module would not be found there: a worker does not import a `__main__`.
        for done in as_completed([workers.submit(run, *job) for job in jobs]):
            yield done.result()


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.consensus")
