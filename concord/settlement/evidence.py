"""Evidence of a round: its answer and votes as integers, as JSON in the journal.

Written when a round is decided, and read when it settles. Under `seed` a vote is a class; under `wager` it is
the version that voted and its probabilities in ppm, or its value in steps of the resolution. Shadows and
challengers are kept apart, since they are scored and move no stake.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from concord.errors import LedgerBroken
from concord.ledger.chain import canonical

RawVote = Sequence[Any]
"""A vote as it is written: its version or None, then its integers."""


@dataclass(frozen=True, slots=True)
class Ballot:
    """A vote: the version that cast it, and its integers."""

    version: str | None
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Answer and votes of a round under `wager`.

    Attributes:
        answer: Class index, or value in steps of the resolution.
        votes: Node → its ballot, of the voters.
        shadows: The same of non-voters, which are scored.
        challengers: Node → the ballot of its challenger.
        scale: Usual error that the task's schema states, in steps; None for a classification.
    """

    answer: int
    votes: Mapping[str, Ballot]
    shadows: Mapping[str, Ballot] = field(default_factory=dict)
    challengers: Mapping[str, Ballot] = field(default_factory=dict)
    scale: int | None = None


def write_seed(answer: int, votes: Mapping[str, int]) -> bytes:
    """Evidence of a round under `seed`: the class that was answered, and each node's class."""
    return canonical({"answer": answer, "votes": votes})


def write(
    answer: int,
    votes: Mapping[str, RawVote],
    shadows: Mapping[str, RawVote] | None = None,
    challengers: Mapping[str, RawVote] | None = None,
    scale: int | None = None,
) -> bytes:
    """Evidence of a round under `wager`; empty parts are left out.

    >>> write(1, {"knn": ["3", 0, 1_000_000]}).decode()
    '{"answer":1,"votes":{"knn":["3",0,1000000]}}'
    """
    document: dict[str, Any] = {"answer": answer, "votes": votes}
    if shadows:
        document["shadows"] = shadows
    if challengers:
        document["challengers"] = challengers
    if scale is not None:
        document["scale"] = scale
    return canonical(document)


def read_seed(round_id: str, data: bytes | None) -> tuple[int, dict[str, int]]:
    """Answer and classes of a round under `seed`; LedgerBroken where they cannot be read."""
    with _readable(round_id):
        document: dict[str, Any] = orjson.loads(data or b"")
        return int(document["answer"]), {str(node): int(vote) for node, vote in document["votes"].items()}


def read(round_id: str, data: bytes | None) -> Evidence:
    """Evidence of a round under `wager`; LedgerBroken where it cannot be read."""
    with _readable(round_id):
        document: dict[str, Any] = orjson.loads(data or b"")
        return Evidence(
            int(document["answer"]),
            _ballots(document["votes"]),
            _ballots(document.get("shadows", {})),
            _ballots(document.get("challengers", {})),
            int(document["scale"]) if "scale" in document else None,
        )


def _ballots(votes: Mapping[str, RawVote]) -> dict[str, Ballot]:
    return {node: _ballot(vote) for node, vote in votes.items()}


def _ballot(vote: RawVote) -> Ballot:
    version, *counts = vote
    if not isinstance(version, str | None) or not counts or any(type(count) is not int for count in counts):
        raise ValueError("A vote is a version and integers.")
    return Ballot(version, tuple(counts))


@contextmanager
def _readable(round_id: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LedgerBroken(f"The evidence of round {round_id} cannot be read.") from error
