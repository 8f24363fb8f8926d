"""Writes a task's table to a CSV file that can be loaded again: same rows, same order, same keys.

The file is written under another name and renamed at the end. A row's own key goes in too; other keys follow
from the rows themselves.
"""

import csv
import gzip
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, Final

from concord.errors import DataError
from concord.util import private_files as private
from training.data.database.address import DatabaseAddress
from training.data.database.bookkeeping import find_table
from training.data.database.engine import RowDatabase
from training.data.database.load_file import LoadProgress, ReportProgress
from training.data.database.loader import LoadSummary
from training.data.database.row_store import RowStore
from training.task import Task

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def export(task: Task, address: DatabaseAddress, out: Path, *, force: bool, report: ReportProgress) -> int:
    """Writes a table to a file, a gzip where its name ends in `.gz`.

    Returns:
        How many rows it has.

    Raises:
        DataError: The file is there, or cannot be written.
        UnknownName: There is no such table.
    """
    if out.exists() and not force:
        raise DataError(f"{out} is there already. Name another file, or say --force.", field="--out")
    with closing(RowDatabase(address)) as database:
        store = RowStore(database, find_table(database, task))
        total, rows = database.count(address.table), 0
        with _replacing(out) as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(_header(task))
            for chunk in store.read("row_key", *_observed(task), *_features(task), "answer"):
                writer.writerows(_cells(task, row) for row in chunk)
                rows += len(chunk)
                report(LoadProgress(rows, total, LoadSummary(read=rows)))
        return rows


def _header(task: Task) -> list[str]:
    own = [name for name in (task.key, task.observed) if name is not None]
    return [*own, *_features(task), task.answers[0].column]


def _features(task: Task) -> list[str]:
    return [feature.name for feature in task.schema.features]


def _observed(task: Task) -> list[str]:
    return ["observed_at"] if task.observed else []


def _cells(task: Task, row: Sequence[Any]) -> list[Any]:
    """A row's cells: its key if it is one of its own, its time, its features and its answer."""
    _, key, *rest = row
    cells = [] if task.key is None else ["" if key.startswith("#") else key]
    if task.observed:
        micros, *rest = rest
        cells.append("" if micros is None else _date(micros))
    return [*cells, *("" if value is None else value for value in rest)]


def _date(micros: int) -> str:
    moment = _EPOCH + timedelta(microseconds=micros)
    return moment.date().isoformat() if micros % 86_400_000_000 == 0 else moment.isoformat()


@contextmanager
def _replacing(out: Path) -> Iterator[IO[str]]:
    """A text file that is written under another name and replaces `out` at the end."""
    part = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        with open(part, "wb", opener=private.opener) as raw:
            packed = gzip.GzipFile(out.name, "wb", fileobj=raw, mtime=0) if out.suffix == ".gz" else raw
            with io.TextIOWrapper(packed, encoding="utf-8", newline="") as file:
                yield file
        part.replace(out)
    except OSError as error:
        raise DataError(f"{out} cannot be written: {error.strerror}.", field="--out") from error
    finally:
        part.unlink(missing_ok=True)
