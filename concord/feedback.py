"""Takes labels of rounds, without HTTP: checks each and writes it into the journal, where it settles from.

Each label is checked by itself, so that a wrong, late or forbidden one never fails another. An accepted
label is durable in the journal before its sender gets the receipt; a sender without a receipt sends the
same label again. The values of labels are neither logged nor counted.
"""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from concord.consensus.ensembles import Ensembles
from concord.consensus.recorder import Recorder
from concord.errors import (
    CallerError,
    Conflict,
    Expired,
    Forbidden,
    InvalidInput,
    JournalUnavailable,
    UnknownName,
)
from concord.http.tokens import Token
from concord.journal import Journal
from concord.journal.labels import MOST_DISPUTES
from concord.journal.rows import Labelled, LabelRow, Origin
from concord.observability import metrics
from concord.settlement.settler import Settler
from concord.tasks.labels import SubmittedLabel, encode_label, parse_label
from concord.types.answers import SettlementStatus
from concord.types.rounds import LabelOutcome
from concord.util.slices import in_slices
from concord.util.times import DAY

RECORDED_SECONDS: Final = 0.2
"""How long to wait for a round that is not in the journal: rounds are recorded within 150 ms of the answer,
shadows included."""

_ID: Final = re.compile(r"[0-9a-f]{32}")
"""The form of a round's id; a database may refuse other texts."""

_ID_SHOWN: Final = 64
"""Characters of an invalid id that are repeated to its sender; valid ones have 32."""

_OUTCOMES: Final[Mapping[type[CallerError], LabelOutcome]] = {
    UnknownName: "unknown",
    Forbidden: "forbidden",
    Expired: "expired",
    InvalidInput: "invalid",
    Conflict: "conflict",
}


@dataclass(frozen=True, slots=True)
class LabelReceipt:
    """The result of one label; `error` says why it is neither accepted nor known."""

    id: str | None
    task: str | None
    status: LabelOutcome
    settlement: SettlementStatus = "none"
    block: int | None = None
    error: CallerError | None = None

    @property
    def is_good(self) -> bool:
        """Whether the round has this label now."""
        return self.error is None


class Feedback:
    """Takes labels.

    Args:
        journal: Where they go; called in a thread.
        ensembles: The tasks' schemas.
        settler: Settles labelled rounds that are due.
        recorder: Knows whether rounds wait for the journal.
        label_days: How long after a round it can be labelled.
    """

    def __init__(
        self,
        journal: Journal,
        ensembles: Ensembles,
        settler: Settler,
        recorder: Recorder,
        *,
        label_days: int,
    ) -> None:
        self._journal, self._ensembles, self._settler = journal, ensembles, settler
        self._recorder = recorder
        self._label_days = label_days

    async def take(self, token: Token, items: Sequence[object], request_id: str) -> list[LabelReceipt]:
        """Reads and records labels.

        Args:
            token: The sender's token.
            items: `{"id"}` with `label`, `value` or `text` each, as they were sent.
            request_id: Kept with the labels.

        Returns:
            A receipt for each, in their order.

        Raises:
            JournalUnavailable: Nothing was recorded.
            NoQuorum: The schema of a round's task is not known, as no node has ever answered; likewise.
        """
        labels = await in_slices(range(len(items)), lambda i: _parsed(items[i], f"labels[{i}]"))
        origins = await self._origins(
            {label.id for label in labels if isinstance(label, SubmittedLabel) and _ID.fullmatch(label.id)}
        )
        now = int(time.time() * 1_000_000)
        rows = await in_slices(labels, lambda label: self._row(label, origins, token, now, request_id))
        written = iter(await self._write([row for row in rows if isinstance(row, LabelRow)]))

        def receive(index: int) -> LabelReceipt:
            row, label = rows[index], labels[index]
            if isinstance(row, CallerError):
                return _refused(items[index], label, origins, row)
            return _receipt(next(written), label, origins)

        receipts = await in_slices(range(len(items)), receive)
        _count(receipts)
        await in_slices(receipts, lambda receipt: _observe_age(receipt, origins, now))
        return receipts

    async def settled(self, receipts: Sequence[LabelReceipt], seconds: float) -> list[LabelReceipt]:
        """The receipts once their rounds are settled, or after so many seconds as they are then."""
        due = {
            receipt.id
            for receipt in receipts
            if receipt.is_good and receipt.settlement == "due" and receipt.id is not None
        }
        heights = await self._settler.wait_settled(due, seconds) if due else {}
        return [
            replace(receipt, settlement="settled", block=heights[receipt.id])
            if receipt.id in heights
            else receipt
            for receipt in receipts
        ]

    async def _origins(self, ids: set[str]) -> dict[str, Origin]:
        origins = await asyncio.to_thread(self._journal.origins, ids) if ids else {}
        if missing := ids - origins.keys():
            await asyncio.sleep(RECORDED_SECONDS)
            origins |= await asyncio.to_thread(self._journal.origins, missing)
        if missing - origins.keys() and self._recorder.is_away:
            # The journal can be read and not written, as on a full disk: the round may still wait for it.
            raise JournalUnavailable(
                "The journal takes nothing now, and the round may not be in it yet. Send it again soon."
            )
        return origins

    def _row(
        self,
        submitted: SubmittedLabel | CallerError,
        origins: Mapping[str, Origin],
        token: Token,
        now: int,
        request_id: str,
    ) -> LabelRow | CallerError:
        """The label as the journal keeps it, or why it is refused."""
        if isinstance(submitted, CallerError):
            return submitted
        try:
            origin = self._admit(submitted, origins.get(submitted.id), token, now)
            label = encode_label(self._ensembles.schema(origin.task), submitted)
        except CallerError as error:
            return error
        return LabelRow(submitted.id, label, token.name, now, request_id)

    def _admit(self, label: SubmittedLabel, origin: Origin | None, token: Token, now: int) -> Origin:
        """The round's origin, if this token may label it now."""
        if origin is None:
            raise _unknown(label)
        if not token.may_label(origin.task):
            raise Forbidden(
                f"Token {token.name} {token.rights}; this round is one of {origin.task}.",
                field=f"{label.place}.id",
                code="forbidden_task",
            )
        if now - origin.time > self._label_days * DAY:
            raise Expired(
                f"The round was answered more than {self._label_days} days ago, and can be labelled no more "
                "(CONCORD_LABEL_DAYS).",
                field=f"{label.place}.id",
            )
        return origin

    async def _write(self, rows: Sequence[LabelRow]) -> Sequence[Labelled]:
        written = await asyncio.to_thread(self._journal.label, rows) if rows else []
        if any(label.settlement == "due" for label in written):
            self._settler.notify()
        return written


def _parsed(item: object, place: str) -> SubmittedLabel | CallerError:
    try:
        return parse_label(item, place)
    except CallerError as error:
        return error


def _unknown(label: SubmittedLabel) -> UnknownName:
    return UnknownName(
        f"There is no round {label.id[:40]!r}. The id is the one that came with the answer.",
        field=f"{label.place}.id",
        code="unknown_round",
    )


def _refused(
    item: object, label: SubmittedLabel | CallerError, origins: Mapping[str, Origin], error: CallerError
) -> LabelReceipt:
    round_id = item.get("id") if isinstance(item, Mapping) else None
    shown = round_id[:_ID_SHOWN] if isinstance(round_id, str) else None
    return LabelReceipt(shown, _task(label, origins), _OUTCOMES[type(error)], error=error)


def _receipt(
    written: Labelled, label: SubmittedLabel | CallerError, origins: Mapping[str, Origin]
) -> LabelReceipt:
    assert isinstance(label, SubmittedLabel), "Only parsed labels are written."
    error: CallerError | None = None
    if written.status == "unknown":
        error = _unknown(label)
    elif written.status == "conflict":
        kept = (
            "is kept as a dispute"
            if written.is_disputed
            else (f"is not kept, as this token has disputed the round {MOST_DISPUTES} times")
        )
        error = Conflict(
            f"The round has another label already, from {written.source}. That one stands; this one {kept}.",
            field=label.field,
        )
    return LabelReceipt(
        label.id, _task(label, origins), written.status, written.settlement, written.block, error
    )


def _task(label: SubmittedLabel | CallerError, origins: Mapping[str, Origin]) -> str | None:
    origin = origins.get(label.id) if isinstance(label, SubmittedLabel) else None
    return origin.task if origin else None


def _count(receipts: Sequence[LabelReceipt]) -> None:
    statuses = Counter((receipt.task or "", receipt.status) for receipt in receipts)
    for (task, status), count in statuses.items():
        metrics.LABELS.labels(task, status).inc(count)


def _observe_age(receipt: LabelReceipt, origins: Mapping[str, Origin], now: int) -> None:
    if receipt.status == "accepted" and receipt.id is not None:
        origin = origins[receipt.id]
        metrics.LABEL_AGE.labels(origin.task).observe(max(0, now - origin.time) / 1_000_000)
