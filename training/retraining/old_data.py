"""Finds what a champion learned from: the old data, and the hash of each row.

Its run names its sources. The rows of a generator or a file must still have the run's digest; a database and
the journal go on growing, so their present rows are taken, and the difference is noted. Where a source is
gone or has changed, the user must name the old rows with `--old`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from concord.errors import DataError
from concord.util.urls import is_address
from training.data.database.address import read_address
from training.data.dataset import Dataset
from training.data.provenance import JOIN, Provenance
from training.data.sources import JOURNAL, read_rows
from training.data.split import hash_rows
from training.retraining.holdout import LearnedRows
from training.task import Task

HIDDEN: Final = ":***@"
"""In the place of the password, in a recorded address."""


@dataclass
class Sources:
    """Sources of a task's rows, each of them read once.

    Attributes:
        task: Whose rows.
        new: The new data's source, with its password if it has one.
        option: Where the user names the rows of a source that does not give them any more.
    """

    task: Task
    new: str
    option: str = "--old"
    _read: dict[str, Dataset] = field(default_factory=dict)

    def rows(self, source: str) -> Dataset:
        """The rows of a source."""
        if source not in self._read:
            self._read[source] = read_rows(self.task, source)
        return self._read[source]

    def again(self, model: str, origin: Provenance) -> tuple[Dataset, str | None]:
        """The rows of a source that a champion learned from, and a note about them.

        Raises:
            DataError: They are gone or have changed.
        """
        source = self._with_password(model, origin.text)
        try:
            data = self.rows(source)
        except DataError as error:
            raise DataError(
                f"{model} learned from {origin.text}, which does not give its rows any more: {error.message} "
                f"Name the old rows with {self.option}.",
                field=self.option,
            ) from error
        if data.digest == origin.digest:
            return data, None
        if source == JOURNAL or is_address(source):
            return data, (
                f"{origin.text} had {origin.rows} rows when {model} learned from it and has "
                f"{len(data.rows)} now."
            )
        raise DataError(
            f"{origin.text} is not what {model} learned from: it has {len(data.rows)} rows with the digest "
            f"{data.digest[:12]}, and had {origin.rows} with {origin.digest[:12]}. Name the old rows with "
            f"{self.option}.",
            field=self.option,
        )

    def _with_password(self, model: str, source: str) -> str:
        """A recorded address with its password: that of the same address in --new, or the environment's."""
        if HIDDEN not in source:
            return source
        if is_address(self.new) and read_address(self.new, self.task.name).shown == source:
            return self.new
        without = source.replace(HIDDEN, "@", 1)
        # Reading the address adds the environment's password, and then it is shown with one.
        if read_address(without, self.task.name).shown == source:
            return without
        raise DataError(
            f"{model} learned from {source}, and no record keeps its password. Say it in "
            f"CONCORD_DATA_PASSWORD, or give the address with {self.option}.",
            field=self.option,
        )


@dataclass(frozen=True)
class OldData:
    """The data of before the retraining.

    Attributes:
        data: The old data.
        origins: Their sources.
        learned: The rows that the champion learned from.
        notes: Sentences for the user.
    """

    data: Dataset
    origins: tuple[Provenance, ...]
    learned: LearnedRows
    notes: tuple[str, ...]


def find_old_data(
    sources: Sources,
    model: str,
    stated: tuple[tuple[Provenance, ...], frozenset[bytes]],
    old: str | None,
    seed: int,
) -> OldData:
    """The old data and the champion's rows.

    Args:
        sources: Where rows are read.
        model: Registered name and version, for messages.
        stated: The sources and hashes of the champion's run, both empty for a model from elsewhere.
        old: Where the user says the old data are; None: where the champion's run says.
        seed: Of a generator that states none.

    Raises:
        DataError: The old data cannot be read.
    """
    origins, row_hashes = stated
    notes: list[str] = []
    if old is not None:
        data = sources.rows(old)
        origins = (Provenance.of(data, seed),)
    else:
        data, notes = _read_origins(sources, model, origins)
    if row_hashes:
        return OldData(data, origins, LearnedRows(row_hashes, "logged"), tuple(notes))
    notes.append(
        f"{model} keeps no hashes of its rows: that it has not seen the test rows holds if the old data "
        "are all that it learned from."
    )
    return OldData(data, origins, LearnedRows(frozenset(hash_rows(data.rows)), "old data"), tuple(notes))


def _read_origins(sources: Sources, model: str, origins: Sequence[Provenance]) -> tuple[Dataset, list[str]]:
    if not origins:
        raise DataError(
            f"{model} does not state what it learned from, as models registered elsewhere, or before Concord "
            "kept it, do not. Name its rows with --old.",
            field="--old",
        )
    parts = [sources.again(model, origin) for origin in origins]
    return merge([data for data, _ in parts]), [note for _, note in parts if note]


def merge(parts: Sequence[Dataset]) -> Dataset:
    """Several data sets as one, without their times."""
    if len(parts) == 1:
        return parts[0]
    return replace(
        parts[0],
        name=JOIN.join(part.name for part in parts),
        rows=np.concatenate([part.rows for part in parts]),
        answers=np.concatenate([part.answers for part in parts]),
        dropped=_sum([part.dropped for part in parts]),
        empty=_sum([part.empty for part in parts]),
        ignored=(),
        times=None,
        source=JOIN.join(part.source for part in parts),
    )


def newest_of_each(origins: Sequence[Provenance]) -> tuple[Provenance, ...]:
    """Each source once, in its newest state."""
    return tuple({origin.text: origin for origin in origins}.values())


def _sum(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    return dict(sum((Counter(part) for part in counts), Counter[str]()))
