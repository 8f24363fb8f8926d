"""The training profile that a model carries: the distribution of each column in its training rows.

A profile is plain JSON and holds no row. A number has bins by quantile for the population stability index,
and points with counts at and between them for the Kolmogorov–Smirnov test, which is exact where the points
are all distinct values. A choice has a share for each text. Profiles of version 1 have neither points nor
answers; there the bins' edges serve as points.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from concord.errors import ConfigurationError
from concord.tasks.cells import is_empty
from concord.tasks.class_names import AnswerTexts

Counts = npt.NDArray[np.int64]

Values = npt.NDArray[np.float64]
"""Numbers of a column, or indices of its choices; NaN is a missing cell."""

MOST_POINTS: Final = 16_384
"""Distinct values of a column that a profile keeps, 25 bytes each, so that the test is exact. Of more values
quantiles are kept; the distance may then be too small by 1 / 16,384."""

LEAST_POINTS: Final = 2048
"""Distinct values of a column that are kept in the widest table."""

POINTS_IN_ALL: Final = 262_144
"""Points of all columns together. More than 16 columns share them, so that a profile of at most 128 columns
stays below 7 MB."""

MOST_FEATURES: Final = 10_000
_FLOAT: Final = np.float32
"""The precision of a model's input: numbers that are equal to the model are equal here."""


@dataclass(frozen=True, eq=False)
class Column:
    """One column of the profile.

    Attributes:
        name: The column's name.
        rows: Rows that were counted.
        choices: Texts of a choice; empty for a number.
        points: Of a number, in rising order.
        counts: Rows in each cell: below, at, between, at, … the points; or of each choice, and of all others.
        edges: Where one bin ends and the next begins.
        bins: Rows in each bin; of a choice the same as `counts`.
        least: Smallest number.
        most: Largest number.
        missing: Missing cells, of those read.
        read: Cells that were read; `rows` of them were counted.
        unknown: Values that mean unknown.
        fill: Number, or index of the choice, that replaces a missing cell; None where none does.
        names: Of answers, text of a cell → class; None for a feature, whose choices stand there as they are.
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
    names: Mapping[str, str] | None = None

    @property
    def exact(self) -> bool:
        """Whether no cell holds two different training values."""
        return bool(self.choices) or (len(self.points) > 0 and not self.counts[::2].any())

    def cell_indices(self, values: Values) -> npt.NDArray[np.intp]:
        """The cell of each value; none of them may be NaN."""
        if self.choices:
            return values.astype(np.intp)
        return number_cells(self.points, values) if len(self.points) else self.bin_indices(values)

    def bin_indices(self, values: Values) -> npt.NDArray[np.intp]:
        """The bin of each value; the outer ones are open."""
        if self.choices:
            return values.astype(np.intp)
        return np.searchsorted(self.edges, round_to_float32(values), side="right")

    def read_values(self, cells: Sequence[object]) -> Values:
        """Turns JSON values into numbers: a choice into its index, another text into the next one.

        Null, values that mean unknown, and texts in a column of numbers become NaN.
        """
        if self.choices:
            return np.array([self._code(cell) for cell in cells], dtype=np.float64)
        numbers = [cell if isinstance(cell, int | float) else np.nan for cell in cells]
        values = np.array(numbers, dtype=np.float64)
        if self.unknown:
            values[np.isin(values, [value for value in self.unknown if not isinstance(value, str)])] = np.nan
        return values

    def _code(self, cell: object) -> float:
        if cell is None or cell in self.unknown:
            return np.nan
        return self._codes.get(cell, len(self.choices))

    def read_text(self, text: str) -> str | None:
        """The choice of a cell, or its text if it is none; None where it is empty."""
        found = self._classes.find(text) if self._classes else text if text in self._codes else None
        if found is None and is_empty(text):
            return None
        return text if found is None else found

    @cached_property
    def _classes(self) -> AnswerTexts | None:
        return None if self.names is None else AnswerTexts(self.choices, self.names)

    @cached_property
    def _codes(self) -> dict[object, int]:
        return {choice: index for index, choice in enumerate(self.choices)}


@dataclass(frozen=True, eq=False)
class TrainingProfile:
    """The profile of a model's training rows.

    Attributes:
        document: The JSON that it was read from.
        rows: Training rows.
        features: One a feature, in the schema's order.
        target: The labels, under the name of their column.
        held_out: The model's own answers to the held-out rows.
    """

    document: Mapping[str, Any]
    rows: int
    features: tuple[Column, ...]
    target: Column | None
    held_out: Column | None

    @property
    def file_target(self) -> Column | None:
        """The labels as a file of the data states them; None where training grades them from numbers."""
        return None if (self.document.get("target") or {}).get("graded") else self.target

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the profile without the model's answers: equal for models of the same training rows."""
        shared = {name: part for name, part in self.document.items() if name != "held_out"}
        text = json.dumps(shared, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
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
                tuple(_read_column(name, part, rows, read) for name, part in features.items()),
                _read_answers(document.get("target")),
                _read_answers(document.get("held_out")),
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ConfigurationError(f"This is no profile: {error}.", field="profile") from error


def most_points(columns: int) -> int:
    """Distinct values that a profile keeps of each column, by the number of numeric columns.

    >>> most_points(4), most_points(40), most_points(300)
    (16384, 6553, 2048)
    """
    return max(LEAST_POINTS, min(MOST_POINTS, POINTS_IN_ALL // max(columns, 1)))


def round_to_float32(values: npt.NDArray[Any]) -> Values:
    """Rounds numbers to the precision of a model's input; what float32 cannot hold becomes an infinity."""
    with np.errstate(over="ignore"):
        return values.astype(_FLOAT).astype(np.float64)


def number_cells(points: Values, values: Values) -> npt.NDArray[np.intp]:
    """The cell of each value: 2i between the points i − 1 and i, 2i + 1 at the point i.

    >>> number_cells(np.array([1.0, 2.0]), np.array([0.5, 1.0, 1.5, 2.0, 9.0])).tolist()
    [0, 1, 2, 3, 4]
    """
    rounded = round_to_float32(values)
    after = np.searchsorted(points, rounded)
    at = points[np.minimum(after, len(points) - 1)] == rounded
    cells: npt.NDArray[np.intp] = 2 * after + at
    return cells


def _read_answers(part: Mapping[str, Any] | None) -> Column | None:
    if not part:
        return None
    rows = int(part["rows"])
    names = {str(text): str(label) for text, label in part.get("names", {}).items()}
    return replace(_read_column(str(part["name"]), part, rows, rows), names=names)


def _read_column(name: str, part: Mapping[str, Any], rows: int, read: int) -> Column:
    missing = round(float(part.get("missing", 0.0)) * read)
    unknown = frozenset(part.get("unknown", ()))
    none = np.array([], dtype=np.float64)
    if "choices" in part:
        choices = tuple(map(str, part["choices"]))
        shares = [*part["choices"].values(), 0.0]
        counts = _read_counts(np.rint(np.array(shares, dtype=np.float64) * rows), len(choices) + 1)
        fill = None if part.get("fill") is None else float(choices.index(part["fill"]))
        return Column(name, rows, choices, none, counts, none, counts, 0, 0, missing, read, unknown, fill)
    edges, points = _read_rising(part["edges"]), _read_rising(part.get("points", ()))
    bins = _read_counts(np.rint(np.array(part["shares"], dtype=np.float64) * rows), len(edges) + 1)
    counts = _read_counts(part["counts"], 2 * len(points) + 1) if len(points) else bins
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


def _read_rising(numbers: Sequence[float]) -> Values:
    values = np.array(numbers, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all() or (np.diff(values) <= 0).any():
        raise ValueError("its points do not rise")
    return values


def _read_counts(numbers: Any, cells: int) -> Counts:  # noqa: ANN401 - from a document
    counts = np.array(numbers).astype(np.int64)
    if counts.shape != (cells,) or (counts < 0).any() or not counts.any():
        raise ValueError("its counts do not fit its cells")
    return counts
