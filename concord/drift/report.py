"""Compares rows with a training profile: one pass over them, in bounded memory, into a drift report.

A `Sketch` counts a column's values in the cells of its profile. All tests of a report together have the error
rate `LEVEL`, by Holm's correction. Among many rows the slightest difference is significant, so a column has
drifted only if its population stability index is at least moderate as well, or many of its values are new.
Below `LEAST_ROWS` there is no result.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from concord.drift.statistics import (
    chi_squared,
    holm,
    kolmogorov_smirnov,
    population_stability_index,
)
from concord.tasks.profile import Column, Counts, TrainingProfile, Values, round_to_float32
from concord.types.drift import Difference, DriftReport, DriftStatus, NodeAnswers, Shares

LEVEL: Final = 0.01
"""Probability of any false alarm in a report. At one report an hour that is still one in four
days; therefore a column must differ by `LEAST_PSI` as well."""

LEAST_PSI: Final = 0.1
"""Index from which a difference counts as moderate, by the convention of credit scoring."""

LEAST_NEW: Final = 0.1
"""Share of rows with values outside the training data from which a column counts as different. The outer bins
are open, so the index does not change while values move within one; of a constant column that is all."""

LEAST_ROWS: Final = 100
"""With fewer rows, ten bins hold a handful each, and the index exceeds 0.1 by chance alone."""


class Sketch:
    """Counts of one column's values in the cells of its profile.

    Args:
        column: The profile's column.
    """

    def __init__(self, column: Column) -> None:
        self.column = column
        self.rows = self.read = self.missing = self.outside = 0
        self._counts = np.zeros_like(column.counts)
        self._bins = np.zeros_like(column.bins)

    def add(self, values: Values) -> None:
        """Counts numbers, or indices of choices. None of them may be NaN; see `add_missing`."""
        column = self.column
        self.rows += len(values)
        self._counts += np.bincount(column.cell_indices(values), minlength=len(self._counts))
        self._bins += np.bincount(column.bin_indices(values), minlength=len(self._bins))
        if not column.choices:
            rounded = round_to_float32(values)
            self.outside += int(((rounded < column.least) | (rounded > column.most)).sum())

    def add_cells(self, cells: Sequence[object]) -> None:
        """Counts JSON values; null and unknown ones count as missing."""
        values = self.column.read_values(cells)
        present = values[~np.isnan(values)]
        self.add_missing(len(values) - len(present), len(values))
        self.add(present)

    def add_missing(self, missing: int, read: int) -> None:
        """Counts cells that were read, and how many of them were missing."""
        self.missing += missing
        self.read += read

    def difference(self) -> Difference:
        """The difference from the profile, tested alone; `judge_differences` applies Holm's correction."""
        column = self.column
        unseen = int(self._counts[column.counts == 0].sum()) if column.choices else 0
        return self._test(
            Difference(
                column.name,
                "too_few_rows",
                self.rows,
                psi=None,
                test=None,
                statistic=None,
                p_value=None,
                adjusted=None,
                significant=False,
                missing=self.missing / self.read if self.read else 0.0,
                missing_before=column.missing / column.read,
                unseen=unseen / self.rows if self.rows else 0.0,
                outside=self.outside / self.rows if self.rows else 0.0,
                exact=column.exact,
                shares=self._shares() if self.rows >= LEAST_ROWS else None,
            )
        )

    def _shares(self) -> Shares:
        """Shares of rows in the bins; not of fewer than `LEAST_ROWS`, which would reveal single rows."""
        column = self.column
        before = (column.bins / column.bins.sum()).round(6).tolist()
        now = (self._bins / self.rows).round(6).tolist()
        if column.choices:
            return Shares(before, now, choices=list(column.choices))
        return Shares(before, now, column.edges.tolist(), column.least, column.most)

    def _test(self, difference: Difference) -> Difference:
        by_values = self._test_values(difference) if self.rows >= LEAST_ROWS <= self.column.rows else None
        by_missing = self._test_missing(difference) if self.missing and self.read >= LEAST_ROWS else None
        if by_values is None or by_missing is None:
            return by_values or by_missing or difference
        # Two tests of one column: the smaller p-value, doubled (Bonferroni).
        smaller = min((by_values, by_missing), key=lambda tested: tested.p_value or 0.0)
        return replace(smaller, p_value=min(1.0, 2 * (smaller.p_value or 0.0)))

    def _test_values(self, difference: Difference) -> Difference:
        column = self.column
        psi = population_stability_index(column.bins, self._bins)
        if column.choices:
            statistic, _, p = chi_squared(column.counts, self._counts)
            return replace(difference, psi=psi, test="chi_squared", statistic=statistic, p_value=p)
        distance, p = kolmogorov_smirnov(column.counts, self._counts)
        return replace(difference, psi=psi, test="kolmogorov_smirnov", statistic=distance, p_value=p)

    def _test_missing(self, difference: Difference) -> Difference:
        """Tests whether more cells are missing than before; one-sided, since fewer are no alarm."""
        before = _split(self.column.missing, self.column.read)
        now = _split(self.missing, self.read)
        statistic, _, p = chi_squared(before, now)
        p = p / 2 if difference.missing > difference.missing_before else 1.0
        psi = population_stability_index(before, now)
        return replace(difference, psi=psi, test="missing", statistic=statistic, p_value=p)


class Sketches:
    """The sketches of all features of a profile.

    A row with a missing cell counts there as missing and in no other column, unless the profile has a value
    to fill the cell with: training selects its rows in the same way.

    Args:
        profile: The training profile.
    """

    def __init__(self, profile: TrainingProfile) -> None:
        self.features = tuple(Sketch(column) for column in profile.features)
        self.read = 0

    def add(self, matrix: npt.NDArray[np.float64]) -> None:
        """Counts rows, of shape (features, rows) as `Column.read_values` has them."""
        self.read += matrix.shape[1]
        for sketch, values in zip(self.features, matrix, strict=True):
            empty = np.isnan(values)
            sketch.add_missing(int(empty.sum()), len(values))
            if sketch.column.fill is not None:
                values[empty] = sketch.column.fill
        complete = matrix[:, ~np.isnan(matrix).any(axis=0)]
        for sketch, values in zip(self.features, complete, strict=True):
            sketch.add(values)

    def add_rows(self, rows: Sequence[Mapping[str, object]]) -> None:
        """Counts rows of JSON values; a column that a row lacks counts as missing."""
        columns = [sketch.column for sketch in self.features]
        self.add(np.stack([column.read_values([row.get(column.name) for row in rows]) for column in columns]))


def build_report(
    task: str,
    profile: TrainingProfile,
    nodes: Sequence[str],
    features: Sketches,
    *,
    target: Sketch | None = None,
    answers: Mapping[tuple[str, str], Sketch] | None = None,
) -> DriftReport:
    """Tests all sketches of a task together: features, labels (`target`), and answers by node and version.

    `nodes` are those whose models have the profile.
    """
    answers = answers or {}
    sketches = [*features.features, *([target] if target else []), *answers.values()]
    differences = judge_differences([sketch.difference() for sketch in sketches])
    width, first_answer = len(features.features), len(sketches) - len(answers)
    return DriftReport(
        task,
        overall_status(differences),
        features.read,
        since=None,
        until=None,
        least_rows=LEAST_ROWS,
        level=LEVEL,
        profile=profile.digest,
        profile_rows=profile.rows,
        profile_nodes=list(nodes),
        features=differences[:width],
        target=differences[width] if target else None,
        answers=[NodeAnswers(*key, differences[first_answer + i]) for i, key in enumerate(answers)],
    )


def judge_differences(differences: Sequence[Difference]) -> list[Difference]:
    """Adjusts the p-values of all tests of a report by Holm, and decides what has drifted."""
    adjusted = iter(holm([tested.p_value for tested in differences if tested.p_value is not None]))
    return [
        difference if difference.p_value is None else _judge(difference, next(adjusted))
        for difference in differences
    ]


def overall_status(differences: Sequence[Difference]) -> DriftStatus:
    """A report's status: drifted if anything is, too few rows if nothing could be tested."""
    if any(difference.status == "drifted" for difference in differences):
        return "drifted"
    return "steady" if any(difference.p_value is not None for difference in differences) else "too_few_rows"


def _judge(difference: Difference, adjusted: float) -> Difference:
    is_significant = adjusted <= LEVEL
    is_different = (difference.psi or 0.0) >= LEAST_PSI or (
        max(difference.unseen, difference.outside) >= LEAST_NEW
    )
    status: DriftStatus = "drifted" if is_significant and is_different else "steady"
    return replace(difference, adjusted=adjusted, significant=is_significant, status=status)


def _split(missing: int, read: int) -> Counts:
    return np.array([missing, read - missing])
