"""Command `python -m benchmarks.consensus`: simulates all scenarios and reports the figures.

Only the files that options ask for are written. Exit code 1 where a promise is not kept.
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
from benchmarks.consensus.scenarios import SCENARIOS, Scenario, select
from concord.policies.voting import WARM_LABELS

SCREEN: Final = Console(stderr=True)
WIDTH: Final = 160

Job = tuple[Scenario, int, int, int]


def _select(_context: click.Context, _option: click.Parameter, texts: Sequence[str]) -> Sequence[Scenario]:
    scenarios = select(texts)
    if not scenarios:
        raise click.BadParameter("No scenario has such a name; --list names them.")
    return scenarios


def _list(context: click.Context, _option: click.Parameter, is_listing: bool) -> None:  # noqa: FBT001 - a flag
    if is_listing:
        click.echo("\n".join(scenario.name for scenario in context.params["scenarios"]))
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
    callback=_select,
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
    jobs = [(scenario, seed, rounds, warm) for seed in range(seeds) for scenario in scenarios]
    outcomes = _run_jobs(jobs, processes)
    report = Report(outcomes, promises(outcomes), rounds, warm)
    if markdown_file:
        write_markdown(markdown_file, report.markdown())
    for path in draw(plots_folder, 0, rounds, warm) if plots_folder else ():
        SCREEN.print(f"drawn: {path}")
    screen = Console(width=None if sys.stdout.isatty() else WIDTH)
    for table in report.tables():
        screen.print(table, "")
    sentences = shortfalls(report.promises)
    for sentence in sentences:
        SCREEN.print(f"[red]✗[/] {sentence}", soft_wrap=True)
    if sentences and check:
        sys.exit(1)


def _run_jobs(jobs: Sequence[Job], processes: int) -> list[Outcome]:
    # Scenarios of one stream and seed stand together, so that its models are fitted once.
    streams = list(dict.fromkeys(job[0].stream for job in jobs))
    jobs = sorted(jobs, key=lambda job: (streams.index(job[0].stream), job[1]))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    outcomes = []
    with Progress(*columns, console=SCREEN) as progress:
        bar = progress.add_task("", total=len(jobs))
        for outcome in _run_all(jobs, processes):
            outcomes.append(outcome)
            progress.update(bar, description=f"{outcome.scenario}, seed {outcome.seed}")
            progress.advance(bar)
    order = {scenario.name: i for i, scenario in enumerate(SCENARIOS)}
    return sorted(outcomes, key=lambda outcome: (order[outcome.scenario], outcome.seed))


def _run_all(jobs: Sequence[Job], processes: int) -> Iterator[Outcome]:
    if processes == 1:
        yield from (run(*job) for job in jobs)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as workers:
        # A function of this module would not be found there: a worker does not import a `__main__`.
        for future in as_completed([workers.submit(run, *job) for job in jobs]):
            yield future.result()


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.consensus")
