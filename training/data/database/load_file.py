"""Loads a CSV file into a task's table."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from concord.errors import DataError
from concord.tasks.table_reader import TableReader
from training.data.cleaning import Cleaner, expected_columns
from training.data.database.address import DatabaseAddress
from training.data.database.bookkeeping import make_table, migrate
from training.data.database.engine import RowDatabase
from training.data.database.loader import BATCH, Loader, LoadSummary
from training.data.database.refused_file import RefusedFile, refused_path
from training.data.database.row_store import RowStore
from training.data.dataset import require_rows
from training.progress import ReportStep
from training.task import Task


@dataclass(frozen=True)
class LoadProgress:
    """How far a load is.

    Attributes:
        done: Bytes, films or rows that were read.
        total: Of how many.
        summary: Counts of the rows so far.
    """

    done: int
    total: int
    summary: LoadSummary


ReportProgress = Callable[[LoadProgress], None]


def load_file(
    task: Task,
    path: Path,
    address: DatabaseAddress,
    *,
    report: ReportProgress,
    show_note: ReportStep,
    refused: Path | None,
) -> tuple[LoadSummary, Path]:
    """Loads a CSV file, or a gzip of one, into a table.

    Args:
        task: Whose rows.
        path: The file.
        address: The table.
        report: Shows the progress after each batch.
        show_note: Shows that the file is a gzip.
        refused: Where refused rows go; by default beside the file.

    Returns:
        Counts of the rows, and where the refused ones are.

    Raises:
        DataError: The file or the table does not fit the task, or most rows are refused.
        ConfigurationError: The database cannot be reached.
    """
    refused = refused or refused_path(path)
    with TableReader.open(path, expected_columns(task)) as file:
        _refuse_same_file(path, refused)
        if file.is_gzip:
            show_note(f"{file.name} is a gzip; it is read as the file in it.")
        with RefusedFile(refused, file.header, file.dialect) as refused_file:
            summary = _load(task, file, address, refused_file, report)
    require_rows(file.name, summary.loaded + summary.changed + summary.known, summary.dropped)
    return summary, refused


def _refuse_same_file(path: Path, refused: Path) -> None:
    if refused.exists() and refused.samefile(path):
        raise DataError(
            f"Refused rows of {path} cannot go into {path} itself. Say --refused FILE for another place.",
            field="--refused",
        )


def _load(
    task: Task, file: TableReader, address: DatabaseAddress, refused: RefusedFile, report: ReportProgress
) -> LoadSummary:
    cleaner = Cleaner(task, file.name, file.header, file.dialect)
    lines = iter(file)
    batch = list(islice(lines, BATCH))
    if not batch:
        raise DataError(f"{file.name} has a header and no rows.")
    with closing(RowDatabase(address, make=True)) as database:
        loader = open_loader(database, task, cleaner, refused)
        while batch:
            loader.add(batch)
            report(LoadProgress(file.position, file.size, loader.summary))
            batch = list(islice(lines, BATCH))
        return loader.finish()


def open_loader(database: RowDatabase, task: Task, cleaner: Cleaner, refused: RefusedFile) -> Loader:
    """A loader into the task's table of the database, which is made where it is missing."""
    migrate(database)
    return Loader(database, RowStore(database, make_table(database, task)), task, cleaner, refused)
