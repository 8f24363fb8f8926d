"""Blocks that are chained by their hashes, and canonical JSON.

A block's bytes are its canonical JSON (sorted keys, no spaces, UTF-8, no floats), and its hash is their
SHA-256. It carries the hash of the state that it leads to, so a replay finds the first block whose state
differs.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from concord.errors import ConcordError, InvalidInput, LedgerBroken
from concord.ledger.events import Body, Event
from concord.ledger.state import State, fold

FORMAT = 1
"""Version of all stored formats; a reader refuses others."""

GENESIS = "0" * 64
"""The `previous` of the first block."""

TICK = 1000
"""Least µs between the times of two blocks."""


def canonical(value: object) -> bytes:
    """Writes plain JSON values as canonical JSON.

    >>> canonical({"b": 1, "a": "é"}).decode()
    '{"a":"é","b":1}'
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError as error:
        raise InvalidInput(f"This cannot be written as canonical JSON: {error}.") from error


def read_canonical(data: bytes, what: str) -> Any:  # noqa: ANN401 - JSON is anything
    """Reads canonical JSON; other JSON is refused.

    Raises:
        LedgerBroken: It is no JSON, or not as `canonical` writes it.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise LedgerBroken(f"{what} is no JSON: {error}.") from error
    if canonical(value) != data:
        raise LedgerBroken(f"{what} is not written canonically.")
    return value


def digest(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def state_hash(state: State) -> str:
    """Hash of a state's canonical JSON."""
    return digest(canonical(state.to_json()))


@dataclass(frozen=True, slots=True)
class Block:
    """A block of the chain.

    Attributes:
        height: 1 for the first.
        previous: Hash of the block before.
        time: µs since the epoch, later than the one before.
        events: Key → body.
        state: Hash of the state after it.
        data: Its canonical JSON.
        hash: SHA-256 of `data`, in hex.
    """

    height: int
    previous: str
    time: int
    events: Mapping[str, Body]
    state: str
    data: bytes = field(repr=False)
    hash: str

    @classmethod
    def build(cls, height: int, previous: str, time: int, events: Mapping[str, Body], state: str) -> "Block":
        """Makes a block with its bytes and hash."""
        document = {
            "format": FORMAT,
            "height": height,
            "previous": previous,
            "time": time,
            "events": events,
            "state": state,
        }
        data = canonical(document)
        return cls(height, previous, time, events, state, data, digest(data))

    @classmethod
    def read(cls, data: bytes) -> "Block":
        """Reads a block from its bytes.

        Raises:
            LedgerBroken: They are not the bytes of a block.
        """
        return cls.from_json(read_canonical(data, "A block"), data)

    @classmethod
    def from_json(cls, document: Mapping[str, Any], data: bytes | None = None) -> "Block":
        """Makes a block from its parsed JSON, and its bytes if the caller has them."""
        try:
            if document["format"] != FORMAT or len(document) != 6:
                raise LedgerBroken(f"A block of format {document['format']} is not known here.")
            fields = {name: document[name] for name in ("height", "previous", "time", "events", "state")}
        except (KeyError, TypeError, AttributeError) as error:
            raise LedgerBroken("A block lacks a part.") from error
        data = canonical(document) if data is None else data
        return cls(**fields, data=data, hash=digest(data))

    def to_json(self) -> dict[str, Any]:
        """The block as plain JSON values."""
        document: dict[str, Any] = orjson.loads(self.data)
        return document

    @property
    def event_list(self) -> list[Event]:
        """The events with their keys."""
        return [Event(key, body) for key, body in self.events.items()]


def extend(
    state: State, events: Sequence[Event], *, height: int, previous: str, last_time: int, now: int
) -> tuple[Block, State]:
    """Builds the next block, and the state that it leads to.

    Args:
        state: The state before it.
        events: Its events, of different keys.
        height: Its height.
        previous: Hash of the block before.
        last_time: Time of the block before, in µs.
        now: The clock, in µs.
    """
    after = fold(state, events)
    bodies = {event.key: event.body for event in events}
    return Block.build(height, previous, max(last_time + TICK, now), bodies, state_hash(after)), after


def check_link(block: Block, height: int, previous: str) -> None:
    """Raises LedgerBroken unless the block follows the one of `height` with hash `previous`."""
    if block.height != height + 1 or block.previous != previous:
        raise LedgerBroken(
            f"Block {block.height} does not follow block {height}: the chain is forked or cut."
        )


def check_links(blocks: Iterable[Block], height: int, previous: str) -> None:
    """Raises LedgerBroken unless blocks follow each other, and the first the one of `height`."""
    for block in blocks:
        check_link(block, height, previous)
        height, previous = block.height, block.hash


def fold_chain(blocks: Iterable[Block]) -> Iterator[tuple[Block, State, State]]:
    """Each block of a whole chain with the states before and after it; checked as by `replay`."""
    state, height, previous = State(), 0, GENESIS
    for block in blocks:
        after = replay([block], state, height, previous)
        yield block, state, after
        state, height, previous = after, block.height, block.hash


def replay(blocks: Iterable[Block], state: State, height: int = 0, previous: str = GENESIS) -> State:
    """Folds blocks onto a state; checks every link and every state hash.

    Args:
        blocks: Blocks in the order of their heights.
        state: The state before the first.
        height: Height of the block before the first.
        previous: Hash of that block.

    Raises:
        LedgerBroken: A block does not follow the one before, or does not lead to the state that it names.
    """
    for block in blocks:
        check_link(block, height, previous)
        try:
            state = fold(state, block.event_list)
        except (ConcordError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise LedgerBroken(f"Block {block.height} holds an event that cannot happen: {error}") from error
        if state_hash(state) != block.state:
            raise LedgerBroken(f"Block {block.height} does not lead to the state that it names.")
        height, previous = block.height, block.hash
    return state
