"""SQLite files: their URLs, and how one is made whole or not at all.

Libraries make their tables in several transactions. A process that is interrupted between two of them, or
two processes that begin at once, would leave a file that no later start can use. So a new database is made
under a lock in a file of another name, which is renamed when it is whole.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from concord.util import private_files as private

REGISTRY_TABLES: Final = ("experiments", "registered_models")
"""Of MLflow's database; the last that MLflow makes is a first experiment."""

UNFINISHED: Final = "unfinished, since what was to make it was interrupted"
DAMAGED: Final = "damaged, or no SQLite database"

LOGS: Final = ("-journal", "-wal", "-shm")
"""What SQLite keeps beside a file, and reads with the next file of its name."""


def sqlite_url(file: Path) -> str:
    """The SQLAlchemy URL of a file.

    >>> sqlite_url(Path("/home/ann/journal.sqlite"))
    'sqlite:////home/ann/journal.sqlite'
    >>> sqlite_url(Path("/home/ann/why?/journal.sqlite"))
    'sqlite+pysqlite:////home/ann/why%3F/journal.sqlite'
    """
    path = str(file.absolute())
    quoted = path.replace("%", "%25").replace("?", "%3F")
    # MLflow makes a folder of the quoted name for a URL that begins with sqlite:///.
    scheme = "sqlite" if quoted == path else "sqlite+pysqlite"
    return f"{scheme}:///{quoted}"


def named_file(database: str | None) -> Path | None:
    """The file that the database's name in a SQLite URL means; None for one in memory.

    >>> named_file("/home/ann/journal.sqlite"), named_file(":memory:")
    (PosixPath('/home/ann/journal.sqlite'), None)
    """
    return Path(database) if database and not database.startswith((":memory:", "file:")) else None


@contextmanager
def new_file(file: Path) -> Iterator[Path | None]:
    """Makes a database where there is none yet: what is made at the path that this yields becomes the file.

    A file that somebody else has filled meanwhile is left as it is, and what was made is dropped: renamed
    over it, it would leave those who have it open with a file that no one else can see.

    Yields:
        Where to make it; None where the file is there, perhaps made by another process meanwhile.

    Raises:
        OSError: The folder cannot be written.
    """
    if _is_made(file):
        yield None
        return
    private.make_folder(file.absolute().parent)
    with open(file.with_name(f".{file.name}.lock"), "ab", opener=private.opener) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_made(file):
            yield None
            return
        new = file.with_name(f".{file.name}.new")
        _remove(new, "", *LOGS)
        try:
            open(new, "xb", opener=private.opener).close()
            yield new
            _put_in_place(new, file)
        finally:
            _remove(new, "", *LOGS)


def find_fault(file: Path, filled: Sequence[str] = ()) -> str | None:
    """What is wrong with a database that is there, in words; None where nothing is, or it cannot be read now.

    Args:
        file: The database.
        filled: Tables of which all are there and one has a row as soon as the file was made whole.
    """
    if not _is_made(file):
        return None
    select = " UNION ALL ".join(f"SELECT 1 FROM {table}" for table in filled)  # noqa: S608 - fixed names
    # A transaction that a killed process left is rolled back by this, which takes write access.
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True)) as connection:
            connection.execute("SELECT 1 FROM sqlite_master").fetchone()
            is_whole = not filled or connection.execute(f"{select} LIMIT 1").fetchone() is not None
    except sqlite3.OperationalError as error:
        return UNFINISHED if "no such table" in str(error) else None
    except sqlite3.DatabaseError:
        return DAMAGED
    return None if is_whole else UNFINISHED


def open_read_only(file: Path) -> sqlite3.Connection:
    """Opens a database that is there, and changes nothing of it.

    With write-ahead logging SQLite makes empty logs beside a database even for readers. On a medium that
    cannot be written it reads the database only as a file that nobody changes, and so without what a log may
    hold: where there is a log with content, it is not opened.

    Raises:
        sqlite3.OperationalError: There is none, or it cannot be read alone.
    """
    uri = file.absolute().as_uri()
    connection = sqlite3.connect(f"{uri}?mode=ro", uri=True, check_same_thread=False)
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        log = file.with_name(f"{file.name}-wal")
        is_unwritable = error.sqlite_errorname in {"SQLITE_CANTOPEN", "SQLITE_READONLY_DIRECTORY"}
        if not is_unwritable or (log.exists() and log.stat().st_size):
            raise
        return sqlite3.connect(f"{uri}?immutable=1", uri=True, check_same_thread=False)
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def move_aside(file: Path) -> Path:
    """Renames a database and its logs, so that a new one is made; returns its new name."""
    moved = file.with_name(f"{file.name}.broken-{time.strftime('%Y%m%dT%H%M%S')}")
    for suffix in (*LOGS, ""):
        path = file.with_name(file.name + suffix)
        if path.exists():
            path.rename(moved.with_name(moved.name + suffix))
    return moved


def _is_made(file: Path) -> bool:
    # An empty file is an empty database.
    return file.exists() and file.stat().st_size > 0


def _put_in_place(new: Path, file: Path) -> None:
    if _is_made(file):
        return
    with new.open("rb") as written:
        os.fsync(written.fileno())
    # Logs of an earlier file of this name would be read as those of the new one.
    _remove(file, *LOGS)
    new.replace(file)


def _remove(file: Path, *suffixes: str) -> None:
    for suffix in suffixes:
        file.with_name(file.name + suffix).unlink(missing_ok=True)
