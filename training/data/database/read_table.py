"""Reads a task's rows from its table, as the arrays that fitting, benchmark and retraining learn from.

Rows were checked when they were loaded, but the task's ranges and choices may have become narrower since. So
both are checked again, and a row that the task does not admit any more is an error.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import closing

import numpy as np
import numpy.typing as npt

from concord.errors import DataError
from concord.tasks.schema import FLOAT32_MAX, Feature
from training.data.cleaning import UNDATED, fill_values
from training.data.database.address import read_address
from training.data.database.bookkeeping import find_table
from training.data.database.engine import RowDatabase
from training.data.database.row_store import RowStore, StoredRow
from training.data.dataset import Dataset, RowCollector
from training.task import Task

Numbers = npt.NDArray[np.float64]


def read_table(task: Task, source: str) -> Dataset:
    """The rows of `URL#table`, in the order in which they were loaded.

    Raises:
        ConfigurationError: The database cannot be reached.
        UnknownName: It has no such table.
        DataError: The table is another task's, of another schema, or has no rows.
    """
    address = read_address(source, task.name)
    with closing(RowDatabase(address)) as database:
        return _read(task, RowStore(database, find_table(database, task)), address.table, address.shown)


def _read(task: Task, store: RowStore, name: str, shown: str) -> Dataset:
    features, rows, empty = task.schema.features, RowCollector(task), Counter[str]()
    fills = fill_values(task)
    observed = ["observed_at"] if task.observed else []
    labels = {label.name: float(place) for place, label in enumerate(task.schema.labels)}
    for chunk in store.read("answer", *observed, *(feature.name for feature in features)):
        columns = list(zip(*chunk, strict=True))
        ids, answers, cells = columns[0], columns[1], columns[2 + len(observed) :]
        numbers = np.empty((len(chunk), len(features)), dtype=np.float64)
        for place, (feature, column) in enumerate(zip(features, cells, strict=True)):
            values = _numbers(feature, column, ids, name)
            is_empty = np.isnan(values)
            if is_empty.any():
                empty[feature.name] += int(is_empty.sum())
                values[is_empty] = fills[place]
            numbers[:, place] = values
        if np.isnan(numbers).any():
            raise _unfit(name, ids[int(np.isnan(numbers).any(axis=1).argmax())], "an empty cell")
        times = _times(columns[2]) if observed else np.full(len(chunk), UNDATED)
        rows.extend(numbers.astype(np.float32), _answers(labels, answers, ids, name), times)
    if not len(rows):
        raise DataError(f"{shown} has no rows. `concord data load` brings some.")
    return rows.dataset(
        name, shown, has_times=bool(observed), empty={key: count for key, count in empty.items() if count}
    )


def _numbers(feature: Feature, column: Sequence[object], ids: Sequence[int], name: str) -> Numbers:
    """A column's numbers, NaN for an empty cell."""
    if feature.kind == "choice":
        codes: dict[object, float] = {choice: float(code) for code, choice in enumerate(feature.choices)}
        codes[None] = np.nan
        try:
            return np.array([codes[cell] for cell in column], dtype=np.float64)
        except KeyError:
            place = next(place for place, cell in enumerate(column) if cell not in codes)
            raise _unfit(name, ids[place], f"no choice of {feature.name}") from None
    values = np.array(column, dtype=np.float64)
    low = -FLOAT32_MAX if feature.minimum is None else feature.minimum
    high = FLOAT32_MAX if feature.maximum is None else feature.maximum
    outside = (values < low) | (values > high)
    if outside.any():
        raise _unfit(name, ids[int(outside.argmax())], f"{feature.name} that is not {feature.range_text}")
    return values


def _answers(labels: dict[str, float], column: Sequence[object], ids: Sequence[int], name: str) -> Numbers:
    if not labels:
        return np.array(column, dtype=np.float64)
    try:
        return np.array([labels[str(cell)] for cell in column], dtype=np.float64)
    except KeyError:
        place = next(place for place, cell in enumerate(column) if str(cell) not in labels)
        raise _unfit(name, ids[place], "an answer that the task does not have") from None


def _times(column: Sequence[StoredRow | int | None]) -> npt.NDArray[np.int64]:
    return np.array([UNDATED if cell is None else cell for cell in column], dtype=np.int64)


def _unfit(name: str, number: int, what: str) -> DataError:
    return DataError(
        f"{name}, row_id {number}: {what}, by the task as it is now. Correct the row, delete it, or load the "
        "data into a new table.",
        field="table",
    )
