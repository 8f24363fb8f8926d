"""Random ids, from the operating system's randomness, read ahead: one system call makes hundreds."""

import os
from typing import Final

_READ_AHEAD: Final = 4096


class Ids:
    """Makes ids of random bits; what was read ahead is used once and never again, also not after a fork."""

    def __init__(self) -> None:
        self._bytes = b""
        self._at = 0
        self._process = 0

    def hex(self, size: int) -> str:
        """A fresh id of `size` random bytes, in hex."""
        if self._at + size > len(self._bytes) or self._process != os.getpid():
            self._bytes, self._at, self._process = os.urandom(_READ_AHEAD), 0, os.getpid()
        self._at += size
        return self._bytes[self._at - size : self._at].hex()


fresh_id: Final = Ids().hex
