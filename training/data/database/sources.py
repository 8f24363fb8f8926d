"""A file into a table, from opening both to the summary."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

from concord.errors import DataError
from training.data.cleaning import Cleaner
from training.data.csv_reader import RowFile
from training.data.database.address import DatabaseAddress
from training.data.database.bookkeeping import make_table, migrate
from training.data.database.engine import Database
from training.data.database.loading import BATCH, Loader, Summary
from training.data.database.refused import RefusedFile, refused_path
from training.data.database.store import RowStore
from training.data.dataset import read_table
from training.task import Task

_T = TypeVar("_T")


@dataclass(frozen=True)
class Progress:
    """How far a load is.

    Attributes:
        done: Bytes or films that were read.
        total: Of how many.
        summary: What became of the rows.
    """

    done: int
    total: int
    summary: Summary


Tell = Callable[[Progress], None]


def load_file(
    task: Task,
    path: Path,
    address: DatabaseAddress,
    *,
    tell: Tell,
    say: Callable[[str], None],
    refused: Path | None,
) -> tuple[Summary, Path]:
    """Loads a CSV file, or a gzip of one, into a table.

    Args:
        task: Whose rows.
        path: The file.
        address: The table.
        tell: Hears how far it is, after each batch.
        say: Hears what a person may want to know beside it.
        refused: Where refused rows go; beside the file unless said.

    Returns:
        What became of the rows, and where the refused ones are.

    Raises:
        DataError: The file or the table is not what it must be, or more than half of the rows are refused.
        ConfigurationError: The database cannot be reached by what was said.
    """
    beside_path = refused or refused_path(path)
    # The file before the database: what is wrong with it is told without making anything.
    with RowFile(path) as file:
        if beside_path.exists() and beside_path.samefile(path):
            raise DataError(
                f"Refused rows of {path} cannot go into {path} itself. Say --refused FILE for another place.",
                field="--refused",
            )
        cleaner = Cleaner(task, file.name, file.header)
        if file.is_gzip:
            say(f"{file.name} is a gzip; it is read as the file in it.")
        with RefusedFile(beside_path, file.header) as beside:
            lines = iter(file)
            first = list(islice(lines, BATCH))
            if not first:
                raise DataError(f"{file.name} has a header and no rows.")
            database = Database(address, make=True)
            try:
                loader = open_loader(database, task, cleaner, beside)
                loader.add(first)
                tell(Progress(file.position, file.size, loader.summary))
                for batch in batches(lines, BATCH):
                    loader.add(batch)
                    tell(Progress(file.position, file.size, loader.summary))
                summary = loader.finish()
            finally:
                database.close()
            read_table(file.name, summary.loaded + summary.changed + summary.known, summary.dropped)
            return summary, beside.path


def open_loader(database: Database, task: Task, cleaner: Cleaner, refused: RefusedFile) -> Loader:
    """A loader into the task's table of the database, which is made where it is missing."""
    migrate(database)
    return Loader(database, RowStore(database, make_table(database, task)), task, cleaner, refused)


def batches(items: Iterator[_T], size: int) -> Iterator[list[_T]]:
    """Cuts items into lists of so many."""
    while batch := list(islice(items, size)):
        yield batch
