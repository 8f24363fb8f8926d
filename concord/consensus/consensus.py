"""Rows in, verdicts out, rounds into the journal: the answering half of the consensus service.

A request's rows go into one poll, with those of other callers who ask meanwhile; each row is a round of its
own, with its own id. An answer never waits for the ledger unless its caller asks to (`settled`), nor for a
node that does not count. A round that moves money is durable in the journal before its caller hears of it.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import orjson

from concord.consensus.batching import Batcher, BatchResult
from concord.consensus.ensemble import Ensemble, RoundResult
from concord.consensus.ensembles import Ensembles
from concord.consensus.metrics import begin, observe
from concord.consensus.poll import Question, Reply, Shadows
from concord.consensus.recorder import Recorder
from concord.errors import JournalUnavailable, Overloaded
from concord.journal import RoundRow
from concord.observability import metrics
from concord.settings import Settings
from concord.settlement.settler import Settler
from concord.types.answers import Verdict
from concord.util.ids import fresh_id

SETTLED_SECONDS: Final = 3.0
"""How long `?settled=true` waits for the block. With the longest deadline (4 s) and the wait for the
journal (2 s) a request stays under the ten seconds after which its bento would end it."""


class PredictRequest(NamedTuple):
    """One caller's question.

    Attributes:
        task: The task asked.
        rows: Rows of named columns, as the caller sent them.
        request_id: Named in answers, logs, rounds and the nodes' logs.
        traceparent: W3C trace context, handed on to the nodes.
        recorded: Wait until the rounds are durable in the journal.
        settled: Wait until the rounds are settled in a block.
    """

    task: str
    rows: Sequence[Mapping[str, Any]]
    request_id: str
    traceparent: str | None = None
    recorded: bool = False
    settled: bool = False


class PredictResult(NamedTuple):
    """The verdicts on a request's rows, and each of them as JSON already."""

    verdicts: Sequence[Verdict]
    encoded: Sequence[bytes]


class _Polled(NamedTuple):
    """A request that was asked and decided, on its way into the journal; `time` in µs since the epoch."""

    panel: Ensemble
    request: PredictRequest
    answered: BatchResult
    rulings: Sequence[RoundResult]
    time: int


class Consensus:
    """Answers requests for all tasks.

    Args:
        settings: Limits and retention.
        ensembles: The nodes of each task, with their accounts.
        settler: Waited for where a caller asks for settled rounds.
        recorder: Takes the rounds.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        settings: Settings,
        ensembles: Ensembles,
        settler: Settler,
        recorder: Recorder,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._ensembles = ensembles
        self._settler = settler
        self._recorder = recorder
        self._clock = clock
        for task in ensembles.declared:
            begin(task)
        self._batches: defaultdict[str, Batcher] = defaultdict(Batcher)
        self._waiting_rows = 0
        self._shadowed: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Waits for the shadows of rounds that are answered already."""
        await asyncio.gather(*self._shadowed, return_exceptions=True)

    async def predict(self, request: PredictRequest) -> PredictResult:
        """Asks all nodes of the task about the rows, decides and records.

        Raises:
            UnknownName: There is no such task.
            InvalidInput: A row is not as the schema says.
            NoQuorum: No node of the task has ever answered.
            Overloaded: More rows wait than may.
            JournalUnavailable: The journal is away, and the round moves money or no more can wait.
        """
        began = time.perf_counter()
        panel = self._ensembles.panel(request.task)
        array = panel.schema.read_rows(request.rows)
        answered = await self._poll(panel, request, array.tobytes())
        durable = panel.terms.policy == "seed"
        rulings = [
            panel.rule(answered.replies, answered.first + row, fresh_id(16), recorded=durable)
            for row in range(len(request.rows))
        ]
        poll = _Polled(panel, request, answered, rulings, int(self._clock() * 1_000_000))
        response = await self._record(poll, durable=durable or request.recorded)
        observe(panel, answered.replies, rulings, time.perf_counter() - began)
        return await self._await_settlement(response) if request.settled else response

    def refusal(self, task: str, response: PredictResult) -> dict[str, str | None] | None:
        """The error of a request of which no row has its quorum, if the task refuses then."""
        if any(verdict.status != "no_quorum" for verdict in response.verdicts):
            return None
        refuses = self._ensembles.settings(task).below_quorum == "refuse"
        return response.verdicts[0].error if refuses else None

    async def _poll(self, panel: Ensemble, request: PredictRequest, body: bytes) -> BatchResult:
        rows = len(request.rows)
        if self._waiting_rows + rows > self._settings.max_waiting_rows:
            raise Overloaded(
                f"{self._waiting_rows} rows wait already. Try again in a second.", retry_after=1.0
            )
        question = Question(body, rows, panel.schema.digest, (request.request_id,), request.traceparent)
        self._waiting_rows += rows
        metrics.show(metrics.WAITING_ROWS, self._waiting_rows)
        try:
            return await self._batches[request.task].ask(panel, question)
        finally:
            self._waiting_rows -= rows
            metrics.show(metrics.WAITING_ROWS, self._waiting_rows)

    async def _record(self, poll: _Polled, *, durable: bool) -> PredictResult:
        verdicts = [ruling.verdict for ruling in poll.rulings]
        encoded = [_encode(verdict) for verdict in verdicts]
        if not durable:
            self._record_behind(poll, encoded)
            return PredictResult(verdicts, encoded)
        shadows = poll.answered.shadows
        seen = await shadows.replies() if shadows is not None else None
        written = self._recorder.record_soon(self._rows(poll, encoded, seen))
        try:
            await asyncio.shield(written)
        except JournalUnavailable:
            if poll.panel.terms.policy == "seed":
                raise
            return PredictResult(verdicts, encoded)
        return _recorded(verdicts, encoded)

    def _record_behind(self, poll: _Polled, encoded: Sequence[bytes]) -> None:
        """Records behind the answer: at once, or as soon as the shadows have been heard."""
        if poll.answered.shadows is None:
            self._recorder.record(self._rows(poll, encoded, None))
            return
        # Room is taken before the answer goes out, so that a full recorder refuses it.
        self._recorder.reserve(len(encoded))
        task = asyncio.create_task(self._record_shadowed(poll, encoded, poll.answered.shadows))
        self._shadowed.add(task)
        task.add_done_callback(self._shadowed.discard)

    async def _record_shadowed(self, poll: _Polled, encoded: Sequence[bytes], shadows: Shadows) -> None:
        self._recorder.record(self._rows(poll, encoded, await shadows.replies()), reserved=True)

    def _rows(
        self, poll: _Polled, encoded: Sequence[bytes], shadows: Mapping[str, Reply] | None
    ) -> list[RoundRow]:
        return [self._row(poll, index, verdict, shadows) for index, verdict in enumerate(encoded)]

    def _row(
        self, poll: _Polled, index: int, verdict: bytes, shadows: Mapping[str, Reply] | None
    ) -> RoundRow:
        ruling, request, answered = poll.rulings[index], poll.request, poll.answered
        evidence = poll.panel.evidence(ruling, answered.replies, answered.first + index, shadows)
        return RoundRow(
            id=ruling.verdict.id,
            task=request.task,
            time=poll.time,
            status=ruling.verdict.status,
            policy=ruling.verdict.policy,
            height=ruling.verdict.height,
            request_id=request.request_id,
            verdict=verdict,
            features=_encode(request.rows[index]) if self._settings.retention_days else None,
            evidence=evidence,
            due=ruling.verdict.settlement == "due" and evidence is not None,
            traceparent=request.traceparent,
        )

    async def _await_settlement(self, response: PredictResult) -> PredictResult:
        due = [verdict.id for verdict in response.verdicts if verdict.settlement == "due"]
        if not due:
            return response
        heights = await self._settler.wait_settled(due, SETTLED_SECONDS)
        verdicts = [
            replace(verdict, settlement="settled", block=heights[verdict.id])
            if verdict.id in heights
            else verdict
            for verdict in response.verdicts
        ]
        return PredictResult(verdicts, [_encode(verdict) for verdict in verdicts])


def _encode(value: object) -> bytes:
    """JSON in a buffer of its own size: orjson's is several times larger, and rounds wait in memory."""
    return bytes(memoryview(orjson.dumps(value)))


def _recorded(verdicts: Sequence[Verdict], encoded: Sequence[bytes]) -> PredictResult:
    if all(verdict.recorded for verdict in verdicts):
        return PredictResult(verdicts, encoded)
    known = [replace(verdict, recorded=True) for verdict in verdicts]
    return PredictResult(known, [_encode(verdict) for verdict in known])
