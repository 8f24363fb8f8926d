"""Answers requests: rows in, verdicts out, rounds to the recorder.

A request's rows share a poll with those of concurrent requests; each row is a round of its own, with its own
id. An answer never waits for the ledger unless its caller asks for that (`settled`), nor for a node that does
not count. A round that moves money is durable in the journal before its caller is answered.
"""

import os
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from concord.consensus.batching import Batcher, BatchResult
from concord.consensus.ensemble import Ensemble, RoundResult
from concord.consensus.ensembles import Ensembles
from concord.consensus.metrics import declare_task
from concord.consensus.node_client import Question
from concord.consensus.node_clients import NodeClients
from concord.consensus.recorder import DecidedRounds, Recorder, compact_json
from concord.consensus.waiting_room import WaitingRoom
from concord.ledger import Head
from concord.policies.voting import PooledAnswer
from concord.settings import Settings
from concord.settlement.settler import Settler
from concord.types.answers import Verdict
from concord.util.slices import FEW_ITEMS, NEW, in_slices, turns

SETTLED_SECONDS: Final = 3.0
"""How long `?settled=true` waits for the block. With the longest deadline (4 s) and the wait for the
journal (2 s) a request stays under the ten seconds after which its bento would end it."""

POOLED_AT_ONCE: Final = 128
"""Rows that are pooled together: half a millisecond, a slice."""

ID_BYTES: Final = 16
"""Random bytes of a round's id."""


class PredictResult(NamedTuple):
    """The verdicts on a request's rows: as values, and as JSON, which is made once for answer and journal."""

    verdicts: Sequence[Verdict]
    encoded: Sequence[bytes]


class _CachedEnsemble(NamedTuple):
    """An ensemble, and the state of nodes and ledger that it was built on."""

    revision: int
    head: Head
    ensemble: Ensemble


class Consensus:
    """Answers requests for all tasks.

    Args:
        settings: Limits.
        ensembles: Builds the ensemble of each task.
        node_clients: The nodes, whose changes call for another ensemble.
        settler: Has the newest head, and settles rounds that a caller waits for.
        recorder: Takes the rounds.
    """

    def __init__(
        self,
        settings: Settings,
        ensembles: Ensembles,
        node_clients: NodeClients,
        settler: Settler,
        recorder: Recorder,
    ) -> None:
        self._settings = settings
        self._ensembles = ensembles
        self._node_clients = node_clients
        self._settler = settler
        self._recorder = recorder
        for task in ensembles.declared:
            declare_task(task)
        self._cached: dict[str, _CachedEnsemble] = {}
        self._batchers: defaultdict[str, Batcher] = defaultdict(Batcher)
        self._room = WaitingRoom(settings.max_waiting_rows)

    async def predict(
        self,
        task: str,
        rows: Sequence[Mapping[str, Any]],
        request_id: str,
        traceparent: str | None = None,
        *,
        recorded: bool = False,
        settled: bool = False,
        caller: str = "",
    ) -> PredictResult:
        """Asks the nodes of a task about rows, decides and records.

        Args:
            task: The task asked.
            rows: Rows of named columns, as the caller sent them.
            request_id: Named in answers, logs, rounds and the nodes' logs.
            traceparent: W3C trace context, handed on to the nodes.
            recorded: Wait until the rounds are durable in the journal.
            settled: Wait until the rounds are settled in a block.
            caller: Who asks; callers share the waiting room and the batches of a task.

        Raises:
            UnknownName: There is no such task.
            InvalidInput: A row is not as the schema says.
            NoQuorum: No node of the task has ever answered.
            Overloaded: More rows wait than may, in all or of this task or caller.
            JournalUnavailable: The journal is away, and the round moves money or no more can wait.
        """
        began = time.perf_counter()
        ensemble = self._ensemble(task)
        with self._room.admit(task, caller, len(rows)):
            body = await _read(ensemble, rows)
            question = Question(body, len(rows), ensemble.schema.digest, (request_id,), traceparent)
            batch = await self._batchers[task].ask(ensemble, question, caller)
            rounds = await self._decide(ensemble, question, rows, batch, began)
            result = await self._record(rounds, durably=recorded or ensemble.moves_money)
        return await self._await_settlement(result) if settled else result

    def refusal(self, task: str, result: PredictResult) -> dict[str, str | None] | None:
        """The error of a request of which no row has its quorum, if the task refuses then."""
        if any(verdict.status != "no_quorum" for verdict in result.verdicts):
            return None
        refuses = self._ensembles.settings(task).below_quorum == "refuse"
        return result.verdicts[0].error if refuses else None

    def _ensemble(self, task: str) -> Ensemble:
        """The task's ensemble, built anew where a node or the ledger's head has changed since."""
        revision, head = self._node_clients.revision, self._settler.head
        cached = self._cached.get(task)
        if cached is None or cached.revision != revision or cached.head is not head:
            cached = _CachedEnsemble(revision, head, self._ensembles.build(task))
            self._cached[task] = cached
        return cached.ensemble

    async def _decide(
        self,
        ensemble: Ensemble,
        question: Question,
        rows: Sequence[Mapping[str, Any]],
        batch: BatchResult,
        began: float,
    ) -> DecidedRounds:
        ids = _round_ids(question.rows)
        pooled = await _pool_many(ensemble, batch, question.rows)

        def decide(row: int) -> tuple[RoundResult, bytes]:
            result = ensemble.decide(batch.replies, batch.first + row, ids[row], pooled[row])
            return result, compact_json(result.verdict)

        decided = await in_slices(range(question.rows), decide)
        results, encoded = [result for result, _ in decided], [text for _, text in decided]
        now = int(time.time() * 1_000_000)
        return DecidedRounds(ensemble, question, rows, batch, results, encoded, now, began)

    async def _record(self, rounds: DecidedRounds, *, durably: bool) -> PredictResult:
        verdicts, encoded = [result.verdict for result in rounds.results], rounds.encoded
        if not durably:
            await self._recorder.record(rounds)
        elif await self._recorder.record_durably(rounds) and not all(v.recorded for v in verdicts):
            verdicts = [replace(verdict, recorded=True) for verdict in verdicts]
            encoded = await in_slices(verdicts, compact_json)
        return PredictResult(verdicts, encoded)

    async def _await_settlement(self, result: PredictResult) -> PredictResult:
        due = [verdict.id for verdict in result.verdicts if verdict.settlement == "due"]
        if not due:
            return result
        heights = await self._settler.wait_settled(due, SETTLED_SECONDS)
        verdicts = [
            replace(verdict, settlement="settled", block=heights[verdict.id])
            if verdict.id in heights
            else verdict
            for verdict in result.verdicts
        ]
        return PredictResult(verdicts, await in_slices(verdicts, compact_json))


async def _read(ensemble: Ensemble, rows: Sequence[Mapping[str, Any]]) -> bytes:
    """The rows as the nodes get them."""
    schema = ensemble.schema
    numbers = await in_slices(range(len(rows)), lambda index: schema.read_row(rows[index], index), NEW)
    return schema.to_rows(numbers).tobytes()


async def _pool_many(ensemble: Ensemble, batch: BatchResult, rows: int) -> Sequence[PooledAnswer | None]:
    """The answers to many rows, worked out together, some in a slice; None for each of a few."""
    if rows <= FEW_ITEMS:
        return [None] * rows
    pooled: list[PooledAnswer | None] = []
    end = batch.first + rows
    for start in range(batch.first, end, POOLED_AT_ONCE):
        await turns().go_on()
        pooled += ensemble.pool_rows(batch.replies, range(start, min(start + POOLED_AT_ONCE, end)))
    return pooled


def _round_ids(count: int) -> list[str]:
    """New ids of rounds; one read of random bytes for all of them."""
    raw = os.urandom(ID_BYTES * count)
    return [raw[start : start + ID_BYTES].hex() for start in range(0, len(raw), ID_BYTES)]
