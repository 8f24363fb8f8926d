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

from collections.abc import Mapping
from typing import Any, Final

from concord.errors import LedgerBroken
from concord.journal.rows import SettlementRound
from concord.ledger.chain import canonical
from concord.ledger.events import Body

RECORD_FORMAT: Final = 2
"""Of the records that this version writes."""


def read_format(body: Body) -> int:
    """The format of the records that a settlement's event names.

    Raises:
        LedgerBroken: A later version of Concord wrote it.
    """
    records = int(body.get("records", 1))
    if not 1 <= records <= RECORD_FORMAT:
        raise LedgerBroken(
            f"Its records are of format {records}, and this version of Concord knows {RECORD_FORMAT} of "
            "them: a newer one has written them, and can settle them again."
        )
    return records


def write_record(round_: SettlementRound, settled: Mapping[str, Any], records: int = RECORD_FORMAT) -> bytes:
    """The record of a round.

    Args:
        round_: The round.
        settled: The answer, the votes and what moved, by the policy's rule.
        records: The format.
    """
    document = {"id": round_.id, "task": round_.task, "policy": round_.policy, **settled}
    if records >= 2:
        document |= {"time": round_.time, "height": round_.height}
        # Under `seed` a label may come before or after the settlement, and is no part of it.
        if round_.policy == "wager":
            document |= {"source": round_.label_source, "labelled": round_.label_time}
    return canonical(document)
