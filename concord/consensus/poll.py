"""One poll: rows asked of all nodes of a task at once, ended by quorum rather than by the slowest.

A poll is over when every node has answered; or a short grace after the usable answers reached the
quorum, or after it came out of reach; or at the deadline. Calls that are then still
open are given up, and when the caller hangs up they are abandoned: nobody waits, so nobody works.
It decides nothing about the answer (`concord.policies.voting`) and knows no HTTP (`concord.consensus.node_client`).
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

from concord.types.answers import Outcome


class Question(NamedTuple):
    """Rows on their way to the nodes: float32, little-endian, C order.

    Attributes:
        body: The rows as bytes.
        rows: How many.
        schema_digest: The schema that they are written by.
        request_ids: Whose they are, for the nodes' logs.
        traceparent: W3C trace context of a caller, if any.
    """

    body: bytes
    rows: int
    schema_digest: str
    request_ids: tuple[str, ...]
    traceparent: str | None = None


class Ballots(NamedTuple):
    """Votes on several rows.

    Attributes:
        votes: Per row, integers as `concord.policies.voting` reads them.
        valid: Per row, whether the vote is usable; None if all are.
    """

    votes: Sequence[Sequence[int]]
    valid: Sequence[bool] | None

    def part(self, start: int, stop: int) -> "Ballots":
        """Those of some of the rows."""
        valid = None if self.valid is None or all(self.valid[start:stop]) else self.valid[start:stop]
        return Ballots(self.votes[start:stop], valid)

    def usable(self, row: int) -> bool:
        """Whether a row got a vote that counts."""
        return self.valid is None or self.valid[row]


@dataclass(slots=True)
class Reply:
    """What one node did with a question; not frozen, as `concord.types.answers` says of its busiest values.

    Attributes:
        outcome: `voted` if at least one row got a usable answer.
        version: Model version that answered.
        latency_ms: From asking to answer; None where there was none.
        votes: Per row, integers as `concord.policies.voting` reads them; empty unless `voted`.
        valid: Per row, whether the vote is usable; None if all are.
        challenger: Version of the model that was tried beside it, if one was.
        tried: The challenger's votes, which count for nothing.
    """

    outcome: Outcome
    version: str | None = None
    latency_ms: float | None = None
    votes: Sequence[Sequence[int]] = ()
    valid: Sequence[bool] | None = None
    challenger: str | None = None
    tried: Ballots | None = None

    def usable(self, row: int) -> bool:
        """Whether the row got a vote that counts."""
        return self.outcome == "voted" and (self.valid is None or self.valid[row])

    def outcome_of(self, row: int) -> Outcome:
        """The outcome for one row of the question."""
        return "invalid" if self.outcome == "voted" and not self.usable(row) else self.outcome


OnReply = Callable[[Reply], None]


class Ticket(Protocol):
    """A question that a node has not answered yet."""

    def give_up(self) -> None:
        """The round is over without the answer; the node was too late."""

    def abandon(self) -> None:
        """Nobody waits any more, through no fault of the node."""


class Pollable(Protocol):
    """Whoever can be asked: a member, or a test's stand-in."""

    def ask(self, question: Question, on_reply: OnReply, /) -> Ticket | None:
        """Asks; calls `on_reply` once, at once (and returns None) where the node is known to be away."""


@dataclass(frozen=True, slots=True)
class PollLimits:
    """How long a poll waits. Times in seconds; `quorum` is a share of the deposits, in ppm."""

    quorum: int
    deadline: float
    grace: float


LATE = Reply("late")


class Poll:
    """One question to several nodes.

    Args:
        members: Whom to ask.
        deposits: Their deposits in µS, in the same order.
        patience: When to stop waiting.
    """

    def __init__(self, members: Sequence[Pollable], deposits: Sequence[int], patience: PollLimits) -> None:
        self._members = members
        self._deposits = deposits
        self._patience = patience
        self._needed = sum(deposits) * patience.quorum
        self._replies: list[Reply | None] = [None] * len(members)
        self._tickets: list[Ticket | None] = [None] * len(members)
        self._open = len(members)
        self._possible = sum(deposits)
        self._in_full = 0
        self._in_part: list[int] = []
        self._partly = 0
        self._grace: asyncio.TimerHandle | None = None
        self._began = 0.0
        self.seconds_to_quorum = 0.0
        """How long it took until each row had its quorum or could have none any more; known at the end."""

    async def replies(self, question: Question, waited: float = 0.0) -> list[Reply]:
        """Asks everyone and returns what each did, in the order of the members.

        Args:
            question: What they are asked.
            waited: Seconds that it has waited already; the deadline counts them.
        """
        self._loop = asyncio.get_running_loop()
        self._began = time.perf_counter()
        self._over: asyncio.Future[None] = self._loop.create_future()
        deadline = self._loop.call_later(max(0.0, self._patience.deadline - waited), self._finish)
        try:
            for i, member in enumerate(self._members):
                self._tickets[i] = member.ask(question, partial(self._take, i, question))
            if not self._members:
                self._finish()
            await self._over
        except asyncio.CancelledError:
            self._release(abandoned=True)
            raise
        finally:
            deadline.cancel()
            if self._grace:
                self._grace.cancel()
        self._release(abandoned=False)
        # Tickets point back here; without them no cycle is left for the garbage collector.
        self._tickets.clear()
        return [reply or LATE for reply in self._replies]

    def _take(self, i: int, question: Question, reply: Reply) -> None:
        self._replies[i] = reply
        self._open -= 1
        if reply.valid is None and reply.outcome == "voted":
            self._in_full += self._deposits[i]
        else:
            self._count_in_part(self._deposits[i], question.rows, reply)
        if not self._open:
            self._finish()
        elif self._grace is None and self._is_clear():
            self.seconds_to_quorum = time.perf_counter() - self._began
            self._grace = self._loop.call_later(self._patience.grace, self._finish)

    def _count_in_part(self, deposit: int, rows: int, reply: Reply) -> None:
        if reply.outcome != "voted" or reply.valid is None:
            self._possible -= deposit
        else:
            self._partly += deposit
            self._in_part = self._in_part or [0] * rows
            for row, valid in enumerate(reply.valid):
                self._in_part[row] += deposit * valid

    def _is_clear(self) -> bool:
        """Whether every row has its quorum, or can have none any more."""
        if self._in_full * 1_000_000 >= self._needed:
            return True
        refused = self._possible - self._partly
        return all(
            (self._in_full + usable) * 1_000_000 >= self._needed
            or (refused + usable) * 1_000_000 < self._needed
            for usable in set(self._in_part) or {0}
        )

    def _finish(self) -> None:
        if not self._over.done():
            if self._grace is None:
                self.seconds_to_quorum = time.perf_counter() - self._began
            self._over.set_result(None)

    def _release(self, *, abandoned: bool) -> None:
        for ticket, reply in zip(self._tickets, self._replies, strict=True):
            if ticket is not None and reply is None:
                if abandoned:
                    ticket.abandon()
                else:
                    ticket.give_up()


class Shadows:
    """The same question to nodes that do not count, asked with the others and waited for by no answer.

    Args:
        members: Whom to ask, by node.
        question: What they are asked.
    """

    def __init__(self, members: Sequence[tuple[str, Pollable]], question: Question) -> None:
        self._replies: dict[str, Reply] = {}
        self._tickets: dict[str, Ticket] = {}
        self._over = asyncio.Event()
        self._asked = len(members)
        for node, member in members:
            ticket = member.ask(question, partial(self._take, node))
            if ticket is not None:
                self._tickets[node] = ticket

    def end_in(self, seconds: float) -> None:
        """Gives those up who have not answered after so many more seconds."""
        if not self._over.is_set():
            asyncio.get_running_loop().call_later(seconds, self._end)

    async def replies(self) -> dict[str, Reply]:
        """What each did, by node, once all have answered or the others were given up."""
        await self._over.wait()
        return self._replies

    def abandon(self) -> None:
        """Nobody waits for the rounds any more."""
        for ticket in self._open():
            ticket.abandon()
        self._over.set()

    def _end(self) -> None:
        for ticket in self._open():
            ticket.give_up()
        self._over.set()

    def _open(self) -> list[Ticket]:
        return [ticket for node, ticket in self._tickets.items() if node not in self._replies]

    def _take(self, node: str, reply: Reply) -> None:
        self._replies[node] = reply
        if len(self._replies) == self._asked:
            self._over.set()
