"""Reads a task's rows from any source: a file, a database, the service's labelled rounds, a generator.

Fitting, benchmark, retraining and drift all name a source by the text that `read_rows` takes. The data set
states where its rows are and, if the source does, since when each of them is true. A source's password is in
no message and in no record.
"""

import re
from pathlib import Path
from typing import Final

from concord.errors import DataError, InvalidInput
from concord.util.urls import is_address
from training.data.cleaning import read_time
from training.data.database.read_table import read_table
from training.data.dataset import Dataset, RowCollector, generate_rows, read_file
from training.service import connect
from training.task import SEED, Task

GENERATOR: Final = "generator"
JOURNAL: Final = "journal"

_GENERATOR: Final = re.compile(rf"{GENERATOR}(?::(?P<seed>\d{{1,9}}))?")


def is_generator(source: str) -> bool:
    """Whether a source is the task's own generator."""
    return _GENERATOR.fullmatch(source) is not None


def read_rows(task: Task, source: str) -> Dataset:
    """The rows of a source.

    Args:
        task: Whose rows.
        source: Path of a CSV file (`.csv` or `.csv.gz`), `URL#table` of a database (by default the
            task's table), `journal`, or `generator` or `generator:SEED`.

    Raises:
        DataError: There is nothing to learn from; says what and what to do.
        ConfigurationError: The database or the service cannot be reached.
    """
    if source == JOURNAL:
        return _labelled(task)
    generator = _GENERATOR.fullmatch(source)
    if generator is not None:
        return generate_rows(task, int(generator["seed"] or SEED))
    if is_address(source):
        return read_table(task, source)
    return read_file(task, Path(source).expanduser())


def _labelled(task: Task) -> Dataset:
    """Rows of live rounds and their labels, over HTTP."""
    rows = RowCollector(task)
    names = [label.name for label in task.schema.labels]
    others = 0
    with connect() as client:
        for labelled in client.labelled(task.name):
            try:
                row = task.schema.read_row(labelled.features)
                answer = float(labelled.label) if not names else float(names.index(str(labelled.label)))
            except (InvalidInput, ValueError):
                # Asked when the task had another schema.
                others += 1
                continue
            rows.add(row, answer, read_time("time", labelled.time))
    if not rows:
        raise DataError(
            f"The service at {client.url} has no labelled rows of {task.name} whose features are kept. "
            "Labels come with `concord feedback`.",
            field="--data",
        )
    dropped = {"another schema": others} if others else {}
    return rows.dataset(JOURNAL, JOURNAL, has_times=True, dropped=dropped)
