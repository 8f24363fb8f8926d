"""The head: the one stored object that changes.

It holds the state, the blocks not sealed yet and the reference to the newest segment. Its bytes are canonical
JSON with a seal, the SHA-256 of all the rest, so a changed character is found on reading, before anything is
appended. A head that would pass its limit has its blocks sealed in a segment (`segments`).
"""

from dataclasses import asdict, dataclass
from typing import Any

from concord.errors import LedgerBroken
from concord.ledger.chain import (
    FORMAT,
    GENESIS,
    Block,
    canonical,
    check_links,
    digest,
    read_canonical,
    state_hash,
)
from concord.ledger.segments import SegmentRef
from concord.ledger.state import State

HEAD_LIMIT = 64 * 1024
"""Bytes of a head, at most: etcd keeps every version of it for ten minutes."""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest state of the ledger.

    Attributes:
        state: The state after the last block.
        blocks: The blocks not sealed yet; there is at least one, except before the first.
        segment: The newest segment.
        revision: The store's revision of these bytes; None where no head is stored yet.
    """

    state: State
    blocks: tuple[Block, ...] = ()
    segment: SegmentRef | None = None
    revision: str | None = None

    @property
    def height(self) -> int:
        """Height of the last block; 0 before the first."""
        return self.blocks[-1].height if self.blocks else 0

    @property
    def hash(self) -> str:
        """Hash of the last block."""
        return self.blocks[-1].hash if self.blocks else GENESIS

    @property
    def time(self) -> int:
        """Time of the last block, in µs since the epoch; 0 before the first."""
        return self.blocks[-1].time if self.blocks else 0

    @property
    def sealed(self) -> int:
        """Height up to which blocks stand in segments."""
        return self.segment.last if self.segment else 0

    @property
    def sealed_hash(self) -> str:
        """Hash of the last block in a segment."""
        return self.segment.block if self.segment else GENESIS

    def block(self, height: int) -> Block | None:
        """An unsealed block by its height."""
        index = height - self.sealed - 1
        return self.blocks[index] if 0 <= index < len(self.blocks) else None

    def height_of(self, key: str, since: int = 0) -> int | None:
        """Height of the newest unsealed block above `since` that holds an event of this key."""
        return next(
            (block.height for block in reversed(self.blocks) if block.height > since and key in block.events),
            None,
        )


def encode_head(head: Head) -> bytes:
    """Writes a head's bytes."""
    document: dict[str, Any] = {
        "format": FORMAT,
        "hash": head.hash,
        "state": head.state.to_json(),
        "blocks": [block.to_json() for block in head.blocks],
    }
    if head.segment is not None:
        document["segment"] = asdict(head.segment)
    document["seal"] = digest(canonical(document))
    return canonical(document)


def decode_head(data: bytes, revision: str) -> Head:
    """Reads a head, and checks seal, chain and state.

    Raises:
        LedgerBroken: The bytes were changed, or are not those of a head.
    """
    document = read_canonical(data, "The ledger's head")
    try:
        sealed = {name: value for name, value in document.items() if name != "seal"}
        if digest(canonical(sealed)) != document["seal"]:
            raise LedgerBroken("The ledger's head is not what was written: its seal does not fit.")
        if document["format"] != FORMAT:
            raise LedgerBroken(f"A head of format {document['format']} is not known here.")
        blocks = tuple(Block.from_json(block) for block in document["blocks"])
        state = State.from_json(document["state"])
        head = Head(state, blocks, SegmentRef.from_json(document.get("segment")), revision)
    except (KeyError, TypeError, AttributeError) as error:
        raise LedgerBroken("The ledger's head lacks a part.") from error
    _check(head, document["hash"])
    return head


def _check(head: Head, stated: str) -> None:
    check_links(head.blocks, head.sealed, head.sealed_hash)
    if not head.blocks or stated != head.hash:
        raise LedgerBroken("The ledger's head names another last block than it holds.")
    if head.blocks[-1].state != state_hash(head.state):
        raise LedgerBroken("The ledger's head holds another state than its last block leads to.")
