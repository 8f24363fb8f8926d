"""Pictures of a drift report: the distribution of each column then and now, and the course of the errors.

They are drawn from the report alone. Bins are those of the profile, drawn with one width: of a number they
are the deciles of the training rows, so *then* is level, and every step in *now* is drift. Colours are Okabe
and Ito's, which colour-blind people can distinguish, and drifted columns are also named in words.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from concord.drift.report import LEAST_PSI
from concord.tasks.schema import TaskSchema
from concord.types.drift import Difference, DriftReport, ErrorDrift, Shares

THEN, NOW, DRIFTED = "#0072B2", "#E69F00", "#D55E00"
"""Blue, orange and vermilion."""

LARGE_PSI: Final = 0.25
"""Index from which a change is called large, by custom."""

MOST_PICTURES: Final = 40
"""Columns with a picture of their own, those that differ most; the table has all of them."""

MOST_CHOICES: Final = 14
"""Bars that can be distinguished in one picture; the rarer choices are drawn together."""

_WIDE, _DOTS = 7.2, 120
_HEIGHT: Final = 3.8
_FONT: Final = {"size": 11}


def draw_report(report: DriftReport, schema: TaskSchema | None) -> Iterator[tuple[str, str, Figure]]:
    """File name, what it shows and picture, one after the other; of columns with too few rows there is none.

    Args:
        report: What is drawn.
        schema: The task, for units; None where it is not known.
    """
    units = units_of(schema)
    targets = [report.target] if report.target else []
    named = [(column, column.name) for column in [*report.features, *targets]]
    named += [(node.difference, f"{node.node} v{node.version} answers") for node in report.answers]
    drawable = [(column, name, column.shares) for column, name in named if column.shares is not None]
    if any(column.psi is not None for column, _ in named):
        yield "psi.png", "How far each column is", _indices(named)
    furthest = sorted(drawable, key=lambda drawn: -(drawn[0].psi or 0.0))[:MOST_PICTURES]
    for place, (column, name, shares) in enumerate(furthest, 1):
        if shares.choices:
            picture = _choices(column, name, shares, report)
        else:
            picture = _bins(column, name, shares, report, units.get(column.name, ""))
        yield f"{place:02}-{file_name(name)}.png", name, picture
    if report.errors is not None and report.errors.course:
        yield "errors.png", "Errors of labelled rounds", _errors(report.errors, schema)


def units_of(schema: TaskSchema | None) -> dict[str, str]:
    """Column → its unit, the answer's among them."""
    if schema is None:
        return {}
    value = {schema.value.name: schema.value.unit} if schema.value else {}
    return {feature.name: feature.unit for feature in schema.features} | value


def file_name(name: str) -> str:
    """A name that any store of artifacts takes."""
    return "".join(sign if sign.isalnum() and sign.isascii() else "_" for sign in name)[:60]


def short(number: float) -> str:
    """A number as there is room for it on an axis.

    >>> short(2017), short(1_250_000), short(0.12345)
    ('2017', '1.25M', '0.1235')
    """
    for size, sign in ((1e9, "bn"), (1e6, "M"), (1e4, "k")):
        if abs(number) >= size:
            return f"{number / (1e3 if sign == 'k' else size):.3g}{sign}"
    return f"{number:.4g}"


def _figure(title: str, below: str = "", height: float = _HEIGHT) -> tuple[Figure, Any]:
    figure = Figure(figsize=(_WIDE, height), dpi=_DOTS, layout="constrained")
    figure.suptitle(title, x=0.02, ha="left", fontsize=12.5, fontweight="bold")
    axes = figure.subplots()
    axes.set_title(below, loc="left", fontsize=10, color="#333333")
    axes.tick_params(labelsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    return figure, axes


def _title(column: Difference, name: str) -> str:
    status = {"drifted": "has drifted", "steady": "steady", "too_few_rows": "too few rows"}[column.status]
    return f"{name}: {status}"


def _below(column: Difference) -> str:
    """Figures below the title."""
    index = "" if column.psi is None else f"PSI {column.psi:.3f}"
    parts = [f"{index} (filled and missing cells)" if column.test == "missing" else index]
    if column.adjusted is not None:
        parts.append(f"p {column.adjusted:.1g} by Holm")
    if column.outside:
        parts.append(f"{column.outside:.1%} out of range")
    if column.missing:
        parts.append(f"{column.missing:.1%} missing, {column.missing_before:.1%} then")
    return "; ".join(filter(None, parts))


def _legend(figure: Figure, axes: Any, column: Difference, report: DriftReport) -> None:  # noqa: ANN401 - untyped
    then, now = axes.containers[:2]
    labels = ["then: rows held out from the fit", f"now: {column.rows:,} rows"]
    if all(node.difference is not column for node in report.answers):
        labels[0] = f"then: {report.profile_rows:,} rows learned from"
    figure.legend([then, now], labels, loc="outside lower right", ncols=2, frameon=False, fontsize=10)


def _bins(column: Difference, name: str, shares: Shares, report: DriftReport, unit: str) -> Figure:
    figure, axes = _figure(_title(column, name), _below(column))
    places = np.arange(len(shares.now))
    axes.bar(places - 0.2, shares.before, 0.4, color=THEN)
    axes.bar(places + 0.2, shares.now, 0.4, color=NOW, hatch="//", edgecolor="white", linewidth=0)
    ends = [shares.least, *shares.edges, shares.most]
    axes.set_xticks(np.arange(len(ends)) - 0.5, ["" if end is None else short(end) for end in ends])
    if len({short(end) for end in ends if end is not None}) > 8:
        for label in axes.get_xticklabels():
            label.set(rotation=30, ha="right", rotation_mode="anchor")
    axes.set_xlabel(f"{column.name} [{unit}]" if unit else column.name, **_FONT)
    _shares_axis(axes, "y")
    _legend(figure, axes, column, report)
    return figure


def _choices(column: Difference, name: str, shares: Shares, report: DriftReport) -> Figure:
    names, before, now = _largest(shares)
    figure, axes = _figure(_title(column, name), _below(column), max(_HEIGHT, 1.7 + 0.42 * len(names)))
    places = np.arange(len(names))
    axes.barh(places - 0.2, before, 0.4, color=THEN)
    axes.barh(places + 0.2, now, 0.4, color=NOW, hatch="//", edgecolor="white", linewidth=0)
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    _shares_axis(axes, "x")
    _legend(figure, axes, column, report)
    return figure


def _largest(shares: Shares) -> tuple[list[str], list[float], list[float]]:
    """Choices in their order, the rarest in one, and those never learned from if there are any."""
    rows = list(zip(shares.choices, shares.before, shares.now, strict=False))
    kept = sorted(rows, key=lambda row: -max(row[1:]))[:MOST_CHOICES]
    rare = [row for row in rows if row not in kept]
    rows = [row for row in rows if row in kept]
    if rare:
        rows.append((f"{len(rare)} rarer ones", sum(row[1] for row in rare), sum(row[2] for row in rare)))
    if shares.now[-1] > 0:
        rows.append(("never learned", shares.before[-1], shares.now[-1]))
    return [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]


def _shares_axis(axes: Any, which: str) -> None:  # noqa: ANN401 - matplotlib's axes have no useful type
    axis = axes.yaxis if which == "y" else axes.xaxis
    axis.set_major_formatter(PercentFormatter(1))
    axis.set_label_text("Share of rows [%]", fontdict=_FONT)
    axis.grid(visible=True, color="#dddddd", linewidth=0.8)


def _indices(named: Sequence[tuple[Difference, str]]) -> Figure:
    rows = [(column, name) for column, name in named if column.psi is not None]
    rows = sorted(rows, key=lambda row: -(row[0].psi or 0.0))[:MOST_PICTURES]
    figure, axes = _figure("Population stability index", height=max(_HEIGHT, 1.6 + 0.34 * len(rows)))
    indices = [column.psi or 0.0 for column, _ in rows]
    colours = [DRIFTED if column.status == "drifted" else THEN for column, _ in rows]
    bars = axes.barh(range(len(rows)), indices, 0.66, color=colours)
    texts = [f"{column.psi:.3f}{' drifted' if column.status == 'drifted' else ''}" for column, _ in rows]
    labels = axes.bar_label(bars, texts, padding=4, fontsize=10, zorder=4)
    for label in labels:
        label.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1})
    axes.set_yticks(range(len(rows)), [name for _, name in rows])
    axes.invert_yaxis()
    axes.set_xlim(0, max(0.32, 1.22 * max(indices)))
    for index in (LEAST_PSI, LARGE_PSI):
        axes.axvline(index, color="#333333", linestyle="--", linewidth=1, zorder=3)
        axes.annotate(
            f"{index:g}", (index, 1), xycoords=("data", "axes fraction"), ha="center", va="bottom", fontsize=9
        )
    axes.set_xlabel("PSI (no unit); from 0.1 a change is moderate, from 0.25 large", **_FONT)
    return figure


def _errors(errors: ErrorDrift, schema: TaskSchema | None) -> Figure:
    grown = {"drifted": "have grown", "steady": "have not grown", "too_few_rows": "too few labels to say"}
    figure, axes = _figure(f"Errors of labelled rounds: {grown[errors.status]}")
    ends = [0, *accumulate(point.labelled for point in errors.course)]
    axes.stairs([point.error for point in errors.course], ends, color=THEN, linewidth=2, baseline=None)
    if errors.since is not None:
        before = sum(point.labelled for point in errors.course if point.since < errors.since)
        axes.axvline(before, color=DRIFTED, linestyle="--", linewidth=1.5)
        axes.annotate(
            f" noticed here: {errors.error_before:.3f} to {errors.error:.3f} ",
            (before, 1),
            xycoords=("data", "axes fraction"),
            ha="right" if before > ends[-1] / 2 else "left",
            va="top",
            fontsize=10,
            color=DRIFTED,
        )
    ticks = sorted({round(place) for place in np.linspace(0, len(errors.course) - 1, 4)})
    axes.set_xticks(
        [ends[place] for place in ticks],
        [f"{ends[place]:,}\n{_when(errors.course[place].since)}" for place in ticks],
    )
    axes.set_ylim(0, 1.15 * max(0.1, *(point.error for point in errors.course)))
    axes.set_xlabel("Labelled rounds, and when the round was [UTC]", **_FONT)
    axes.set_ylabel(_error_axis(schema), **_FONT)
    axes.grid(visible=True, axis="y", color="#dddddd", linewidth=0.8)
    return figure


def _when(instant: str) -> str:
    return instant[:16].replace("T", " ")


def _error_axis(schema: TaskSchema | None) -> str:
    if schema is None:
        return "Mean error [0 to 1]"
    if schema.value is None:
        return "Wrong answers [share]"
    return f"Mean error [0.5 = {short(schema.value.scale)} {schema.value.unit}]"
