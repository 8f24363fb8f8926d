"""Result files, written whole or not at all; an existing file is overwritten only on request."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from concord.errors import Conflict, InvalidInput


def check_out(target: Path, *, force: bool, option: str = "--out") -> None:
    """Refuses a target that cannot be written or would overwrite something, before any work is done."""
    if target.is_dir():
        raise Conflict(f"{target} is a folder; name a file in it.", field=option)
    if target.exists() and not force:
        raise Conflict(f"{target} exists. --force overwrites it.", field=option)
    if not target.absolute().parent.is_dir():
        raise InvalidInput(f"There is no folder {target.absolute().parent}.", field=option)


@contextmanager
def replacing(target: Path, *, is_private: bool = False) -> Iterator[BinaryIO]:
    """Opens a temporary file beside the target, which is renamed to the target once all is written.

    Args:
        target: The file to write or replace.
        is_private: Whether only its owner may read it; otherwise the process's umask decides.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.absolute().parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if not is_private:
            # A temporary file is for its owner only; a result is as readable as any other file.
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
