"""Logs of the processes of `concord up`: appended to, private, and of bounded size while they are written.

A log that has grown large is copied to `NAME.log.1` and emptied. Processes keep their descriptors, which
append, so each goes on at the new beginning; no process takes part, so this serves those of others too. A
line that is written between the end of the copy and the emptying, some microseconds, is lost.
"""

import os
import shutil
from pathlib import Path
from typing import BinaryIO, Final

from concord.util import private_files as private

LOG_BYTES: Final = 10 << 20
"""A log that has grown beyond this is emptied into `NAME.log.1`, so a process keeps twice as much at most."""


def open_log(path: Path) -> BinaryIO:
    """Opens a log to be appended to."""
    rotate(path)
    return open(path, "ab", opener=private.opener)


def rotate_all(folder: Path) -> None:
    """Rotates every log in a folder that has grown large."""
    for path in folder.glob("*.log"):
        rotate(path)


def rotate(path: Path) -> None:
    """Empties a log that has grown large into the older one beside it; makes its folder."""
    private.make_folder(path.parent)
    try:
        if path.stat().st_size <= LOG_BYTES:
            return
        older = path.with_name(f"{path.name}.1")
        try:
            _copy(path, older)
        except OSError:
            # Where there is no place for a copy, the log is what fills it.
            older.unlink(missing_ok=True)
        os.truncate(path, 0)
    except FileNotFoundError:
        return


def _copy(path: Path, older: Path) -> None:
    """Copies all of a log, and what is written to it meanwhile."""
    with path.open("rb") as log, open(older, "wb", opener=private.opener) as copy:
        shutil.copyfileobj(log, copy, 1 << 20)
