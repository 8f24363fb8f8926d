"""Finds again what a champion learned from: the old data, and the hash of each row.

Its run names its sources. A generator makes its rows again and a file is read again, and both must have the
digest of then; a database and the journal go on growing, so what they hold now is taken and the difference
is told. Nothing is guessed: where a source is gone or has changed, `--old` is asked for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from concord.errors import DataError
from concord.util.urls import is_address
from training.data.database.address import read_address
from training.data.dataset import Dataset
from training.data.provenance import Provenance
from training.data.sources import JOURNAL, read_rows
from training.data.split import hashes
from training.retraining.holdout import Learned
from training.task import Task

HIDDEN: Final = ":***@"
"""Where a record of an address had a password."""


@dataclass
class Sources:
    """Sources of a task's rows, each of them read once.

    Attributes:
        task: Whose rows.
        new: The new data's source, with its password if it has one.
    """

    task: Task
    new: str
    _read: dict[str, Dataset] = field(default_factory=dict)

    def rows(self, source: str) -> Dataset:
        """The rows of a source."""
        if source not in self._read:
            self._read[source] = read_rows(self.task, source)
        return self._read[source]

    def again(self, model: str, origin: Provenance) -> tuple[Dataset, str | None]:
        """The rows of a source that a champion learned from, and what is to be said about them.

        Raises:
            DataError: They are gone or have changed.
        """
        source = self._complete(model, origin.text)
        try:
            data = self.rows(source)
        except DataError as error:
            raise DataError(
                f"{model} learned from {origin.text}, which does not give its rows any more: {error.message} "
                "Name the old rows with --old.",
                field="--old",
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
            "--old.",
            field="--old",
        )

    def _complete(self, model: str, source: str) -> str:
        """A record holds no password; the same address in --new may, and the environment may hold it."""
        if HIDDEN not in source:
            return source
        if is_address(self.new) and read_address(self.new, self.task.name).shown == source:
            return self.new
        without = source.replace(HIDDEN, "@", 1)
        # Read as an address it gets the environment's password, and shows then that it has one.
        if read_address(without, self.task.name).shown == source:
            return without
        raise DataError(
            f"{model} learned from {source}, and no record keeps its password. Say it in "
            "CONCORD_DATA_PASSWORD, or give the address with --old.",
            field="--old",
        )


@dataclass(frozen=True)
class Before:
    """What was known before the retraining.

    Attributes:
        data: The old data.
        origins: Where they are.
        learned: The rows that the champion learned from.
        notes: What is to be told.
    """

    data: Dataset
    origins: tuple[Provenance, ...]
    learned: Learned
    notes: tuple[str, ...]


def before(
    sources: Sources,
    model: str,
    stated: tuple[tuple[Provenance, ...], frozenset[bytes]],
    old: str | None,
    seed: int,
) -> Before:
    """The old data and the champion's rows.

    Args:
        sources: Where rows are read.
        model: Registered name and version, for messages.
        stated: What the champion's run says: sources and hashes, both empty for a model from elsewhere.
        old: Where the user says the old data are; None: where the champion's run says.
        seed: Of a generator that states none.

    Raises:
        DataError: The old data cannot be had.
    """
    origins, names = stated
    notes: list[str] = []
    if old is not None:
        data = sources.rows(old)
        origins = (Provenance.of(data, seed),)
    elif origins:
        found = [sources.again(model, origin) for origin in origins]
        notes += [note for _, note in found if note]
        data = merged([rows for rows, _ in found])
    else:
        raise DataError(
            f"{model} does not state what it learned from, as models registered elsewhere, or before Concord "
            "kept it, do not. Name its rows with --old.",
            field="--old",
        )
    if names:
        return Before(data, origins, Learned(names, "logged"), tuple(notes))
    notes.append(
        f"{model} keeps no hashes of its rows: that it has not seen the test rows holds if the old data "
        "are all that it learned from."
    )
    return Before(data, origins, Learned(frozenset(hashes(data.rows)), "old data"), tuple(notes))


def merged(parts: Sequence[Dataset]) -> Dataset:
    """Several data sets as one, without their times."""
    if len(parts) == 1:
        return parts[0]
    return replace(
        parts[0],
        name=" + ".join(part.name for part in parts),
        rows=np.concatenate([part.rows for part in parts]),
        answers=np.concatenate([part.answers for part in parts]),
        dropped=_sum([part.dropped for part in parts]),
        empty=_sum([part.empty for part in parts]),
        ignored=(),
        times=None,
        source=" + ".join(part.source for part in parts),
    )


def united(origins: Sequence[Provenance]) -> tuple[Provenance, ...]:
    """Each source once, in its newest state."""
    return tuple({origin.text: origin for origin in origins}.values())


def _sum(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in counts:
        for name, number in each.items():
            found[name] = found.get(name, 0) + number
    return found
