"""Questions on their way to one node: tickets that wait, and calls that carry several of them.

A call is one HTTP request with the rows of one or more tickets. It hands each ticket its part of the
answer, and is cancelled when nobody waits for any of its rows any more. Late and abandoned are two
things: a node whose answer came too late for everybody has failed, one whose callers left has not.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from concord.consensus.poll import Ballots, OnReply, Question, Reply
from concord.types.nodes import VOTES_TYPE

_log = logging.getLogger(__name__)


class NodeResponse(NamedTuple):
    """What a node sent back: `model` and `challenger` as their headers say, if they are there."""

    status: int
    media_type: str
    model: str | None
    challenger: str | None
    body: bytes


class Node(Protocol):
    """The side of a member that its calls see."""

    async def post(self, tickets: Sequence["PendingReply"]) -> NodeResponse:
        """Sends the tickets' rows."""

    def read(self, tickets: Sequence["PendingReply"], answer: NodeResponse) -> tuple[Ballots, Ballots | None]:
        """Turns bytes into integer votes, the champion's and the challenger's if there is one.

        Raises:
            ValueError: They are no votes at all.
        """

    def heard(self, version: str | None, seconds: float) -> None:
        """Takes note of who answered, and how soon."""

    def judged(self, *, well_formed: bool) -> None:
        """Takes note of whether an answer was one."""

    def look_again(self) -> None:
        """Has `/info` asked soon."""

    def call_over(self, call: "NodeCall", *, answered: bool | None, reason: str | None = None) -> None:
        """Frees the call's place, and keeps account of the node's health (None: nothing learned)."""


class PendingReply:
    """A question that waits for one node's answer: a ticket."""

    __slots__ = ("_began", "_on_reply", "call", "member", "question", "waiting")

    def __init__(self, member: Node, question: Question, on_reply: OnReply) -> None:
        self.member = member
        self.question = question
        self.waiting = True
        self.call: NodeCall | None = None
        self._on_reply = on_reply
        self._began = time.perf_counter()

    def answer(self, reply: Reply) -> None:
        """Hands the reply on, if anybody still waits for it."""
        self.call = None
        if self.waiting:
            self.waiting = False
            self._on_reply(reply)

    def latency_ms(self, now: float) -> float:
        """Milliseconds since it was asked, at a `perf_counter` reading, to the µs: beyond that is no news."""
        return round((now - self._began) * 1000, 3)

    def give_up(self) -> None:
        """The round is over without the answer; the node was too late."""
        self._leave(late=True)

    def abandon(self) -> None:
        """Nobody waits any more, through no fault of the node."""
        self._leave(late=False)

    def _leave(self, *, late: bool) -> None:
        self.waiting = False
        if self.call is not None:
            self.call.one_left(late=late)


class NodeCall:
    """One HTTP call with the rows of one or more tickets."""

    def __init__(self, member: Node, tickets: Sequence[PendingReply]) -> None:
        self._member = member
        self._tickets = tickets
        self._waiting = len(tickets)
        self._late = False
        for ticket in tickets:
            ticket.call = self
        self._began = time.perf_counter()
        self._answered: bool | None = None
        self._reason: str | None = None
        self._task = asyncio.get_running_loop().create_task(self._run())
        # Not in `_run`: a task that is cancelled before its first step never runs any of it.
        self._task.add_done_callback(self._end)

    def cancel(self) -> None:
        """Ends the call, whoever waits."""
        self._task.cancel()

    def one_left(self, *, late: bool) -> None:
        """One of its tickets does not wait any more."""
        self._waiting -= 1
        self._late = self._late or late
        if not self._waiting:
            self._task.cancel()

    async def _run(self) -> None:
        try:
            answer = await self._member.post(self._tickets)
        except OSError as error:
            self._answered, self._reason = False, words(error)
            self._answer_all(Reply("unavailable"))
            return
        self._answered = self._understand(answer)
        self._reason = f"It answered {answer.status} {answer.media_type}, which is no vote."

    def _end(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            # A node whose answer came too late for everybody has failed; one whose callers left has not.
            self._answered = False if self._late else None
            self._reason = "It did not answer in time."
        elif error := task.exception():
            _log.error("call failed", exc_info=error)
            self._answer_all(Reply("unavailable"))
        self._member.call_over(self, answered=self._answered, reason=self._reason)

    def _understand(self, answer: NodeResponse) -> bool | None:
        """Hands each ticket its part of the answer; false if the node failed, None if the question did."""
        if answer.status != 200:
            if answer.status in (404, 409):
                self._member.look_again()
            self._answer_all(Reply("unavailable"))
            return None if answer.status in (413, 422) else False
        version, challenger = _version(answer.model), _version(answer.challenger)
        try:
            if answer.media_type != VOTES_TYPE:
                raise ValueError("its answer has another media type")
            ballots, tried = self._member.read(self._tickets, answer)
        except ValueError:
            self._answer_all(Reply("invalid", version))
            self._member.judged(well_formed=False)
            # It lives, and what it says is worthless: that is an outcome, not an outage.
            return True
        now = time.perf_counter()
        self._share_out(now, version, ballots, challenger, tried)
        self._member.judged(well_formed=ballots.valid is None)
        self._member.heard(version, now - self._began)
        return True

    def _share_out(
        self, now: float, version: str | None, ballots: Ballots, challenger: str | None, tried: Ballots | None
    ) -> None:
        start = 0
        for ticket in self._tickets:
            stop = start + ticket.question.rows
            reply = _reply(version, ticket.latency_ms(now), ballots, start, stop)
            if tried is not None:
                reply.challenger, reply.tried = challenger, tried.part(start, stop)
            ticket.answer(reply)
            start = stop

    def _answer_all(self, reply: Reply) -> None:
        for ticket in self._tickets:
            ticket.answer(reply)


def _reply(version: str | None, latency: float, ballots: Ballots, start: int, stop: int) -> Reply:
    if ballots.valid is None:
        # Nearly always, and there are as many replies as nodes times requests.
        return Reply("voted", version, latency, ballots.votes[start:stop])
    votes, valid = ballots.part(start, stop)
    if valid is not None and not any(valid):
        return Reply("invalid", version, latency)
    return Reply("voted", version, latency, votes, valid)


def _version(model: str | None) -> str | None:
    return model.rpartition("/")[2] if model else None


def words(error: Exception) -> str:
    """An error as a reason that a person can read."""
    return str(error) or type(error).__name__
