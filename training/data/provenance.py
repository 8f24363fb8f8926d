"""What a model learned from, as its run states it, so that the same rows can be found again.

A run keeps sources, digests and the hash of each row that was learned from, but no row: rows may be personal
data that must be deleted one day, and a hash only tells whether a given row was among them.
"""

from dataclasses import dataclass
from typing import Final

from training.data.dataset import Dataset

DATA_FILE: Final = "data.json"
"""The run's artifact with the sources."""

ROWS_FILE: Final = "learned_rows.txt"
"""The run's artifact with the hashes, sorted, one a line, in hex."""

JOIN: Final = " + "
"""Between the sources of rows that came from several."""

SOURCE_TAG: Final = "concord.data.source"
DIGEST_TAG: Final = "concord.data.digest"
SEED_TAG: Final = "concord.data.seed"
"""Tags of a run, for people: what all rows came from, their digest, and the generator's and split's seed."""


@dataclass(frozen=True)
class Provenance:
    """One source.

    Attributes:
        source: As `--data` takes it, without a password and without a generator's seed.
        digest: SHA-256 of all rows and answers that it had.
        rows: How many.
        seed: Of the generator; None for any other source.
    """

    source: str
    digest: str
    rows: int
    seed: int | None = None

    @classmethod
    def of(cls, data: Dataset, seed: int) -> "Provenance":
        """What finds these rows again; `seed` is the generator's, if they are its rows and don't say."""
        kind, _, stated = data.source.partition(":")
        if kind == "generator":
            return cls(kind, data.digest, len(data.rows), int(stated or seed))
        return cls(data.source, data.digest, len(data.rows))

    @property
    def text(self) -> str:
        """The source as `--data` takes it."""
        return self.source if self.seed is None else f"{self.source}:{self.seed}"
