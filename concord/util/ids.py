"""Random ids, from the operating system's randomness, read ahead: one system call makes hundreds."""

import os
from typing import Final

_READ_AHEAD: Final = 4096

_generation = 0
"""How often this process is the child of a fork; asking for the process's number is a system call an id."""


def _forked() -> None:
    global _generation  # noqa: PLW0603 - a fork concerns the whole process
    _generation += 1


os.register_at_fork(after_in_child=_forked)


class Ids:
    """Makes ids of random bits; what was read ahead is used once and never again, also not after a fork."""

    def __init__(self) -> None:
        self._bytes = b""
        self._at = 0
        self._generation = _generation

    def hex(self, size: int) -> str:
        """A fresh id of `size` random bytes, in hex."""
        if self._at + size > len(self._bytes) or self._generation != _generation:
            self._bytes, self._at, self._generation = os.urandom(_READ_AHEAD), 0, _generation
        self._at += size
        return self._bytes[self._at - size : self._at].hex()


fresh_id: Final = Ids().hex
