"""Batches: the questions of concurrent requests to one task go to its nodes in one poll.

A batch departs once two turns of the event loop bring no other question, so callers who were answered
together share the next batch, and a lone caller waits for no one. While a batch is under way, a second one
departs when as many questions wait as the first carries, because a small call costs a node nearly as much as
a large one. A batch that takes longer than usual to its quorum delays no other; only then is a timer set.
Callers take turns in filling a batch (`concord.consensus.fair_queue`).
"""

import asyncio
import time
from typing import Final, NamedTuple

from concord.consensus.ensemble import Ensemble
from concord.consensus.fair_queue import FairQueue
from concord.consensus.node_client import Question, Reply
from concord.consensus.poll import Poll, Shadows
from concord.util.slices import turns

BATCHES_UNDER_WAY: Final = 2
"""Batches of a task at a time, without slow ones: one at the nodes, and one on the way."""

ROWS_PER_BATCH: Final = 1024
"""More rows than this wait for the next batch: a call of so many costs no more a row than a larger one, and
what waits behind it waits less."""

HANDED_OUT: Final = 64
"""Questions that get their replies in one turn of the loop, since each is worked on in the turn after."""

QUIET_TURNS: Final = 2
"""Turns of the loop without another question after which a batch departs: what one reads asks in the next."""

GATHERING_SECONDS: Final = 0.01
"""After this a batch departs even if every turn brings questions; 32 callers that ask at once take 2 ms."""

PATIENT_SECONDS: Final = 0.05
"""The same while no small request is under way. Questions that are still being read, of any task, are waited
for then: few large calls cost the nodes less than many small ones."""

SLOW: Final = 2
"""A batch is slow once it takes so many times as long as the last one took to its quorum."""

SLOW_SHARE: Final = 0.25
"""It is slow after this share of the deadline at the latest, which leaves time to answer those behind it."""

SHADOW_SECONDS: Final = 0.1
"""How long after the poll shadows may still answer: their votes are recorded with the round."""


class BatchResult(NamedTuple):
    """The replies to a batch, and where in them the rows of one of its questions are; nothing is copied.

    Attributes:
        replies: What each node did with the batch.
        first: Place of the question's first row among the batch's.
        shadows: The replies of nodes that do not count, which may be pending; None without any.
    """

    replies: list[Reply]
    first: int
    shadows: Shadows | None


class _PendingQuestion:
    """The question of one request, from its arrival to the replies; its batch is known when it departs."""

    __slots__ = ("asked", "batch", "caller", "ensemble", "question", "result")

    def __init__(
        self, ensemble: Ensemble, question: Question, caller: str, result: "asyncio.Future[BatchResult]"
    ) -> None:
        self.ensemble = ensemble
        self.question = question
        self.caller = caller
        self.result = result
        self.asked = time.perf_counter()
        self.batch: _Batch | None = None


class _Batch:
    """Questions to one ensemble that share a poll."""

    def __init__(self, questions: list[_PendingQuestion]) -> None:
        self.questions = questions
        self.ensemble = ensemble = questions[0].ensemble
        self.poll = Poll(ensemble.clients, ensemble.deposits, ensemble.policy.limits)
        self.began = time.perf_counter()
        self.abandoned = 0
        self.task: asyncio.Task[None] | None = None
        for pending in questions:
            pending.batch = self

    @property
    def size(self) -> int:
        """How many questions it carries."""
        return len(self.questions)

    def joined(self) -> Question:
        """All its questions as one."""
        questions = [pending.question for pending in self.questions]
        if len(questions) == 1:
            return questions[0]
        return Question(
            b"".join([question.body for question in questions]),
            sum([question.rows for question in questions]),
            questions[0].schema_digest,
            tuple([request_id for question in questions for request_id in question.request_ids]),
            next((question.traceparent for question in questions if question.traceparent), None),
        )

    def hand_out(self, replies: list[Reply], shadows: Shadows | None) -> None:
        """Gives each question the replies, and the place of its rows in them."""
        self._hand_out_from(0, BatchResult(replies, 0, shadows))

    def _hand_out_from(self, begin: int, result: BatchResult) -> None:
        for pending in self.questions[begin : begin + HANDED_OUT]:
            if not pending.result.done():
                pending.result.set_result(result)
            result = result._replace(first=result.first + pending.question.rows)
        if begin + HANDED_OUT < self.size:
            asyncio.get_running_loop().call_soon(self._hand_out_from, begin + HANDED_OUT, result)

    def fail(self, error: Exception) -> None:
        """Gives each question the error."""
        for pending in self.questions:
            if not pending.result.done():
                pending.result.set_exception(error)


class Batcher:
    """The questions to one task that wait for a batch, and the batches under way."""

    def __init__(self) -> None:
        self._waiting: FairQueue[_PendingQuestion] = FairQueue()
        self._under_way: set[_Batch] = set()
        self._is_gathering = False
        self._gathered = self._quiet_turns = 0
        self._slow_timer: asyncio.TimerHandle | None = None
        self._slow_after = 0.0

    async def ask(self, ensemble: Ensemble, question: Question, caller: str = "") -> BatchResult:
        """Asks an ensemble's nodes, together with other requests; returns once the poll is over.

        A question whose caller hangs up leaves its batch; a batch that all have left is abandoned.

        Args:
            ensemble: The nodes, and how long they have; a batch has one ensemble.
            question: The rows of one request.
            caller: Whose request it is.
        """
        pending = _PendingQuestion(ensemble, question, caller, asyncio.get_running_loop().create_future())
        self._waiting.add(pending)
        self._schedule()
        try:
            return await pending.result
        except asyncio.CancelledError:
            self._leave(pending)
            raise

    def _schedule(self) -> None:
        """Begins to gather a batch if one may depart; else tries again once a batch under way is slow."""
        if self._is_gathering or not self._waiting:
            return
        loop = asyncio.get_running_loop()
        if self._may_depart():
            self._is_gathering, self._gathered, self._quiet_turns = True, 0, 0
            loop.call_soon(self._gather)
        elif self._slow_timer is None:
            slow_at = max(batch.began for batch in self._under_way) + self._slow_after
            self._slow_timer = loop.call_later(max(slow_at - time.perf_counter(), 0.001), self._on_slow)

    def _may_depart(self) -> bool:
        """Whether enough questions wait for a batch beside those under way that are not slow."""
        since = time.perf_counter() - self._slow_after
        fresh = [batch for batch in self._under_way if batch.began > since]
        return len(fresh) < BATCHES_UNDER_WAY and all(len(self._waiting) >= batch.size for batch in fresh)

    def _gather(self) -> None:
        """One turn of the loop: waits for another one while they bring questions."""
        reads_on, has_small = turns().reads_on, turns().has_small
        if len(self._waiting) > self._gathered or (reads_on and not has_small):
            self._gathered, self._quiet_turns = len(self._waiting), 0
        else:
            self._quiet_turns += 1
        first = self._waiting.head.asked if self._waiting else 0.0
        most = GATHERING_SECONDS if has_small else PATIENT_SECONDS
        if self._quiet_turns < QUIET_TURNS and time.perf_counter() - first < most:
            asyncio.get_running_loop().call_soon(self._gather)
        else:
            self._is_gathering = False
            self._depart()

    def _on_slow(self) -> None:
        self._slow_timer = None
        self._schedule()

    def _depart(self) -> None:
        if self._slow_timer is not None:
            self._slow_timer.cancel()
            self._slow_timer = None
        while self._waiting and self._may_depart():
            self._send(_Batch(self._waiting.take(ROWS_PER_BATCH)))
        self._schedule()

    def _send(self, batch: _Batch) -> None:
        self._under_way.add(batch)
        batch.task = asyncio.get_running_loop().create_task(self._run(batch))
        # A task that is cancelled before its first step never runs any of it.
        batch.task.add_done_callback(lambda _: self._end(batch))

    async def _run(self, batch: _Batch) -> None:
        question, ensemble = batch.joined(), batch.ensemble
        shadows = Shadows(ensemble.shadows, question) if ensemble.shadows else None
        try:
            replies = await batch.poll.replies(question, batch.began - batch.questions[0].asked)
        except asyncio.CancelledError:
            if shadows is not None:
                shadows.abandon()
            self._end(batch)
            raise
        except Exception as error:  # noqa: BLE001 - handed to the requests, which log it
            self._end(batch)
            batch.fail(error)
            return
        if shadows is not None:
            shadows.end_in(SHADOW_SECONDS)
        slowest = SLOW_SHARE * ensemble.policy.limits.deadline
        self._slow_after = min(SLOW * batch.poll.seconds_to_quorum, slowest)
        self._end(batch)
        batch.hand_out(replies, shadows)

    def _end(self, batch: _Batch) -> None:
        """Frees the batch's place for the questions that wait."""
        self._under_way.discard(batch)
        self._schedule()

    def _leave(self, pending: _PendingQuestion) -> None:
        batch = pending.batch
        if batch is None:
            self._waiting.remove(pending)
            return
        batch.abandoned += 1
        if batch.abandoned == batch.size and batch.task is not None:
            batch.task.cancel()
