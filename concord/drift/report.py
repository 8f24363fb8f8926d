"""Whether rows still look like those that the models learned from: one pass over them, in bounded memory.

A `Sketch` counts a column's values in the cells of the model's profile, so it is as large after a million
rows as after one. A whole report is one test: Holm's correction keeps the chance of any false alarm in it
at `LEVEL`, however many columns there are. Among many rows the slightest difference is significant, so a
column has drifted only if its population stability index calls the difference moderate as well, or many of
its values are new. Below `LEAST_ROWS` there is no answer. What an alarm leads to is not decided here.
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
from concord.tasks.profile import Column, Counts, TrainingProfile, Values, as_seen
from concord.types.drift import Difference, DriftReport, DriftStatus, NodeAnswers, Shares

LEVEL: Final = 0.01
"""Chance of any false alarm in a report. At one report an hour that is still one in four days, which is why
a column must differ by `LEAST_PSI` as well."""

LEAST_PSI: Final = 0.1
"""Index from which a difference is called moderate, by the custom of credit scoring."""

LEAST_NEW: Final = 0.1
"""Share of rows with values never learned from that is a difference as well. The outer bins are open, and the
index sees nothing of what moves within one: all of a column, if it was constant."""

LEAST_ROWS: Final = 100
"""With fewer, ten bins hold a handful each, and their index is above 0.1 by chance alone."""


class Sketch:
    """Counts of one column's values in the cells of its profile.

    Args:
        column: The column as it was learned from.
    """

    def __init__(self, column: Column) -> None:
        self.column = column
        self.rows = self.read = self.missing = self.outside = 0
        self._counts = np.zeros_like(column.counts)
        self._bins = np.zeros_like(column.bins)

    def add(self, values: Values) -> None:
        """Counts numbers, or places of choices. None of them may be NaN; see `note_missing`."""
        column = self.column
        self.rows += len(values)
        self._counts += np.bincount(column.cells(values), minlength=len(self._counts))
        self._bins += np.bincount(column.places(values), minlength=len(self._bins))
        if not column.choices:
            seen = as_seen(values)
            self.outside += int(((seen < column.least) | (seen > column.most)).sum())

    def add_cells(self, cells: Sequence[object]) -> None:
        """Counts cells as JSON has them, those that say nothing as missing."""
        values = self.column.read_values(cells)
        known = values[~np.isnan(values)]
        self.note_missing(len(values) - len(known), len(values))
        self.add(known)

    def note_missing(self, missing: int, read: int) -> None:
        """Takes note of cells that were read, and how many of them said nothing."""
        self.missing += missing
        self.read += read

    def difference(self) -> Difference:
        """How far it is from the profile, tested alone: Holm's correction is `judged`'s."""
        column = self.column
        unseen = int(self._counts[column.counts == 0].sum()) if column.choices else 0
        found = Difference(
            name=column.name,
            status="too_few_rows",
            rows=self.rows,
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
        return self._tested(found)

    def _shares(self) -> Shares:
        """How the rows are spread over the bins; of fewer rows this would tell of single ones."""
        column = self.column
        before = (column.bins / column.bins.sum()).round(6).tolist()
        now = (self._bins / self.rows).round(6).tolist()
        if column.choices:
            return Shares(before, now, choices=list(column.choices))
        return Shares(before, now, column.edges.tolist(), column.least, column.most)

    def _tested(self, found: Difference) -> Difference:
        by_values = self._of_values(found) if self.rows >= LEAST_ROWS <= self.column.rows else None
        by_cells = self._of_missing(found) if self.missing and self.read >= LEAST_ROWS else None
        if by_values is None or by_cells is None:
            return by_values or by_cells or found
        # Two tests of one column: the better one, at twice its p-value.
        first = min((by_values, by_cells), key=lambda one: one.p_value or 0.0)
        return replace(first, p_value=min(1.0, 2 * (first.p_value or 0.0)))

    def _of_values(self, found: Difference) -> Difference:
        column = self.column
        psi = population_stability_index(column.bins, self._bins)
        if column.choices:
            statistic, _, p = chi_squared(column.counts, self._counts)
            return replace(found, psi=psi, test="chi_squared", statistic=statistic, p_value=p)
        distance, p = kolmogorov_smirnov(column.counts, self._counts)
        return replace(found, psi=psi, test="kolmogorov_smirnov", statistic=distance, p_value=p)

    def _of_missing(self, found: Difference) -> Difference:
        """Whether more cells say nothing than before; fewer of them are no alarm."""
        column = self.column
        before = _split(column.missing, column.read)
        now = _split(self.missing, self.read)
        statistic, _, p = chi_squared(before, now)
        p = p / 2 if found.missing > found.missing_before else 1.0
        psi = population_stability_index(before, now)
        return replace(found, psi=psi, test="missing", statistic=statistic, p_value=p)


class Sketches:
    """The sketches of all features of a profile.

    A row with a cell that says nothing counts as missing there and nowhere else, unless the profile says
    what the cell is filled with: so were the rows chosen that the models learned from.

    Args:
        reference: The profile.
    """

    def __init__(self, reference: TrainingProfile) -> None:
        self.of = tuple(Sketch(column) for column in reference.features)
        self.read = 0

    def add(self, matrix: npt.NDArray[np.float64]) -> None:
        """Counts rows, of shape (features, rows) as `Column.read_values` has them."""
        self.read += matrix.shape[1]
        for sketch, values in zip(self.of, matrix, strict=True):
            empty = np.isnan(values)
            sketch.note_missing(int(empty.sum()), len(values))
            if sketch.column.fill is not None:
                values[empty] = sketch.column.fill
        whole = matrix[:, ~np.isnan(matrix).any(axis=0)]
        for sketch, values in zip(self.of, whole, strict=True):
            sketch.add(values)

    def add_rows(self, rows: Sequence[Mapping[str, object]]) -> None:
        """Counts rows as JSON has them; a column that a row lacks says nothing."""
        columns = [sketch.column for sketch in self.of]
        self.add(np.stack([column.read_values([row.get(column.name) for row in rows]) for column in columns]))


def report_of(
    task: str,
    reference: TrainingProfile,
    nodes: Sequence[str],
    features: Sketches,
    *,
    target: Sketch | None = None,
    answers: Mapping[tuple[str, str], Sketch] | None = None,
) -> DriftReport:
    """What sketches have seen, tested together.

    Args:
        task: The task.
        reference: The profile that the features were compared with.
        nodes: Whose models carry it.
        features: All features.
        target: What was true.
        answers: Node and version → what it answered.
    """
    said = answers or {}
    sketches = [*features.of, *([target] if target else []), *said.values()]
    found = judged([sketch.difference() for sketch in sketches])
    rest = found[len(features.of) :]
    return DriftReport(
        task=task,
        status=standing(found),
        rows=features.read,
        since=None,
        until=None,
        least_rows=LEAST_ROWS,
        level=LEVEL,
        profile=reference.digest,
        profile_rows=reference.rows,
        profile_nodes=list(nodes),
        features=found[: len(features.of)],
        target=rest.pop(0) if target else None,
        answers=[NodeAnswers(*names, one) for names, one in zip(said, rest, strict=True)],
    )


def judged(found: Sequence[Difference]) -> list[Difference]:
    """All that a report tests, by Holm's correction: what is significant together, and what has drifted."""
    tested = [one for one in found if one.p_value is not None]
    adjusted = iter(holm([one.p_value or 0.0 for one in tested]))
    return [one if one.p_value is None else _judged(one, next(adjusted)) for one in found]


def standing(found: Sequence[Difference]) -> DriftStatus:
    """Of a report as a whole: drifted if anything is, too few rows if nothing could be tested."""
    if any(one.status == "drifted" for one in found):
        return "drifted"
    return "steady" if any(one.p_value is not None for one in found) else "too_few_rows"


def _judged(one: Difference, adjusted: float) -> Difference:
    significant = adjusted <= LEVEL
    drifted = significant and ((one.psi or 0.0) >= LEAST_PSI or max(one.unseen, one.outside) >= LEAST_NEW)
    return replace(one, adjusted=adjusted, significant=significant, status="drifted" if drifted else "steady")


def _split(missing: int, read: int) -> Counts:
    return np.array([missing, read - missing])
