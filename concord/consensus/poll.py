"""A poll: one question to all nodes of a task at once, ended by quorum rather than by the slowest node.

A poll is over when every node has answered; or a short grace after the usable answers reached the quorum,
or after it came out of reach; or at the deadline. Replies that are still pending are then given up; they are
abandoned when all callers hang up.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from concord.consensus.node_client import NodeClient, PendingReply, Question, Reply


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
        clients: The nodes; None for one that is not asked and counts as unavailable.
        deposits: Their deposits in µS, in the same order.
        limits: When to stop waiting.
    """

    def __init__(
        self, clients: Sequence[NodeClient | None], deposits: Sequence[int], limits: PollLimits
    ) -> None:
        self._clients = clients
        self._deposits = deposits
        self._limits = limits
        self._quorum = sum(deposits) * limits.quorum
        self._replies: list[Reply | None] = [None] * len(clients)
        self._pending: list[PendingReply | None] = [None] * len(clients)
        self._open = len(clients)
        self._voted_in_full = 0
        """Deposits of the nodes whose votes on all rows are usable."""
        self._grace: asyncio.TimerHandle | None = None
        self._began = 0.0
        self.seconds_to_quorum = 0.0
        """Seconds until each row had its quorum or could not reach it any more; set at the end."""

    async def replies(self, question: Question, waited: float = 0.0) -> list[Reply]:
        """Asks all nodes and returns what each did, in the order of the clients.

        Args:
            question: What they are asked.
            waited: Seconds that the question has waited already; the deadline counts them.
        """
        self._loop = asyncio.get_running_loop()
        self._began = time.perf_counter()
        self._over: asyncio.Future[None] = self._loop.create_future()
        deadline = self._loop.call_later(max(0.0, self._limits.deadline - waited), self._finish)
        try:
            for i, client in enumerate(self._clients):
                if client is None:
                    self._take(i, Reply("unavailable"))
                else:
                    self._pending[i] = client.ask(question, partial(self._take, i))
            if not self._clients:
                self._finish()
            await self._over
        except asyncio.CancelledError:
            for pending in self._unanswered():
                pending.abandon()
            raise
        finally:
            deadline.cancel()
            if self._grace:
                self._grace.cancel()
        for pending in self._unanswered():
            pending.give_up()
        # Pending replies point back here; without them no cycle is left for the garbage collector.
        self._pending.clear()
        return [reply or LATE for reply in self._replies]

    def _take(self, i: int, reply: Reply) -> None:
        self._replies[i] = reply
        self._open -= 1
        if reply.valid is None and reply.outcome == "voted":
            self._voted_in_full += self._deposits[i]
        if not self._open:
            self._finish()
        elif self._grace is None and self._is_decided():
            self.seconds_to_quorum = time.perf_counter() - self._began
            self._grace = self._loop.call_later(self._limits.grace, self._finish)

    def _is_decided(self) -> bool:
        """Whether every row has its quorum, or cannot reach it any more."""
        if self._voted_in_full * 1_000_000 >= self._quorum:
            return True
        replies = list(zip(self._deposits, self._replies, strict=True))
        outstanding = sum([deposit for deposit, reply in replies if reply is None])
        partial_votes = [
            (deposit, reply.valid)
            for deposit, reply in replies
            if reply is not None and reply.valid is not None
        ]
        # Rows on which the same nodes have voted are alike, and there are few kinds of them.
        kinds = set(zip(*[valid for _, valid in partial_votes], strict=True)) or {()}
        by_row = {
            sum([deposit * valid for (deposit, _), valid in zip(partial_votes, kind, strict=True)])
            for kind in kinds
        }
        return all(
            (self._voted_in_full + deposits) * 1_000_000 >= self._quorum
            or (self._voted_in_full + deposits + outstanding) * 1_000_000 < self._quorum
            for deposits in by_row
        )

    def _finish(self) -> None:
        if not self._over.done():
            if self._grace is None:
                self.seconds_to_quorum = time.perf_counter() - self._began
            self._over.set_result(None)

    def _unanswered(self) -> list[PendingReply]:
        return [
            pending
            for pending, reply in zip(self._pending, self._replies, strict=True)
            if pending is not None and reply is None
        ]


class Shadows:
    """The same question to nodes that do not count, asked with the others; no answer waits for them.

    Args:
        clients: The nodes by name.
        question: What they are asked.
    """

    def __init__(self, clients: Sequence[tuple[str, NodeClient]], question: Question) -> None:
        self._replies: dict[str, Reply] = {}
        self._pending: dict[str, PendingReply] = {}
        self._over = asyncio.Event()
        self._asked = len(clients)
        for node, client in clients:
            pending = client.ask(question, partial(self._take, node))
            if pending is not None:
                self._pending[node] = pending

    def end_in(self, seconds: float) -> None:
        """Gives up the nodes that have not answered after so many more seconds."""
        if not self._over.is_set():
            asyncio.get_running_loop().call_later(seconds, self._end)

    async def replies(self) -> dict[str, Reply]:
        """What each node did, by name, once all have answered or were given up."""
        await self._over.wait()
        return self._replies

    def abandon(self) -> None:
        """Ends the wait because all callers have hung up."""
        for pending in self._unanswered():
            pending.abandon()
        self._over.set()

    def _end(self) -> None:
        for pending in self._unanswered():
            pending.give_up()
        self._over.set()

    def _unanswered(self) -> list[PendingReply]:
        return [pending for node, pending in self._pending.items() if node not in self._replies]

    def _take(self, node: str, reply: Reply) -> None:
        self._replies[node] = reply
        if len(self._replies) == self._asked:
            self._over.set()
