"""The connections of one server: how many there are, what each of them waits for, and since when.

Where a limit is reached, the connection that has waited longest for its caller makes room: one that is being
closed, then one whose head is not complete, then an idle one. Only if each of them has a request under way, a
new one is refused. So callers who send nothing take no place from those who do.
"""

import asyncio
import logging
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from concord.http.limits import (
    BODY_LATE,
    HEAD_LATE,
    TOO_MANY_BYTES,
    TOO_MANY_CONNECTIONS,
    UNREAD_ANSWER,
    Limits,
    Refusal,
)

SWEEP_SECONDS: Final = 1.0
"""How often connections are looked at that may have taken too long."""

REPORT_SECONDS: Final = 60.0
"""A line of the log says how many were refused, at most this often: strangers must not fill the log."""

_log = logging.getLogger(__name__)


class Connection(Protocol):
    """What a connection does when it is told to."""

    def refuse(self, refusal: Refusal) -> None:
        """Answers with the refusal, if a request has begun, and closes."""

    def close(self) -> None:
        """Closes a connection without a request."""

    def abort(self) -> None:
        """Closes at once; what waits to be sent is lost."""

    def reads_on(self) -> bool:
        """Whether the caller has read some of its answer since this was asked last."""

    @property
    def unread(self) -> int:
        """Bytes that wait to be sent."""


Waiting = dict[Connection, float]
"""Connections in the order in which they began to wait, each with that time."""


class Connections:
    """All connections of a server.

    Args:
        limits: What each may take, and all together.

    Attributes:
        on_refusal: Called with the code of each refusal.
        heads: Those that wait for the end of a head, or for their first byte.
        bodies: Those that wait for the end of a body.
        idle: Those that wait for another request.
        unread_answers: Those whose caller reads too slowly.
        closing: Those that are being closed.
        requests: Requests under way.
        body_bytes: Bytes of their bodies.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.on_refusal: Callable[[str], None] = lambda _code: None
        self.heads: Waiting = {}
        self.bodies: Waiting = {}
        self.idle: Waiting = {}
        self.unread_answers: Waiting = {}
        self.closing: Waiting = {}
        self.requests = self.body_bytes = 0
        self._open: set[Connection] = set()
        self._most = limits.most_connections(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        self._refused: Counter[str] = Counter()
        self._reported = 0.0
        self._is_sweeping = False

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, connection: Connection) -> bool:
        """Takes a new connection in; false if there is no place for it, and none could be made."""
        is_full = len(self._open) >= self._most
        victim = next(self._expendable(), None) if is_full else None
        self._open.add(connection)
        self.heads[connection] = time.monotonic()
        if not self._is_sweeping:
            self._is_sweeping = True
            asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)
        if victim is not None:
            self.note(TOO_MANY_CONNECTIONS.code)
            victim.abort()
        return not is_full or victim is not None

    def remove(self, connection: Connection) -> None:
        """Forgets a connection that is closed, or that another protocol has taken over."""
        self._open.discard(connection)
        for waiting in (self.heads, self.bodies, self.idle, self.unread_answers, self.closing):
            waiting.pop(connection, None)

    def wait(self, connection: Connection, waiting: Waiting) -> None:
        """A connection begins to wait for its caller."""
        waiting.setdefault(connection, time.monotonic())

    def take(self, count: int, receiver: Connection) -> bool:
        """Takes bytes of a body in, and has the bodies that have taken longest make room for them.

        Returns:
            False where the receiver's own has to go: it has taken longest, or all others are complete.
        """
        self.body_bytes += count
        most = self.limits.body_bytes
        while most is not None and self.body_bytes > most:
            slowest = next(iter(self.bodies), receiver)
            self.bodies.pop(slowest, None)
            if slowest is receiver:
                return False
            slowest.refuse(TOO_MANY_BYTES)
        return True

    def note(self, code: str) -> None:
        """Counts a refusal."""
        self._refused[code] += 1
        self.on_refusal(code)

    def _expendable(self) -> Iterator[Connection]:
        for waiting in (self.closing, self.heads, self.idle):
            yield from waiting

    def _sweep(self) -> None:
        """Ends what has taken too long, and tries again in a second while there are connections."""
        limits, now = self.limits, time.monotonic()
        for connection in self._late(self.heads, now - limits.head_seconds):
            connection.refuse(HEAD_LATE)
        for connection in self._late(self.bodies, now - limits.body_seconds):
            connection.refuse(BODY_LATE)
        for connection in self._late(self.idle, now - limits.idle_seconds):
            connection.close()
        for connection in self._late(self.closing, now - limits.close_seconds):
            connection.abort()
        for connection in self._late(self.unread_answers, now - limits.answer_seconds):
            if connection.reads_on():
                self.wait(connection, self.unread_answers)
            else:
                self._abort_unread(connection)
        self._bound_unread()
        self._report(now)
        self._is_sweeping = bool(self._open)
        if self._is_sweeping:
            asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)

    @staticmethod
    def _late(waiting: Waiting, before: float) -> list[Connection]:
        """Those that began to wait before a time."""
        late = []
        for connection, since in waiting.items():
            if since > before:
                break
            late.append(connection)
        for connection in late:
            del waiting[connection]
        return late

    def _bound_unread(self) -> None:
        """Keeps the bytes of answers that wait to be sent under their limit."""
        total = sum([connection.unread for connection in self.unread_answers])
        while total > self.limits.unread_bytes:
            slowest = next(iter(self.unread_answers))
            total -= slowest.unread
            self._abort_unread(slowest)

    def _abort_unread(self, connection: Connection) -> None:
        self.unread_answers.pop(connection, None)
        self.note(UNREAD_ANSWER)
        connection.abort()

    def _report(self, now: float) -> None:
        if self._refused and now - self._reported >= REPORT_SECONDS:
            _log.warning("refused before the application", extra={"refusals": dict(self._refused)})
            self._refused.clear()
            self._reported = now


def raise_file_limit() -> None:
    """Lets this process open as many files as it may; each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        most = hard if hard != resource.RLIM_INFINITY else max(soft, 1 << 16)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
