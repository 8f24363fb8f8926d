"""Checking the proof of one round against an export of the ledger, and against nothing else.

The proof holds the round's record, its path to a Merkle root, and where the chain names that root. Whoever
has both files needs no journal, no store and no network. The export is read once, a block at a time, and
what is kept of it is the state; a block is believed only if it follows the one before and leads to the
state that it names, which every later block is chained to.

What this cannot say is whether the chain is the one that others know: its last hash is told, to be compared.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from concord.errors import InvalidInput, LedgerBroken
from concord.ledger.chain import GENESIS, Block, read_canonical, replay
from concord.ledger.merkle import Step, proves
from concord.ledger.state import State

MOST_LINE: Final = 1 << 20
"""Bytes of a line of an export: a block fits into a head of 64 KiB, so a longer line is none."""

MOST_STEPS: Final = 64
"""Steps of a path that is looked at: of so many, a tree has more leaves than there are rounds."""

_HASH: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ProofDocument:
    """A proof as it stands in a file.

    Attributes:
        record: The record's bytes.
        path: Side and hash of each sibling, from the record up.
        root: The Merkle root that they are said to lead to.
        event: Key of the event that names it.
        block: Height of its block.
        block_hash: Hash of its block.
    """

    record: bytes
    path: tuple[Step, ...]
    root: str
    event: str
    block: int
    block_hash: str

    @classmethod
    def read(cls, data: bytes) -> "ProofDocument":
        """Reads what `concord explain ID --proof FILE` wrote.

        Raises:
            InvalidInput: It is no such document.
        """
        try:
            document = orjson.loads(data)
            texts = {name: document[name] for name in ("record", "root", "event", "block_hash")}
            path, block = document["path"], document["block"]
        except (ValueError, KeyError, TypeError) as error:
            raise _no_proof(
                "it is no JSON object with record, path, root, event, block and block_hash"
            ) from error
        if not all(isinstance(text, str) for text in texts.values()) or type(block) is not int:
            raise _no_proof("record, root, event and block_hash are texts, and block is a number")
        if not isinstance(path, list) or len(path) > MOST_STEPS or not all(map(_is_step, path)):
            raise _no_proof('its path is a list of ["left" or "right", a hash in 64 hexadecimal digits]')
        steps = tuple((str(side), str(sibling)) for side, sibling in path)
        try:
            record = texts["record"].encode()
        except UnicodeEncodeError as error:
            raise _no_proof("its record is no text") from error
        return cls(record, steps, texts["root"], texts["event"], block, texts["block_hash"])


@dataclass(frozen=True, slots=True)
class Proven:
    """What a proof has shown.

    Attributes:
        round: The round's id.
        task: Its task.
        policy: The policy that it was settled under.
        rounds: Rounds that were settled with it.
        block: Height of the block.
        height: Height of the export's last block.
        hash: Hash of that block.
        record: The record that is proven, as JSON.
    """

    round: str
    task: str
    policy: str
    rounds: int
    block: int
    height: int
    hash: str
    record: Mapping[str, Any]


def prove(lines: Iterable[bytes], proof: ProofDocument) -> Proven:
    """Checks an export, and in it a proof.

    Args:
        lines: The export's lines, oldest block first; read once.
        proof: The proof.

    Raises:
        LedgerBroken: The export is no chain, or does not prove the record; says why.
    """
    state, height, previous = State(), 0, GENESIS
    found: Block | None = None
    for number, line in enumerate(lines, 1):
        try:
            if len(line) > MOST_LINE:
                raise LedgerBroken(f"It is longer than {MOST_LINE} bytes, and so no block.")
            block = Block.read(line.removesuffix(b"\n"))
            state = replay([block], state, height, previous)
        except LedgerBroken as error:
            raise LedgerBroken(f"The export is no chain, line {number}: {error.message}") from error
        except AttributeError as error:
            # Parts of another type than ours: nobody's block, and nothing that a sentence could say more of.
            raise LedgerBroken(f"The export is no chain, line {number}: this is no block.") from error
        height, previous = block.height, block.hash
        if height == proof.block:
            found = block
    if not height:
        raise LedgerBroken("The export holds no block.")
    if found is None:
        raise LedgerBroken(f"The export ends at block {height}, and the proof is of block {proof.block}.")
    body = _event(found, proof)
    record = _record(body, proof)
    return Proven(
        record["id"], record["task"], record["policy"], body["rounds"], found.height, height, previous, record
    )


def _event(block: Block, proof: ProofDocument) -> Mapping[str, Any]:
    """The event that names the proof's root."""
    if block.hash != proof.block_hash:
        raise LedgerBroken(
            f"Block {block.height} of the export has the hash {block.hash[:16]}…, and the proof's has "
            f"{proof.block_hash[:16]}…: they are of different chains."
        )
    body = block.events.get(proof.event)
    if body is None or body.get("kind") != "settle":
        raise LedgerBroken(f"Block {block.height} holds no settlement {proof.event[:100]!r}.")
    if body.get("root") != proof.root:
        raise LedgerBroken(f"The settlement in block {block.height} names another root than the proof.")
    return body


def _record(body: Mapping[str, Any], proof: ProofDocument) -> dict[str, Any]:
    """The record, if it lies under the event's root and is of its task."""
    rounds = body.get("rounds")
    if type(rounds) is not int or rounds < 1:
        raise LedgerBroken("The settlement does not say how many rounds it settled.")
    if len(proof.path) > (rounds - 1).bit_length():
        raise LedgerBroken("The path is longer than any in a tree over that many rounds.")
    if not proves(proof.path, proof.record, proof.root):
        raise LedgerBroken(
            f"The record does not lead to the root in block {proof.block}: it, or its path, was changed."
        )
    record = read_canonical(proof.record, "The record")
    names = ("id", "task", "policy")
    if not isinstance(record, dict) or not all(isinstance(record.get(name), str) for name in names):
        raise LedgerBroken("The record names no round, task and policy.")
    if (record["task"], record["policy"]) != (body["task"], body["policy"]):
        raise LedgerBroken("The record is of another task or policy than the settlement.")
    return record


def _is_step(step: object) -> bool:
    return (
        isinstance(step, list)
        and len(step) == 2
        and step[0] in ("left", "right")
        and isinstance(step[1], str)
        and _HASH.fullmatch(step[1]) is not None
    )


def _no_proof(why: str) -> InvalidInput:
    return InvalidInput(
        f"This is no proof: {why}. `concord explain ID --proof FILE` writes one.", field="PROOF"
    )
