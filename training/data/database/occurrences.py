"""Counts equal rows, in eight bytes a row.

A file may hold the same row twice, and both count. So a row's key is made of its content and its place among
equal rows, which is the same whenever the file is read. Hashes are kept in sorted runs that double in
length, so that looking up a batch in millions of rows is a few binary searches.
"""

from collections import Counter

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]


class Occurrences:
    """Counts rows by their hash.

    64 bits: among a million rows two that differ have one hash with a chance of 3·10⁻⁸, and then one of them
    has another key than it might have.
    """

    def __init__(self) -> None:
        self._runs: list[Hashes] = []

    def __len__(self) -> int:
        """Rows that were counted."""
        return sum(map(len, self._runs))

    def count(self, hashes: Hashes) -> list[int]:
        """How many rows of its hash came before each of these, and counts them in."""
        before = np.zeros(len(hashes), dtype=np.int64)
        for run in self._runs:
            before += np.searchsorted(run, hashes, "right") - np.searchsorted(run, hashes, "left")
        in_batch: Counter[int] = Counter()
        counts = []
        for row_hash, earlier in zip(hashes.tolist(), before.tolist(), strict=True):
            counts.append(earlier + in_batch[row_hash])
            in_batch[row_hash] += 1
        self._add(np.sort(hashes))
        return counts

    def _add(self, run: Hashes) -> None:
        while self._runs and len(self._runs[-1]) <= len(run):
            run = np.sort(np.concatenate([self._runs.pop(), run]), kind="stable")
        self._runs.append(run)
