"""Files that a command writes where its user says: whole or not at all, and over nothing unasked."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from concord.errors import Conflict, InvalidInput


def check_out(target: Path, *, force: bool) -> None:
    """Refuses a target that cannot be written or would overwrite something, before any work is done."""
    if target.is_dir():
        raise Conflict(f"{target} is a folder; name a file in it.", field="--out")
    if target.exists() and not force:
        raise Conflict(f"{target} exists. --force overwrites it.", field="--out")
    if not target.absolute().parent.is_dir():
        raise InvalidInput(f"There is no folder {target.absolute().parent}.", field="--out")


@contextmanager
def appearing(target: Path) -> Iterator[BinaryIO]:
    """Opens a temporary file beside the target, which takes its name once all is written."""
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.absolute().parent)
    fresh = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # A temporary file is for its owner only; a result is as readable as any file that one makes.
        umask = os.umask(0)
        os.umask(umask)
        fresh.chmod(0o666 & ~umask)
        fresh.replace(target)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
