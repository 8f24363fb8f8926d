"""Entries of a laptop: one file a node, in a folder that whoever runs the nodes watches.

A file is replaced in one rename under a lock, so who reads sees an entry as it was or as it is. A restart
is the watcher's: `concord up` brings another version in when a file changes.
"""

import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from concord.errors import ConfigurationError, ServiceAway
from concord.rollout.desired.versions import Entry, changed
from concord.util import private_files as private

_NAME: Final = re.compile(r"[\w-][\w.-]{0,127}")
"""A registered name that is a file's name and leads nowhere else."""


class FolderEntries:
    """Entries in a folder.

    Args:
        folder: Made when the first one is written.
    """

    is_cluster = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def check(self, name: str) -> None:
        """Looks whether the name can be a file's."""
        self._path(name)

    def all(self) -> Mapping[str, Entry]:
        """Every entry that names something."""
        with self._faults():
            paths = sorted(self._folder.iterdir()) if self._folder.is_dir() else []
            found = {path.name: Entry.read(_text(path)) for path in paths if _NAME.fullmatch(path.name)}
        return {name: entry for name, entry in found.items() if entry.text}

    def write(self, name: str, expected: Entry, wanted: Entry) -> None:
        """Replaces the file, or removes it where the entry names nothing."""
        path = self._path(name)
        with self._locked():
            found = Entry.read(_text(path))
            if found != expected:
                raise changed(name, expected, found)
            if found == wanted:
                return
            if not wanted.text:
                path.unlink(missing_ok=True)
                return
            # The lock is held, so one fixed name is enough and a crash leaves no litter behind.
            temporary = self._folder / ".writing"
            with open(temporary, "w", encoding="utf-8", opener=private.opener) as file:
                file.write(wanted.text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)

    def restart(self, name: str) -> None:
        """Leaves it to who watches the folder."""

    def progress(self, name: str) -> tuple[bool, str]:
        """Nothing rolls here that this process could see; what the node answers tells."""
        return True, f"{name} reads its entry when it changes."

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"{name!r} cannot be the name of a file, so its version stays as it is. Name task and "
                "node with letters, digits, _ and -.",
                field="CONCORD_NODES",
            )
        return self._folder / name

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._faults():
            private.make_folder(self._folder)
            with open(self._folder / ".lock", "wb", opener=private.opener) as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ServiceAway(
                f"The folder of entries {self._folder} does not serve: {error.strerror}."
            ) from error


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        # No entry either, and mended like one.
        return "{"
