"""A Merkle tree over the records of a settlement, so that one record can be proved without the others.

The tree of RFC 6962: leaves and inner nodes are hashed with different prefixes, so no inner node passes for a
record, and a last node without a sibling moves up unchanged.
"""

import hashlib
from collections.abc import Sequence

Step = tuple[str, str]
"""Side of the sibling, `left` or `right`, and its hash in hex."""


def merkle_root(records: Sequence[bytes]) -> str:
    """Root over records in their order, in hex; of no records it is the hash of nothing."""
    layer = [_leaf(record) for record in records]
    if not layer:
        return hashlib.sha256(b"").hexdigest()
    while len(layer) > 1:
        layer = _up(layer)
    return layer[0].hex()


def merkle_proof(records: Sequence[bytes], index: int) -> list[Step]:
    """The path from record `index` to the root: its sibling in each layer where it has one."""
    layer, steps = [_leaf(record) for record in records], []
    while len(layer) > 1:
        sibling = index ^ 1
        if sibling < len(layer):
            steps.append(("left" if sibling < index else "right", layer[sibling].hex()))
        layer, index = _up(layer), index // 2
    return steps


def proves(proof: Sequence[Step], record: bytes, root: str) -> bool:
    """Whether a path leads from this record to this root."""
    node = _leaf(record)
    for side, sibling in proof:
        other = bytes.fromhex(sibling)
        node = _inner(other, node) if side == "left" else _inner(node, other)
    return node.hex() == root


def _leaf(record: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + record).digest()


def _inner(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _up(layer: list[bytes]) -> list[bytes]:
    pairs = [_inner(layer[i], layer[i + 1]) for i in range(0, len(layer) - 1, 2)]
    return pairs + layer[len(layer) & ~1 :]
