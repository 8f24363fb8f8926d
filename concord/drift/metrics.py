"""What metrics say of drift: the gauges that a report sets, and those that it takes back.

A column, a node's version or the errors may be gone in the next report. What they left behind would stand
there for ever, since workers' gauges cannot be removed; so it becomes NaN, which no alert is raised by.
"""

import math
from collections.abc import Iterator
from typing import Final

from prometheus_client import Gauge

from concord.observability import metrics
from concord.types.drift import Difference, DriftReport, ErrorDrift

_ERRORS: Final = "errors"
"""Name of the errors among what may drift, and its kind."""

Series = tuple[Gauge, tuple[str, ...]]


class DriftGauges:
    """Shows reports, each in the place of the one before of its task."""

    def __init__(self) -> None:
        self._shown: dict[str, set[Series]] = {}

    def show(self, report: DriftReport) -> None:
        """Sets the gauges of a report's task."""
        found = dict(_found(report))
        for gauge, labels in self._shown.get(report.task, set()) - found.keys():
            gauge.labels(*labels).set(math.nan)
        for (gauge, labels), value in found.items():
            gauge.labels(*labels).set(value)
        self._shown[report.task] = set(found)


def _found(report: DriftReport) -> Iterator[tuple[Series, float]]:
    task = report.task
    yield (metrics.DRIFT_ROWS, (task,)), report.rows
    for one in report.features:
        yield (metrics.DRIFT_SIGNIFICANT, (task, one.name)), one.significant
        yield (metrics.DRIFTED, (task, "feature", one.name)), one.status == "drifted"
        yield from _psi(metrics.DRIFT_PSI, (task, one.name), one)
    if report.target is not None:
        yield (metrics.DRIFTED, (task, "target", report.target.name)), report.target.status == "drifted"
    for said in report.answers:
        yield (metrics.DRIFTED, (task, "answers", said.node)), said.difference.status == "drifted"
        yield from _psi(metrics.DRIFT_ANSWERS_PSI, (task, said.node, said.version), said.difference)
    if report.errors is not None:
        yield from _of_errors(task, report.errors)


def _psi(gauge: Gauge, labels: tuple[str, ...], one: Difference) -> Iterator[tuple[Series, float]]:
    if one.psi is not None:
        yield (gauge, labels), one.psi


def _of_errors(task: str, errors: ErrorDrift) -> Iterator[tuple[Series, float]]:
    if errors.error is None:
        return
    yield (metrics.DRIFTED, (task, _ERRORS, _ERRORS)), errors.status == "drifted"
    yield (metrics.DRIFT_ERRORS, (task, "now")), errors.error
    if errors.error_before is not None:
        yield (metrics.DRIFT_ERRORS, (task, "before")), errors.error_before
