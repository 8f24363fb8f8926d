"""Keeps processes running: starts again what has ended, and ends all of them in order.

A process that ends is started again after two seconds, then four, eight, up to half a minute, so
that one which cannot start costs nothing; a minute of life resets the wait. What a process does is told
to a listener, with the last lines of its log.

A process can be replaced while it works: its successor is started beside it, and it is ended once the
successor is ready. A successor that ends before that changes nothing.
"""

import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from concord.cli.up.processes import Handle, last_lines

LONGEST_WAIT: Final = 30.0
SETTLED_SECONDS: Final = 60.0
"""After so long a life, the next end is a new story."""

END_SECONDS: Final = 6.0
"""What a process gets to end by itself; a service lets requests under way finish within three."""

READY_SECONDS: Final = 60.0
"""What a successor gets to become ready; a node on a busy machine takes a tenth of it."""


@dataclass(frozen=True)
class Ended:
    """A process has ended that should not have.

    Attributes:
        name: Which one.
        code: Its exit code; negative: the signal that ended it.
        times: How often in a row.
        wait: Seconds until it is started again.
        log: Its log.
        lines: The last lines of it.
    """

    name: str
    code: int
    times: int
    wait: float
    log: Path
    lines: tuple[str, ...]

    @property
    def how(self) -> str:
        """In words."""
        if self.code >= 0:
            return f"ended with exit code {self.code}"
        return f"was ended by {signal.Signals(-self.code).name}"


@dataclass
class Kept:
    """A process that is kept running.

    Attributes:
        name: Its name, for people and for its log.
        group: Processes of the highest group are ended first.
        start: Starts it.
        log: Its log.
    """

    name: str
    group: int
    start: Callable[[], Handle]
    log: Path
    handle: Handle | None = None
    times: int = 0
    began: float = 0.0
    due: float = field(default=0.0)
    successor: Handle | None = None
    patience: float = 0.0


@dataclass
class Leaving:
    """A process that has a successor and ends.

    Attributes:
        name: Its name.
        handle: Itself.
        until: When it is killed.
    """

    name: str
    handle: Handle
    until: float


class TellReplaced(Protocol):
    """Hears of a process that was to be replaced."""

    def __call__(self, one: Kept, *, is_done: bool) -> None:
        """Hears whether it was."""


def _tell_nobody(one: Kept, *, is_done: bool) -> None:
    """Until somebody listens."""


class Supervisor:
    """The processes of one `concord up`.

    Args:
        tell: Hears of each process that has ended.
        tell_start: Hears the name of each process that was started again.
        clock: Seconds.
        sleep: Waits so many seconds.

    Attributes:
        tell_replaced: Hears of each process that was to be replaced, and whether it was.
    """

    def __init__(
        self,
        tell: Callable[[Ended], None],
        tell_start: Callable[[str], None] = lambda _name: None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._tell, self._tell_start = tell, tell_start
        self._clock, self._sleep = clock, sleep
        self.kept: list[Kept] = []
        self._leaving: list[Leaving] = []
        self.tell_replaced: TellReplaced = _tell_nobody

    def keep(self, name: str, group: int, start: Callable[[], Handle], log: Path) -> None:
        """Starts a process and keeps it running from now on."""
        one = Kept(name, group, start, log)
        self._start(one)
        self.kept.append(one)

    def look(self) -> None:
        """Notices what has ended, and starts again what is due."""
        now = self._clock()
        self._see_off(now)
        for one in self.kept:
            if one.successor is not None:
                self._succeed(one, one.successor, now)
            if one.handle is None:
                if now >= one.due and one.successor is None:
                    self._start(one)
                    self._tell_start(one.name)
                continue
            code = one.handle.poll()
            if code is not None:
                self._note_end(one, code, now)

    def replace(self, name: str) -> None:
        """Starts a process anew beside the one that runs, which ends once the new one is ready.

        One that is waiting to be started again is started at the next look, and one that is being replaced
        is replaced by a newer one still.
        """
        one = next(kept for kept in self.kept if kept.name == name)
        if one.successor is not None:
            one.successor.end(signal.SIGKILL)
        if one.handle is None:
            one.due, one.times = self._clock(), 0
        else:
            one.successor, one.patience = one.start(), self._clock() + READY_SECONDS

    def pids(self) -> dict[str, int]:
        """Name → process id, of what runs."""
        return {one.name: one.handle.pid for one in self.kept if one.handle and one.handle.pid}

    def stop(self, hurry: Callable[[], bool] = lambda: False) -> list[str]:
        """Ends all, group by group; returns the names of those that had to be killed."""
        killed = []
        for other in self._leaving:
            other.handle.end(signal.SIGKILL)
        for successor in filter(None, (one.successor for one in self.kept)):
            successor.end(signal.SIGKILL)
        for group in sorted({one.group for one in self.kept}, reverse=True):
            killed += self._stop([one for one in self.kept if one.group == group], hurry)
        return killed

    def _start(self, one: Kept) -> None:
        one.began = self._clock()
        one.handle = one.start()

    def _succeed(self, one: Kept, successor: Handle, now: float) -> None:
        """Hands over to a successor that is ready, or gives up one that ends or takes too long."""
        if successor.poll() is not None or (now > one.patience and not successor.is_ready):
            successor.end(signal.SIGKILL)
            one.successor = None
            self.tell_replaced(one, is_done=False)
        elif successor.is_ready:
            if one.handle is not None and one.handle.poll() is None:
                one.handle.end(signal.SIGTERM)
                self._leaving.append(Leaving(one.name, one.handle, now + END_SECONDS))
            one.handle, one.successor, one.began, one.times = successor, None, now, 0
            self.tell_replaced(one, is_done=True)

    def _see_off(self, now: float) -> None:
        for leaving in self._leaving:
            if now > leaving.until:
                leaving.handle.end(signal.SIGKILL)
        self._leaving = [leaving for leaving in self._leaving if leaving.handle.poll() is None]

    def _note_end(self, one: Kept, code: int, now: float) -> None:
        one.times = 1 if now - one.began > SETTLED_SECONDS else one.times + 1
        wait = min(LONGEST_WAIT, 2.0**one.times)
        one.handle, one.due = None, now + wait
        self._tell(Ended(one.name, code, one.times, wait, one.log, tuple(last_lines(one.log))))

    def _stop(self, some: Sequence[Kept], hurry: Callable[[], bool]) -> list[str]:
        handles = {one.name: one.handle for one in some if one.handle is not None}
        for handle in handles.values():
            handle.end(signal.SIGTERM)
        until = self._clock() + END_SECONDS
        while self._clock() < until and not hurry():
            if all(handle.poll() is not None for handle in handles.values()):
                break
            self._sleep(0.05)
        left = [name for name, handle in handles.items() if handle.poll() is None]
        for handle in handles.values():
            # The whole session, since what a process has started may outlive it.
            handle.end(signal.SIGKILL)
        return left
