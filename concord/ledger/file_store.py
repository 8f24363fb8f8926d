"""A store in a folder of files, for a machine without a cluster.

Files are written to a temporary file, synced and renamed, and the folder is synced, so a crash leaves the old
bytes or the new ones. A lock on a file of its own makes the swap of the head atomic among all processes of
the machine; the kernel releases it when its holder dies. Network file systems without such locks are not
supported.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from concord.errors import LedgerConflict, LedgerError, LedgerUnavailable
from concord.ledger.chain import digest
from concord.util import private_files as private

_SEGMENT = re.compile(r"ledger-\d+-\d+-[0-9a-f]{8}")
_SUFFIX = ".jsonl.gz"


class FileStore:
    """A `Store` in one folder: `head.json`, `lock`, and one file a segment."""

    def __init__(self, folder: Path) -> None:
        self._folder = Path(folder)
        self._head = self._folder / "head.json"

    def read_head(self) -> tuple[bytes, str] | None:
        """The head's bytes, and their digest as the revision."""
        with self._faults():
            try:
                data = self._head.read_bytes()
            except FileNotFoundError:
                return None
        return data, digest(data)

    def swap_head(self, data: bytes, expected: str | None) -> str:
        """Replaces the head if it still has the expected revision."""
        with self._locked():
            current = self.read_head()
            if (current[1] if current else None) != expected:
                raise LedgerConflict("The ledger's head has moved since it was read.")
            self._write(self._head, data)
        return digest(data)

    def write_segment(self, name: str, data: bytes) -> None:
        """Stores a segment."""
        path = self._path(name)
        with self._locked():
            if not path.exists():
                self._write(path, data)
            elif path.read_bytes() != data:
                raise LedgerConflict(f"Segment {name} is there with other bytes.")

    def read_segment(self, name: str) -> bytes | None:
        """The bytes of a segment, or None."""
        with self._faults():
            try:
                return self._path(name).read_bytes()
            except FileNotFoundError:
                return None

    def list_segments(self) -> list[str]:
        """Names of all segments, in order."""
        with self._faults():
            names = [path.name.removesuffix(_SUFFIX) for path in self._folder.glob(f"ledger-*{_SUFFIX}")]
        return sorted(name for name in names if _SEGMENT.fullmatch(name))

    def delete_segment(self, name: str) -> None:
        """Deletes a segment."""
        with self._locked():
            self._path(name).unlink(missing_ok=True)
            _sync_folder(self._folder)

    def _path(self, name: str) -> Path:
        if not _SEGMENT.fullmatch(name):
            raise LedgerError(f"{name!r} is no name of a segment.")
        return self._folder / f"{name}{_SUFFIX}"

    def _write(self, path: Path, data: bytes) -> None:
        # The lock is held, so one fixed name is enough, and a crash leaves one such file at most.
        temporary = self._folder / "writing.tmp"
        with open(temporary, "wb", opener=private.opener) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(self._folder)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._faults():
            self._make_folder()
            with open(self._folder / "lock", "wb", opener=private.opener) as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield

    def _make_folder(self) -> None:
        if not self._folder.is_dir():
            private.make_folder(self._folder)
            _sync_folder(self._folder.parent)

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise LedgerUnavailable(
                f"The ledger's folder {self._folder} does not serve: {error.strerror}."
            ) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
