"""A drift report as CSV for programs, and as one HTML page that contains its pictures for people."""

import csv
import io
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import fields
from html import escape
from typing import Final

from concord.tasks.values import escape_formula
from concord.types.drift import Difference, DriftReport

_LEFT_OUT: Final = {"name", "significant", "exact", "shares"}
_FIGURES: Final = [field.name for field in fields(Difference) if field.name not in _LEFT_OUT]
"""Fields of a difference that are columns of the table."""

HEADINGS: Final = (
    "kind",
    "name",
    "version",
    *("p_holm" if name == "adjusted" else name for name in _FIGURES),
)

_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem;
  color: #111; background: #fff }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; display: block; overflow-x: auto }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #ccc; text-align: left; white-space: nowrap }
td.number, th.number { text-align: right }
tr.drifted td { background: #fdeee6 }
tr.drifted td.status { font-weight: bold }
img { max-width: 100%; display: block; margin: 1.2rem 0 }
"""

_STATUS_TEXT: Final = {
    "drifted": "The rows have drifted",
    "steady": "The rows look like those that were learned from",
    "too_few_rows": "Too few rows to say",
}


def rows_of(report: DriftReport) -> list[tuple[str, ...]]:
    """One row a column, the features first; of `HEADINGS`."""
    rows = [_row("feature", feature.name, "", feature) for feature in report.features]
    if report.target is not None:
        rows.append(_row("target", report.target.name, "", report.target))
    rows += [_row("answers", node.node, node.version, node.difference) for node in report.answers]
    return rows


def to_csv(report: DriftReport) -> str:
    """The table as CSV."""
    file = io.StringIO()
    rows = ([escape_formula(cell) for cell in row] for row in rows_of(report))
    csv.writer(file, lineterminator="\n").writerows([HEADINGS, *rows])
    return file.getvalue()


def to_html(report: DriftReport, source: str, pictures: Sequence[tuple[str, bytes]]) -> str:
    """The whole report as one page.

    Args:
        report: The report.
        source: Where the rows are from, for people.
        pictures: Caption and PNG of each.
    """
    title = f"Drift of {report.task}"
    images = "\n".join(
        f'<img alt="{escape(caption)}" src="data:image/png;base64,{b64encode(png).decode()}">'
        for caption, png in pictures
    )
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        f"<style>{_STYLE}</style></head><body>\n<h1>{escape(title)}</h1>\n"
        f"<p><b>{_STATUS_TEXT[report.status]}.</b> {escape(_description(report, source))}</p>\n"
        f"{_errors(report)}{_table(report)}\n{images}\n</body></html>\n"
    )


def _description(report: DriftReport, source: str) -> str:
    when = f", from {report.since} to {report.until}" if report.since else ""
    return (
        f"{report.rows:,} rows of {source}{when}, against {report.profile_rows:,} that were learned from "
        f"(profile {report.profile[:12]}). A column has drifted if chance does not explain the difference, "
        f"at {report.level:.0%} for all of them together by Holm, and its PSI or its share of new values is "
        "0.1 or more."
    )


def _errors(report: DriftReport) -> str:
    errors = report.errors
    if errors is None or not errors.labelled:
        return ""
    if errors.error is None:
        problem = errors.problem or "too few to say whether errors have grown."
        return f"<p>{errors.labelled:,} labelled rounds: {escape(problem)}</p>\n"
    before = f", {errors.error_before:.3f} before {errors.since}" if errors.error_before is not None else ""
    grown = "Errors have grown" if errors.status == "drifted" else "Errors have not grown"
    return f"<p><b>{grown}:</b> {errors.error:.3f} now{before}; {errors.labelled:,} labelled rounds.</p>\n"


def _table(report: DriftReport) -> str:
    head = "".join(f"<th{_number(name)}>{name}</th>" for name in HEADINGS)
    body = "\n".join(
        f'<tr class="{row[3]}">'
        + "".join(
            f'<td class="{name}">{escape(cell)}</td>'
            if name == "status"
            else f"<td{_number(name)}>{escape(cell)}</td>"
            for name, cell in zip(HEADINGS, row, strict=True)
        )
        + "</tr>"
        for row in rows_of(report)
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"


def _number(name: str) -> str:
    return "" if name in {"kind", "name", "version", "status", "test"} else ' class="number"'


def _row(kind: str, name: str, version: str, difference: Difference) -> tuple[str, ...]:
    return (kind, name, version, *(_cell_text(getattr(difference, figure)) for figure in _FIGURES))


def _cell_text(value: str | float | None) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
