"""Labels without HTTP: what was true of a round, by its id, into the journal and on to the next block.

Every label is judged by itself: one that is wrong, late or somebody else's never fails another. What is
accepted is durable in the journal before its sender hears of it, and settles from there; a sender who
heard nothing sends the same again. A label is read by the schema of its round's task and by nothing
else, and what it says is neither logged nor counted.
"""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from concord.consensus.ensembles import Ensembles
from concord.errors import CallerError, Conflict, Expired, Forbidden, InvalidInput, UnknownName
from concord.http.tokens import Token
from concord.journal import Journal, Labelled, LabelRow, Origin
from concord.observability import metrics
from concord.settlement.settler import Settler
from concord.tasks.labels import SubmittedLabel, encode_label, parse_label
from concord.types.answers import LabelOutcome, SettlementStatus

RECORDED_SECONDS: Final = 0.2
"""How long a round that is not there is waited for: it may have been answered a moment ago, and rounds that
nobody waits for are recorded within 150 ms, shadows included."""

_ID: Final = re.compile(r"[0-9a-f]{32}")
"""What a round's id looks like; a database may not even take other texts."""

_DAY: Final = 86_400 * 1_000_000
_ID_SHOWN: Final = 64
"""Characters of an id that is repeated to its sender; ours have 32."""

_OUTCOMES: Final[Mapping[type[CallerError], LabelOutcome]] = {
    UnknownName: "unknown",
    Forbidden: "forbidden",
    Expired: "expired",
    InvalidInput: "invalid",
    Conflict: "conflict",
}


@dataclass(frozen=True, slots=True)
class LabelReceipt:
    """What became of one label; the error says why it is neither accepted nor known."""

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
        panels: Knows the tasks' schemas.
        settler: Is told of what is due.
        label_days: How long after a round it can be labelled.
        clock: Seconds since the epoch.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        journal: Journal,
        panels: Ensembles,
        settler: Settler,
        *,
        label_days: int,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._journal, self._ensembles, self._settler = journal, panels, settler
        self._label_days, self._clock, self._sleep = label_days, clock, sleep

    async def take(self, token: Token, items: Sequence[object], request_id: str) -> list[LabelReceipt]:
        """Reads and records labels.

        Args:
            token: Who sends them.
            items: `{"id", "label"}` or `{"id", "value"}` each, as they were sent.
            request_id: Kept with the labels.

        Returns:
            What became of each, in their order.

        Raises:
            JournalUnavailable: Nothing was recorded.
            NoQuorum: What a round's task asks is not known, as no node has ever answered; likewise.
        """
        said = [_parsed(item, f"labels[{index}]") for index, item in enumerate(items)]
        origins = await self._origins(
            {one.id for one in said if isinstance(one, SubmittedLabel) and _ID.fullmatch(one.id)}
        )
        now = int(self._clock() * 1_000_000)
        rows = [self._read(one, origins, token, now, request_id) for one in said]
        labelled = iter(await self._write([row for row in rows if isinstance(row, LabelRow)]))
        found = [
            _refused(item, one, origins, row)
            if isinstance(row, CallerError)
            else _judged(next(labelled), one, origins)
            for item, one, row in zip(items, said, rows, strict=True)
        ]
        _count(found, origins, now)
        return found

    async def settled(self, outcomes: Sequence[LabelReceipt], seconds: float) -> list[LabelReceipt]:
        """Waits until the labelled rounds are settled, but not longer than so many seconds."""
        due = {one.id for one in outcomes if one.is_good and one.settlement == "due" and one.id}
        if not due:
            return list(outcomes)
        heights = await self._settler.settled(due, seconds)
        return [
            replace(one, settlement="settled", block=heights[one.id])
            if one.id in due and one.id in heights
            else one
            for one in outcomes
        ]

    async def _origins(self, ids: set[str]) -> dict[str, Origin]:
        found = await asyncio.to_thread(self._journal.origins, ids) if ids else {}
        if missing := ids - found.keys():
            await self._sleep(RECORDED_SECONDS)
            found |= await asyncio.to_thread(self._journal.origins, missing)
        return found

    def _read(
        self,
        said: SubmittedLabel | CallerError,
        origins: Mapping[str, Origin],
        token: Token,
        now: int,
        request_id: str,
    ) -> LabelRow | CallerError:
        if isinstance(said, CallerError):
            return said
        try:
            origin = self._admit(said, origins.get(said.id), token, now)
            label = encode_label(self._ensembles.schema(origin.task), said)
        except CallerError as error:
            return error
        return LabelRow(said.id, label, token.name, now, request_id)

    def _admit(self, said: SubmittedLabel, origin: Origin | None, token: Token, now: int) -> Origin:
        """The round's origin, if this token may label it now."""
        if origin is None:
            raise _unknown(said)
        if not token.may_label(origin.task):
            raise Forbidden(
                f"Token {token.name} {token.rights}; this round is one of {origin.task}.",
                field=f"{said.place}.id",
                code="forbidden_task",
            )
        if now - origin.time > self._label_days * _DAY:
            raise Expired(
                f"The round was answered more than {self._label_days} days ago, and can be labelled no more "
                "(CONCORD_LABEL_DAYS).",
                field=f"{said.place}.id",
            )
        return origin

    async def _write(self, rows: Sequence[LabelRow]) -> Sequence[Labelled]:
        labelled = await asyncio.to_thread(self._journal.label, rows) if rows else []
        if any(one.settlement == "due" for one in labelled):
            self._settler.notify()
        return labelled


def _parsed(item: object, place: str) -> SubmittedLabel | CallerError:
    try:
        return parse_label(item, place)
    except CallerError as error:
        return error


def _unknown(said: SubmittedLabel) -> UnknownName:
    return UnknownName(
        f"There is no round {said.id[:40]!r}. The id is the one that came with the answer.",
        field=f"{said.place}.id",
        code="unknown_round",
    )


def _refused(
    item: object, said: SubmittedLabel | CallerError, origins: Mapping[str, Origin], error: CallerError
) -> LabelReceipt:
    named = item.get("id") if isinstance(item, Mapping) else None
    shown = named[:_ID_SHOWN] if isinstance(named, str) else None
    return LabelReceipt(shown, _task(said, origins), _OUTCOMES[type(error)], error=error)


def _judged(
    labelled: Labelled, said: SubmittedLabel | CallerError, origins: Mapping[str, Origin]
) -> LabelReceipt:
    assert isinstance(said, SubmittedLabel), "Only what was read is written."
    error: CallerError | None = None
    if labelled.status == "unknown":
        error = _unknown(said)
    elif labelled.status == "conflict":
        error = Conflict(
            f"The round has another label already, from {labelled.source}. That one stands; this one is kept "
            "as a dispute.",
            field=said.field,
        )
    return LabelReceipt(
        said.id, _task(said, origins), labelled.status, labelled.settlement, labelled.block, error
    )


def _task(said: SubmittedLabel | CallerError, origins: Mapping[str, Origin]) -> str | None:
    origin = origins.get(said.id) if isinstance(said, SubmittedLabel) else None
    return origin.task if origin else None


def _count(outcomes: Sequence[LabelReceipt], origins: Mapping[str, Origin], now: int) -> None:
    for (task, status), times in Counter((one.task or "", one.status) for one in outcomes).items():
        metrics.LABELS.labels(task, status).inc(times)
    for one in outcomes:
        if one.status == "accepted" and one.id is not None:
            origin = origins[one.id]
            metrics.LABEL_AGE.labels(origin.task).observe(max(0, now - origin.time) / 1_000_000)
