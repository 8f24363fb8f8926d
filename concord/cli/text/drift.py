"""A drift report for people: a line a column, the errors, and what has drifted."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from concord.cli.console import out, print_line, table

if TYPE_CHECKING:
    from concord.types.drift import Difference, DriftReport, ErrorDrift

MARKS: Final = {"drifted": "[red]✗[/]", "steady": "[green]✓[/]", "too_few_rows": "[dim]·[/]"}
TESTS: Final = {"kolmogorov_smirnov": "KS", "chi_squared": "χ²", "missing": "missing", None: ""}
SUMMARIES: Final = {
    "drifted": "[red]✗[/] The rows have drifted.",
    "steady": "[green]✓[/] The rows look like those that were learned from.",
    "too_few_rows": "[yellow]![/] Too few rows to say.",
}
_NUMBERS: Final = ("rows", "PSI", "distance", "p", "missing", "new")


def show_report(report: "DriftReport") -> None:
    """Prints a report."""
    differences = [*report.features, *([] if report.target is None else [report.target])]
    rows = table("", "column", "rows", "PSI", "test", "distance", "p", "missing", "new", right=_NUMBERS)
    for difference in differences:
        rows.add_row(*_cells(difference, difference.name))
    for answers in report.answers:
        rows.add_row(*_cells(answers.difference, f"{answers.node} v{answers.version}"))
    out().print(rows)
    if report.errors is not None and report.errors.labelled:
        print_line(_describe_errors(report.errors))
    drifted = [difference.name for difference in differences if difference.status == "drifted"]
    drifted += [answers.node for answers in report.answers if answers.difference.status == "drifted"]
    names = f" {', '.join(drifted)}." if drifted else ""
    print_line(SUMMARIES[report.status] + names)
    for line in (_describe_basis(report), *_hints(report)):
        print_line(f"[dim]{line}[/]")


def show_kept(tracking: Mapping[str, Any], page: str | None) -> None:
    """Prints where in MLflow a report was kept.

    Args:
        tracking: The run, as training names it.
        page: Address of the MLflow page that `concord up` runs, if it does.
    """
    print_line(
        f"[green]✓[/] Kept in MLflow: run {tracking['run_id']} of the experiment {tracking['experiment']}."
    )
    run = None
    if tracking["page"] and page:
        run = f"{page}/#/experiments/{tracking['experiment_id']}/runs/{tracking['run_id']}"
    for address in filter(None, (tracking["url"], run, tracking["page"])):
        print_line(f"  {address}")


def _describe_basis(report: "DriftReport") -> str:
    learned = f"that {', '.join(report.profile_nodes)} " if report.profile_nodes else ""
    rows = "1 row" if report.rows == 1 else f"{report.rows:,} rows"
    return (
        f"{rows} against {report.profile_rows:,} {learned}learned from; p by Holm, "
        f"{report.level:.0%} for all together; at least {report.least_rows} rows."
    )


def _hints(report: "DriftReport") -> Iterator[str]:
    """Why a report says little, for readers who see one for the first time."""
    if not report.rows and report.profile_nodes:
        yield (
            "No round with its row is there: none was asked (since then), or rows were forgotten, or have "
            "expired (CONCORD_RETENTION_DAYS). --file compares a file."
        )
    new_versions = ", ".join(
        f"{answers.node} v{answers.version}"
        for answers in report.answers
        if answers.difference.rows < report.least_rows <= report.rows
    )
    if new_versions:
        yield f"{new_versions}: as new as that; what an older version answered does not count."
    others = sorted({answers.node for answers in report.answers}.difference(report.profile_nodes))
    if others and report.profile_nodes:
        yield f"{', '.join(others)} learned from other rows, with less stake behind them."


def _cells(difference: "Difference", name: str) -> tuple[str, ...]:
    new = difference.unseen or difference.outside
    return (
        MARKS[difference.status],
        name,
        f"{difference.rows:,}",
        "" if difference.psi is None else f"{difference.psi:.3f}",
        TESTS[difference.test],
        "" if difference.statistic is None else f"{difference.statistic:.4g}",
        "" if difference.adjusted is None else f"{difference.adjusted:.2g}",
        f"{difference.missing:.1%}" if difference.missing else "",
        f"{new:.1%}" if new else "",
    )


def _describe_errors(errors: "ErrorDrift") -> str:
    if errors.problem or errors.error is None:
        problem = errors.problem or "too few to say whether errors have grown."
        return f"[dim]·[/] {errors.labelled:,} labelled rounds: {problem}"
    if errors.error_before is None:
        return f"{MARKS[errors.status]} errors: {errors.error:.3f}, and no change was seen"
    change = f"{errors.error_before:.3f} → {errors.error:.3f}, noticed {errors.since}"
    return f"{MARKS[errors.status]} errors: {change}"
