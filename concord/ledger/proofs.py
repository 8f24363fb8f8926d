"""Checks the proof of one round against an export of the ledger, without journal, store or network.

The proof holds the round's record, its path to a Merkle root, and the event that names that root. Whether the
export is the chain that others have, only its last hash shows, which the result names.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import pydantic

from concord.errors import InvalidInput, LedgerBroken
from concord.ledger.chain import Block, read_canonical
from concord.ledger.exports import read_export
from concord.ledger.merkle import proves

MOST_STEPS: Final = 64
"""Steps of a path, at most: a tree with longer paths has more leaves than there are rounds."""

_Step = tuple[Literal["left", "right"], Annotated[str, pydantic.Field(pattern="^[0-9a-f]{64}$")]]


@pydantic.dataclasses.dataclass(frozen=True, config=pydantic.ConfigDict(strict=True))
class ProofDocument:
    """A proof, as it is written in a file.

    Attributes:
        record: The record's bytes.
        path: Side and hash of each sibling, from the record up.
        root: The Merkle root that record and path should lead to.
        event: Key of the event that names it.
        block: Height of its block.
        block_hash: Hash of its block.
    """

    record: bytes
    path: Annotated[tuple[_Step, ...], pydantic.Field(max_length=MOST_STEPS)]
    root: str
    event: str
    block: int
    block_hash: str

    @classmethod
    def read(cls, data: bytes) -> "ProofDocument":
        """Reads what `concord explain ID --proof FILE` wrote; InvalidInput if it is no such document."""
        try:
            return pydantic.TypeAdapter(cls).validate_json(data)
        except pydantic.ValidationError as error:
            problem = error.errors(include_url=False)[0]
            where = ".".join(map(str, problem["loc"])) or "the file"
            raise InvalidInput(
                f"This is no proof: {where}: {problem['msg']}. `concord explain ID --proof FILE` writes one.",
                field="PROOF",
            ) from error


@dataclass(frozen=True, slots=True)
class ProvenRound:
    """A round that a proof has proven.

    Attributes:
        round: The round's id.
        task: Its task.
        policy: The policy that it was settled under.
        rounds: Rounds that were settled with it.
        block: Height of the block.
        height: Height of the export's last block.
        hash: Hash of that block.
        record: Its record, as JSON.
    """

    round: str
    task: str
    policy: str
    rounds: int
    block: int
    height: int
    hash: str
    record: Mapping[str, Any]


def check_proof(lines: Iterable[bytes], proof: ProofDocument) -> ProvenRound:
    """Checks an export, and a proof against it.

    Args:
        lines: The export's lines, oldest block first; read once.
        proof: The proof.

    Raises:
        LedgerBroken: The export is no chain, or does not prove the record; says why.
    """
    named: Block | None = None
    for block, _before, _after in read_export(lines):
        last = block
        if block.height == proof.block:
            named = block
    if named is None:
        raise LedgerBroken(
            f"The export ends at block {last.height}, and the proof is of block {proof.block}."
        )
    body = _find_event(named, proof)
    record = _check_record(body, proof)
    return ProvenRound(
        record["id"],
        record["task"],
        record["policy"],
        body["rounds"],
        named.height,
        last.height,
        last.hash,
        record,
    )


def _find_event(block: Block, proof: ProofDocument) -> Mapping[str, Any]:
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


def _check_record(body: Mapping[str, Any], proof: ProofDocument) -> dict[str, Any]:
    """The proof's record; LedgerBroken unless it is under the event's root and of its task."""
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
