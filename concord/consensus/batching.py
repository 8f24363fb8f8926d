"""Questions that meet go to the nodes together: one poll carries all that wait for a task.

A batch departs as soon as a turn of the event loop brings no other question, so that all callers who were
answered together and ask again share the next one, and who asks alone waits for nobody. A second batch joins
it on the way once as many questions wait as the first one carries, since a small call costs a node nearly
what a large one does. A batch that takes longer than usual to its quorum holds nobody back. While
nodes answer as usual no timer is set.

Whoever asked gets its own part of the replies. A question whose caller hangs up leaves its batch, and a
batch that everybody has left is abandoned. It decides nothing about an answer and knows no HTTP.
"""

import asyncio
import time
from collections import deque
from typing import Final, NamedTuple

from concord.consensus.ensemble import Ensemble
from concord.consensus.node_client import ROWS_PER_CALL
from concord.consensus.poll import Poll, Question, Reply, Shadows

BATCHES_UNDER_WAY: Final = 2
"""Batches of a task at a time, without those that take long: one at the nodes, and one on the way."""

QUIET_TURNS: Final = 2
"""Turns of the loop without another question after which a batch departs: what one reads asks in the next."""

GATHERING_SECONDS: Final = 0.01
"""After this a batch departs even if every turn brings questions; 32 callers that ask at once take 2 ms."""

SLOW: Final = 2
"""A batch that is under way so many times as long as the last one took to its quorum holds nobody back."""

MOST_PATIENCE: Final = 0.25
"""Nor does one for longer than this share of the deadline, so that time is left to answer who waited."""

SHADOW_SECONDS: Final = 0.1
"""How long after the poll shadows may still be heard: their votes are recorded with the round."""


class BatchResult(NamedTuple):
    """What became of one question.

    Attributes:
        replies: What each member did with the batch that carried it.
        first: Place of the question's first row among the batch's.
        shadows: The same of the nodes that don't count, who may still be answering; None without any.
    """

    replies: list[Reply]
    first: int
    shadows: Shadows | None


class _PendingQuestion:
    """A question, and who waits for what becomes of it."""

    __slots__ = ("answer", "asked", "batch", "panel", "question")

    def __init__(self, panel: Ensemble, question: Question, answer: "asyncio.Future[BatchResult]") -> None:
        self.panel = panel
        self.question = question
        self.answer = answer
        self.asked = time.perf_counter()
        self.batch: _Batch | None = None


class _Batch:
    """Questions on one panel that go together."""

    def __init__(self, waiting: list[_PendingQuestion], poll: Poll) -> None:
        self.waiting = waiting
        self.poll = poll
        self.began = time.perf_counter()
        self.left = 0
        self.task: asyncio.Task[None] | None = None
        for one in waiting:
            one.batch = self

    @property
    def size(self) -> int:
        """How many questions it carries."""
        return len(self.waiting)

    def question(self) -> Question:
        """All of them as one."""
        questions = [one.question for one in self.waiting]
        if len(questions) == 1:
            return questions[0]
        return Question(
            b"".join([one.body for one in questions]),
            sum([one.rows for one in questions]),
            questions[0].schema_digest,
            tuple([name for one in questions for name in one.request_ids]),
            next((one.traceparent for one in questions if one.traceparent), None),
        )

    def hand_out(self, replies: list[Reply], shadows: Shadows | None) -> None:
        """Gives everybody who still waits the replies, and the place of its own rows in them."""
        first = 0
        for one in self.waiting:
            if not one.answer.done():
                one.answer.set_result(BatchResult(replies, first, shadows))
            first += one.question.rows

    def fail(self, error: Exception) -> None:
        """Tells everybody who still waits."""
        for one in self.waiting:
            if not one.answer.done():
                one.answer.set_exception(error)


class Batcher:
    """What waits for the nodes of one task, and what is on its way to them."""

    def __init__(self) -> None:
        self._waiting: deque[_PendingQuestion] = deque()
        self._under_way: set[_Batch] = set()
        self._gathering = False
        self._gathered = self._quiet = 0
        self._impatience: asyncio.TimerHandle | None = None
        self._patience = 0.0

    async def ask(self, panel: Ensemble, question: Question) -> BatchResult:
        """Asks a panel's members, together with whoever else asks; returns once the poll is over.

        Args:
            panel: On whose members and terms the question is polled; a batch has one panel.
            question: The rows, and whose they are.
        """
        waiting = _PendingQuestion(panel, question, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._look()
        try:
            return await waiting.answer
        except asyncio.CancelledError:
            self._leave(waiting)
            raise

    def _look(self) -> None:
        """Begins to gather a batch if one may depart; else looks again once what is in its way takes long."""
        if self._gathering or not self._waiting:
            return
        loop = asyncio.get_running_loop()
        if self._may_depart():
            self._gathering, self._gathered, self._quiet = True, 0, 0
            loop.call_soon(self._gather)
        elif self._impatience is None:
            late = max(batch.began for batch in self._under_way) + self._patience
            self._impatience = loop.call_later(max(late - time.perf_counter(), 0.001), self._lose_patience)

    def _may_depart(self) -> bool:
        """Whether what waits is worth a batch beside those that are under way."""
        since = time.perf_counter() - self._patience
        fresh = [batch for batch in self._under_way if batch.began > since]
        return len(fresh) < BATCHES_UNDER_WAY and all(len(self._waiting) >= batch.size for batch in fresh)

    def _gather(self) -> None:
        """One turn of the loop: waits for another one while they bring questions."""
        if len(self._waiting) > self._gathered:
            self._gathered, self._quiet = len(self._waiting), 0
        else:
            self._quiet += 1
        first = self._waiting[0].asked if self._waiting else 0.0
        if self._quiet < QUIET_TURNS and time.perf_counter() - first < GATHERING_SECONDS:
            asyncio.get_running_loop().call_soon(self._gather)
        else:
            self._gathering = False
            self._depart()

    def _lose_patience(self) -> None:
        self._impatience = None
        self._look()

    def _depart(self) -> None:
        if self._impatience is not None:
            self._impatience.cancel()
            self._impatience = None
        while self._waiting and self._may_depart():
            self._send(self._next())
        self._look()

    def _next(self) -> list[_PendingQuestion]:
        """The questions at the head of the queue that may go together."""
        panel, rows, found = self._waiting[0].panel, 0, list[_PendingQuestion]()
        while self._waiting and self._waiting[0].panel is panel:
            rows += self._waiting[0].question.rows
            if found and rows > ROWS_PER_CALL:
                break
            found.append(self._waiting.popleft())
        return found

    def _send(self, waiting: list[_PendingQuestion]) -> None:
        panel = waiting[0].panel
        batch = _Batch(waiting, Poll(panel.members, panel.deposits, panel.terms.patience))
        self._under_way.add(batch)
        batch.task = asyncio.get_running_loop().create_task(self._run(batch, panel))
        # A task that is cancelled before its first step never runs any of it.
        batch.task.add_done_callback(lambda _: self._over(batch))

    async def _run(self, batch: _Batch, panel: Ensemble) -> None:
        question = batch.question()
        shadows = Shadows(panel.shadows, question) if panel.shadows else None
        try:
            replies = await batch.poll.replies(question, batch.began - batch.waiting[0].asked)
        except asyncio.CancelledError:
            if shadows is not None:
                shadows.abandon()
            self._over(batch)
            raise
        except Exception as error:  # noqa: BLE001 - whoever asked is told, and logs it
            self._over(batch)
            batch.fail(error)
            return
        if shadows is not None:
            shadows.end_in(SHADOW_SECONDS)
        deadline = panel.terms.patience.deadline
        self._patience = min(SLOW * batch.poll.seconds_to_quorum, MOST_PATIENCE * deadline)
        self._over(batch)
        batch.hand_out(replies, shadows)

    def _over(self, batch: _Batch) -> None:
        """Frees the batch's place for what waits."""
        self._under_way.discard(batch)
        self._look()

    def _leave(self, waiting: _PendingQuestion) -> None:
        batch = waiting.batch
        if batch is None:
            self._waiting.remove(waiting)
            return
        batch.left += 1
        if batch.left == batch.size and batch.task is not None:
            batch.task.cancel()
