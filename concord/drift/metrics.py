"""Gauges of drift reports.

A column, a node's version or the errors may be missing in the next report. Gauges of several workers cannot
be removed, so those that a report no longer sets become NaN, which raises no alert.
"""

import math
from collections.abc import Iterator
from typing import Final

from prometheus_client import Gauge

from concord.observability import metrics
from concord.types.drift import Difference, DriftReport, ErrorDrift

_ERRORS: Final = "errors"
"""The errors' name and kind in the `DRIFTED` gauge's labels."""

GaugeSeries = tuple[Gauge, tuple[str, ...]]


class DriftGauges:
    """Sets the gauges of a task from its newest report."""

    def __init__(self) -> None:
        self._shown: dict[str, set[GaugeSeries]] = {}

    def show(self, report: DriftReport) -> None:
        """Sets the gauges of a report's task."""
        values = dict(_read_values(report))
        for gauge, labels in self._shown.get(report.task, set()) - values.keys():
            gauge.labels(*labels).set(math.nan)
        for (gauge, labels), value in values.items():
            gauge.labels(*labels).set(value)
        self._shown[report.task] = set(values)


def _read_values(report: DriftReport) -> Iterator[tuple[GaugeSeries, float]]:
    task = report.task
    yield (metrics.DRIFT_ROWS, (task,)), report.rows
    for feature in report.features:
        yield (metrics.DRIFT_SIGNIFICANT, (task, feature.name)), feature.significant
        yield (metrics.DRIFTED, (task, "feature", feature.name)), feature.status == "drifted"
        yield from _read_psi(metrics.DRIFT_PSI, (task, feature.name), feature)
    if report.target is not None:
        yield (metrics.DRIFTED, (task, "target", report.target.name)), report.target.status == "drifted"
    for answers in report.answers:
        node, difference = answers.node, answers.difference
        yield (metrics.DRIFTED, (task, "answers", node)), difference.status == "drifted"
        yield from _read_psi(metrics.DRIFT_ANSWERS_PSI, (task, node, answers.version), difference)
    if report.errors is not None:
        yield from _read_errors(task, report.errors)


def _read_psi(
    gauge: Gauge, labels: tuple[str, ...], difference: Difference
) -> Iterator[tuple[GaugeSeries, float]]:
    if difference.psi is not None:
        yield (gauge, labels), difference.psi


def _read_errors(task: str, errors: ErrorDrift) -> Iterator[tuple[GaugeSeries, float]]:
    if errors.error is None:
        return
    yield (metrics.DRIFTED, (task, _ERRORS, _ERRORS)), errors.status == "drifted"
    yield (metrics.DRIFT_ERRORS, (task, "now")), errors.error
    if errors.error_before is not None:
        yield (metrics.DRIFT_ERRORS, (task, "before")), errors.error_before
