"""The default registry's database: MLflow's tables in a SQLite file below the home folder.

MLflow makes its tables in some forty transactions, and cannot go on where it was interrupted. So they are
made in a file of another name (`concord.util.sqlite_files`), and a file that an earlier version of Concord
left unfinished is refused with its remedy.
"""

from pathlib import Path
from typing import Final

import sqlalchemy as sa
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from concord.errors import TrainingError
from concord.util.sqlite_files import (
    REGISTRY_TABLES,
    UNFINISHED,
    find_fault,
    named_file,
    new_file,
    sqlite_url,
)
from training.registry.versions import URI_VARIABLE

DATABASE: Final = "mlflow.db"
"""The file's name."""

ARTIFACTS: Final = "mlartifacts"
"""The folder beside it, with the files of runs and models."""


def registry_file(home: Path) -> Path:
    """The default registry's file."""
    return (home / DATABASE).absolute()


def sqlite_file(uri: str) -> Path | None:
    """The file of a registry in SQLite; None for a server and other databases."""
    return named_file(sa.make_url(uri).database) if uri.startswith("sqlite") else None


def make_database(file: Path) -> None:
    """Makes a registry's file where it is missing; of several processes one does so, and the others wait.

    Raises:
        TrainingError: The file is unfinished or damaged.
        OSError: Its folder cannot be written.
    """
    with new_file(file) as new:
        if new is not None:
            store = SqlAlchemyStore(sqlite_url(new), (file.absolute().parent / ARTIFACTS).as_uri())
            store._dispose_engine()  # noqa: SLF001 - it keeps its connections open otherwise
    fault = find_fault(file, REGISTRY_TABLES)
    if fault is not None:
        holds = "It holds no models. " if fault == UNFINISHED else ""
        raise TrainingError(
            f"{file} is {fault}. {holds}`concord doctor --repair` moves the one of CONCORD_HOME aside, and "
            "the next start makes a new one.",
            field=URI_VARIABLE,
        )
