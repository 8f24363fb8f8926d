"""Keeps processes running: starts again what has ended, and ends all of them in order.

A process that ends is started again after two seconds, then four, eight, up to half a minute, so
that one which cannot start costs nothing; a minute of life resets the wait. What a process does is told
to a listener, with the last lines of its log.
"""

import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from concord.cli.processes import Handle, last_lines

LONGEST_WAIT: Final = 30.0
SETTLED_SECONDS: Final = 60.0
"""After so long a life, the next end is a new story."""

END_SECONDS: Final = 6.0
"""What a process gets to end by itself; a service lets requests under way finish within three."""


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


class Supervisor:
    """The processes of one `concord up`.

    Args:
        tell: Hears of each process that has ended.
        tell_start: Hears the name of each process that was started again.
        clock: Seconds.
        sleep: Waits so many seconds.
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

    def keep(self, name: str, group: int, start: Callable[[], Handle], log: Path) -> None:
        """Starts a process and keeps it running from now on."""
        one = Kept(name, group, start, log)
        self._start(one)
        self.kept.append(one)

    def look(self) -> None:
        """Notices what has ended, and starts again what is due."""
        now = self._clock()
        for one in self.kept:
            if one.handle is None:
                if now >= one.due:
                    self._start(one)
                    self._tell_start(one.name)
                continue
            code = one.handle.poll()
            if code is not None:
                self._note_end(one, code, now)

    def pids(self) -> dict[str, int]:
        """Name → process id, of what runs."""
        return {one.name: one.handle.pid for one in self.kept if one.handle and one.handle.pid}

    def stop(self, hurry: Callable[[], bool] = lambda: False) -> list[str]:
        """Ends all, group by group; returns the names of those that had to be killed."""
        killed = []
        for group in sorted({one.group for one in self.kept}, reverse=True):
            killed += self._stop([one for one in self.kept if one.group == group], hurry)
        return killed

    def _start(self, one: Kept) -> None:
        one.began = self._clock()
        one.handle = one.start()

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
