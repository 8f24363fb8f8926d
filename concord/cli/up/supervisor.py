"""Keeps processes running: restarts those that end, replaces them on request, and ends all in order.

A process that ends is started again after two seconds, then four, eight, up to half a minute, so that one
which cannot start costs nothing; a minute of life resets the wait. A replacement is started beside the
process that it replaces, which is ended once the replacement is ready; one that ends before changes nothing.
"""

import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from concord.cli.up.processes import Handle, last_lines

LONGEST_WAIT: Final = 30.0
SETTLED_SECONDS: Final = 60.0
"""After so long a life, the wait before the next restart begins anew."""

END_SECONDS: Final = 6.0
"""What a process gets to end by itself; a service lets requests under way finish within three."""

READY_SECONDS: Final = 60.0
"""What a replacement gets to become ready; a node on a busy machine takes a tenth of it."""


@dataclass(frozen=True)
class Ended:
    """A process has ended that should not have.

    Attributes:
        name: Its name.
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


@dataclass(frozen=True)
class Replaced:
    """A process was replaced, or its replacement has ended or taken too long.

    Attributes:
        name: Its name.
        log: Its log.
        is_done: Whether the replacement runs; False: the process that was to be replaced goes on.
    """

    name: str
    log: Path
    is_done: bool


@dataclass
class SupervisedProcess:
    """A process that is kept running.

    Attributes:
        name: Its name, for people and for its log.
        group: Processes of the highest group are ended first.
        start: Starts it.
        log: Its log.
        handle: What runs; None while it waits to be started again.
        times: How often it has ended in a row.
        began: When it was started.
        due: When it is started again.
        replacement: What is to replace it.
        replacement_due: When the replacement has to be ready.
    """

    name: str
    group: int
    start: Callable[[], Handle]
    log: Path
    handle: Handle | None = None
    times: int = 0
    began: float = 0.0
    due: float = 0.0
    replacement: Handle | None = None
    replacement_due: float = 0.0


class Supervisor:
    """The processes of one `concord up`.

    Args:
        on_ended: Called for each process that has ended.
        on_restarted: Called with the name of each process that was started again.
        clock: Seconds.
        sleep: Waits so many seconds.

    Attributes:
        on_replaced: Called when a process was replaced, or could not be.
    """

    def __init__(
        self,
        on_ended: Callable[[Ended], None],
        on_restarted: Callable[[str], None] = lambda _name: None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._on_ended, self._on_restarted = on_ended, on_restarted
        self._clock, self._sleep = clock, sleep
        self.processes: list[SupervisedProcess] = []
        self._retired: list[tuple[Handle, float]] = []
        self.on_replaced: Callable[[Replaced], None] = lambda _replaced: None

    def keep(self, name: str, group: int, start: Callable[[], Handle], log: Path) -> None:
        """Starts a process and keeps it running from now on."""
        process = SupervisedProcess(name, group, start, log)
        self._start(process)
        self.processes.append(process)

    def check(self) -> None:
        """Notices what has ended, and starts again what is due."""
        now = self._clock()
        self._kill_retired(now)
        for process in self.processes:
            if process.replacement is not None:
                self._check_replacement(process, process.replacement, now)
            if process.handle is None:
                if now >= process.due and process.replacement is None:
                    self._start(process)
                    self._on_restarted(process.name)
                continue
            code = process.handle.poll()
            if code is not None:
                self._note_end(process, code, now)

    def replace(self, name: str) -> None:
        """Starts a process anew beside the one that runs, which ends once the new one is ready.

        One that is waiting to be started again is started at the next check, and a replacement that is not
        ready yet gives way to a newer one.
        """
        process = next(process for process in self.processes if process.name == name)
        if process.replacement is not None:
            process.replacement.end(signal.SIGKILL)
        if process.handle is None:
            process.due, process.times = self._clock(), 0
        else:
            process.replacement = process.start()
            process.replacement_due = self._clock() + READY_SECONDS

    def pids(self) -> dict[str, int]:
        """Name → process id, of what runs."""
        return {
            process.name: process.handle.pid
            for process in self.processes
            if process.handle and process.handle.pid
        }

    def stop(self, is_hurried: Callable[[], bool] = lambda: False) -> list[str]:
        """Ends all, group by group; returns the names of those that had to be killed."""
        for handle, _ in self._retired:
            handle.end(signal.SIGKILL)
        for process in self.processes:
            if process.replacement is not None:
                process.replacement.end(signal.SIGKILL)
        killed = []
        for group in sorted({process.group for process in self.processes}, reverse=True):
            members = [process for process in self.processes if process.group == group]
            killed += self._stop_group(members, is_hurried)
        return killed

    def _start(self, process: SupervisedProcess) -> None:
        process.began = self._clock()
        process.handle = process.start()

    def _check_replacement(self, process: SupervisedProcess, replacement: Handle, now: float) -> None:
        """Hands over to a replacement that is ready, or gives up one that has ended or takes too long."""
        has_ended = replacement.poll() is not None
        if has_ended or (now > process.replacement_due and not replacement.is_ready):
            replacement.end(signal.SIGKILL)
            process.replacement = None
            self.on_replaced(Replaced(process.name, process.log, is_done=False))
        elif replacement.is_ready:
            if process.handle is not None and process.handle.poll() is None:
                process.handle.end(signal.SIGTERM)
                self._retired.append((process.handle, now + END_SECONDS))
            process.handle, process.replacement, process.began, process.times = replacement, None, now, 0
            self.on_replaced(Replaced(process.name, process.log, is_done=True))

    def _kill_retired(self, now: float) -> None:
        for handle, kill_time in self._retired:
            if now > kill_time:
                handle.end(signal.SIGKILL)
        self._retired = [retired for retired in self._retired if retired[0].poll() is None]

    def _note_end(self, process: SupervisedProcess, code: int, now: float) -> None:
        process.times = 1 if now - process.began > SETTLED_SECONDS else process.times + 1
        wait = min(LONGEST_WAIT, 2.0**process.times)
        process.handle, process.due = None, now + wait
        lines = tuple(last_lines(process.log))
        self._on_ended(Ended(process.name, code, process.times, wait, process.log, lines))

    def _stop_group(
        self, processes: Sequence[SupervisedProcess], is_hurried: Callable[[], bool]
    ) -> list[str]:
        handles = {process.name: process.handle for process in processes if process.handle is not None}
        for handle in handles.values():
            handle.end(signal.SIGTERM)
        until = self._clock() + END_SECONDS
        while self._clock() < until and not is_hurried():
            if all(handle.poll() is not None for handle in handles.values()):
                break
            self._sleep(0.05)
        left = [name for name, handle in handles.items() if handle.poll() is None]
        for handle in handles.values():
            # The whole session, since what a process has started may outlive it.
            handle.end(signal.SIGKILL)
        return left
