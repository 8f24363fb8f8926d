"""The profile that a model carries: what each column looked like in the rows that it learned from.

A profile is plain JSON and holds no row. A number has bins by quantile for the population stability index,
and points with counts at and between them for Kolmogorov and Smirnov: where a column has no more distinct
values than `most_points` allows, these are all of them, and the test is exact. A choice has a share for each
text. Profiles of version 1, which had no points and knew nothing of answers, are read as well: their bins'
ends are the points. The module counts values in cells and decides nothing.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from concord.errors import ConfigurationError

Counts = npt.NDArray[np.int64]

Values = npt.NDArray[np.float64]
"""Numbers of a column, or choices by their place; NaN says nothing."""

MOST_POINTS: Final = 16_384
"""Distinct values of a column that a profile tells apart, so that the test is exact: those of any table of so
many rows, in 25 bytes each. Of more, quantiles are kept; the distance may be short by 1 / 16,384."""

LEAST_POINTS: Final = 2048
"""Distinct values of a column that are told apart in the widest table."""

POINTS_IN_ALL: Final = 262_144
"""Of all columns together; more columns than 16 share them, so that a profile stays below 7 MB unless there
are more than 128."""

MOST_FEATURES: Final = 10_000
_FLOAT: Final = np.float32
"""What a model sees, so equal numbers are equal here too."""


@dataclass(frozen=True, eq=False)
class Column:
    """One column of the profile.

    Attributes:
        name: The column's name.
        rows: Rows that were counted.
        choices: Texts of a choice; empty for a number.
        points: Of a number, in rising order.
        counts: Rows in each cell: before, at, between, at, … the points; or of each choice, and any other.
        edges: Where one bin ends and the next begins.
        bins: Rows in each bin; of a choice the same as `counts`.
        least: Smallest number.
        most: Largest number.
        missing: Cells that said nothing, of those read.
        read: Cells that were read, of which `rows` have come into the profile.
        unknown: Values that mean unknown.
        fill: Place or number that an empty cell is filled with, if it is.
    """

    name: str
    rows: int
    choices: tuple[str, ...]
    points: Values
    counts: Counts
    edges: Values
    bins: Counts
    least: float
    most: float
    missing: int
    read: int
    unknown: frozenset[float | str]
    fill: float | None

    @property
    def exact(self) -> bool:
        """Whether no cell holds two different values that were learned from."""
        return bool(self.choices) or (len(self.points) > 0 and not self.counts[::2].any())

    def cells(self, values: Values) -> npt.NDArray[np.intp]:
        """The cell of each value; none of them may be NaN."""
        if self.choices:
            return values.astype(np.intp)
        return number_cells(self.points, values) if len(self.points) else self.places(values)

    def places(self, values: Values) -> npt.NDArray[np.intp]:
        """The bin of each value; the outer ones are open."""
        if self.choices:
            return values.astype(np.intp)
        return np.searchsorted(self.edges, as_seen(values), side="right")

    def read_values(self, cells: Sequence[object]) -> Values:
        """Turns cells as JSON has them into numbers: a choice into its place, an unknown one behind the last.

        None, and what means unknown, becomes NaN; a text that should be a number does so too.
        """
        if self.choices:
            return np.array([self._code(cell) for cell in cells], dtype=np.float64)
        numbers = [cell if isinstance(cell, int | float) else np.nan for cell in cells]
        values = np.array(numbers, dtype=np.float64)
        if self.unknown:
            values[np.isin(values, [one for one in self.unknown if not isinstance(one, str)])] = np.nan
        return values

    def _code(self, cell: object) -> float:
        if cell is None or cell in self.unknown:
            return np.nan
        return self._codes.get(cell, len(self.choices))

    @cached_property
    def _codes(self) -> dict[object, int]:
        return {choice: place for place, choice in enumerate(self.choices)}


@dataclass(frozen=True, eq=False)
class TrainingProfile:
    """A whole profile.

    Attributes:
        document: As it was read.
        rows: Rows that were learned from.
        features: One a feature, in the schema's order.
        target: The answers that were learned from, under the name of their column.
        held_out: The model's own answers to the rows that were held out.
    """

    document: Mapping[str, Any]
    rows: int
    features: tuple[Column, ...]
    target: Column | None
    held_out: Column | None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what it says of the rows; models that learned from the same have the same."""
        said = {name: part for name, part in self.document.items() if name != "held_out"}
        text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    @classmethod
    def from_json(cls, document: object) -> "TrainingProfile":
        """Reads `profile.json`.

        Raises:
            ConfigurationError: It is no profile.
        """
        try:
            if not isinstance(document, Mapping):
                raise TypeError("an object is expected")
            rows, read = int(document["rows"]), int(document.get("read", document["rows"]))
            features = document["features"]
            if min(rows, read) < 1 or not 0 < len(features) <= MOST_FEATURES:
                raise ValueError("it has neither rows nor features")
            return cls(
                document,
                rows,
                tuple(_column(name, part, rows, read) for name, part in features.items()),
                _answers(document.get("target")),
                _answers(document.get("held_out")),
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ConfigurationError(f"This is no profile: {error}.", field="profile") from error


def most_points(columns: int) -> int:
    """How many distinct values a profile tells apart of each of so many numeric columns.

    >>> most_points(4), most_points(40), most_points(300)
    (16384, 6553, 2048)
    """
    return max(LEAST_POINTS, min(MOST_POINTS, POINTS_IN_ALL // max(columns, 1)))


def as_seen(values: npt.NDArray[Any]) -> Values:
    """Numbers as a model sees them; what float32 cannot hold is an infinity."""
    with np.errstate(over="ignore"):
        return values.astype(_FLOAT).astype(np.float64)


def number_cells(points: Values, values: Values) -> npt.NDArray[np.intp]:
    """The cell of each value: 2i between the points i − 1 and i, 2i + 1 at the point i.

    >>> number_cells(np.array([1.0, 2.0]), np.array([0.5, 1.0, 1.5, 2.0, 9.0])).tolist()
    [0, 1, 2, 3, 4]
    """
    seen = as_seen(values)
    after = np.searchsorted(points, seen)
    at = points[np.minimum(after, len(points) - 1)] == seen
    cells: npt.NDArray[np.intp] = 2 * after + at
    return cells


def _answers(part: Mapping[str, Any] | None) -> Column | None:
    if not part:
        return None
    rows = int(part["rows"])
    return _column(str(part["name"]), part, rows, rows)


def _column(name: str, part: Mapping[str, Any], rows: int, read: int) -> Column:
    missing = round(float(part.get("missing", 0.0)) * read)
    unknown = frozenset(part.get("unknown", ()))
    none = np.array([], dtype=np.float64)
    if "choices" in part:
        choices = tuple(map(str, part["choices"]))
        shares = [*part["choices"].values(), 0.0]
        counts = _counts(np.rint(np.array(shares, dtype=np.float64) * rows), len(choices) + 1)
        fill = None if part.get("fill") is None else float(choices.index(part["fill"]))
        return Column(name, rows, choices, none, counts, none, counts, 0, 0, missing, read, unknown, fill)
    edges, points = _rising(part["edges"]), _rising(part.get("points", ()))
    bins = _counts(np.rint(np.array(part["shares"], dtype=np.float64) * rows), len(edges) + 1)
    counts = _counts(part["counts"], 2 * len(points) + 1) if len(points) else bins
    fill = None if part.get("fill") is None else float(part["fill"])
    return Column(
        name,
        rows,
        (),
        points,
        counts,
        edges,
        bins,
        float(part["minimum"]),
        float(part["maximum"]),
        missing,
        read,
        unknown,
        fill,
    )


def _rising(given: Sequence[float]) -> Values:
    values = np.array(given, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all() or (np.diff(values) <= 0).any():
        raise ValueError("its points do not rise")
    return values


def _counts(given: Any, cells: int) -> Counts:  # noqa: ANN401 - whatever a document holds
    counts = np.array(given).astype(np.int64)
    if counts.shape != (cells,) or (counts < 0).any() or not counts.any():
        raise ValueError("its counts do not fit its cells")
    return counts
