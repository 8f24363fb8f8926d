"""Desired versions on a laptop: one file a node, in a folder that `concord up` watches.

A file is replaced by one rename under a lock, so that a reader sees the old content or the new one. There
is no restart here: `concord up` starts the node with the new version when its file changes.
"""

import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from concord.errors import ConfigurationError, ServiceAway
from concord.rollout.desired.store import changed_meanwhile, format_versions, parse_versions
from concord.types.models import DesiredVersions
from concord.util import private_files as private

_NAME: Final = re.compile(r"[\w-][\w.-]{0,127}")
"""A registered name that is a plain file name, without a path."""


class FolderVersionsStore:
    """Stores desired versions in a folder.

    Args:
        folder: Made by the first write.
    """

    is_cluster = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def check(self, name: str) -> None:
        """Checks that the name can be a file's."""
        self._path(name)

    def read_all(self) -> Mapping[str, DesiredVersions]:
        """Registered name → desired versions, of the nodes that have any."""
        with self._faults():
            paths = sorted(self._folder.iterdir()) if self._folder.is_dir() else []
            desired = {path.name: _read(path) for path in paths if _NAME.fullmatch(path.name)}
        return {name: versions for name, versions in desired.items() if versions != DesiredVersions()}

    def write(self, name: str, expected: DesiredVersions, desired: DesiredVersions) -> None:
        """Replaces the file, or removes it where nothing is desired."""
        path = self._path(name)
        with self._locked():
            stored = _read(path)
            if stored != expected:
                raise changed_meanwhile(name, expected, stored)
            if stored == desired:
                return
            if desired == DesiredVersions():
                path.unlink(missing_ok=True)
                return
            # The lock is held, so one fixed name is enough, and a crash leaves one file at most.
            temporary = self._folder / ".writing"
            with open(temporary, "w", encoding="utf-8", opener=private.opener) as file:
                file.write(format_versions(desired))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)

    def restart(self, name: str) -> None:
        """Does nothing: `concord up` watches the folder."""

    def is_restarted(self, name: str) -> bool:  # noqa: ARG002 - the stores' common signature
        """Always true: this process sees no restart; the node's `/info` says which version it serves."""
        return True

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
                f"The folder of desired versions {self._folder} does not serve: {error.strerror}."
            ) from error


def _read(path: Path) -> DesiredVersions:
    try:
        return parse_versions(path.read_text("utf-8"))
    except (FileNotFoundError, UnicodeDecodeError):
        return DesiredVersions()
