"""Records of settled rounds: what a proof proves, as canonical JSON.

The records of a block's rounds are the leaves under the Merkle root that its event names. A record says what
people read of a round: the answer, the votes, when it was answered and on which state, the label with its
source and time, and the stake that moved. The event names the records' format, so that blocks of before are
settled again in theirs.

| format | |
|---|---|
| 1 | without times, height, and the label's source |
| 2 | with `time`, `height` and, under `wager`, `source` and `labelled` (the label's time) |
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from concord.errors import LedgerBroken
from concord.journal.rows import SettlementRound, StoredRound
from concord.ledger.chain import canonical
from concord.ledger.events import Body

RECORD_FORMAT: Final = 2
"""Of the records that this version writes."""

WORDS: Final = {
    "label": "label",
    "source": "label's source",
    "labelled": "label's time",
    "time": "time",
    "height": "height",
}
"""What a record says besides answer and votes, for people."""


def read_format(body: Body) -> int:
    """The format of the records that a settlement's event names.

    Raises:
        LedgerBroken: A later version of Concord wrote it.
    """
    record_format = int(body.get("records", 1))
    if not 1 <= record_format <= RECORD_FORMAT:
        raise LedgerBroken(
            f"Its records are of format {record_format}, and this version of Concord knows {RECORD_FORMAT} "
            "of them: a newer one has written them, and can settle them again."
        )
    return record_format


def write_record(round_: SettlementRound, settled: Mapping[str, Any], record_format: int) -> bytes:
    """The record of a round.

    Args:
        round_: The round.
        settled: The answer, the votes and what moved, by the policy's rule.
        record_format: The format.
    """
    document = {"id": round_.id, "task": round_.task, "policy": round_.policy, **settled}
    if record_format >= 2:
        document |= {"time": round_.time, "height": round_.height}
        # Under `seed` a label may come before or after the settlement, and is no part of it.
        if round_.policy == "wager":
            document |= {"source": round_.label_source, "labelled": round_.label_time}
    return canonical(document)


def compare_record(
    round_: SettlementRound | StoredRound, record: Mapping[str, Any]
) -> Iterator[tuple[str, Any, Any]]:
    """What a record says besides answer and votes: its name, its value there, and that in the journal."""
    now = {
        "label": round_.label,
        "source": round_.label_source,
        "labelled": round_.label_time,
        "time": round_.time,
        "height": round_.height,
    }
    for name, value in now.items():
        if name in record:
            yield name, record[name], value
