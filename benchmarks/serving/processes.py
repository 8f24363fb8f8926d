"""Processes of all stacks: started with a log each, and all ended at the end.

They are started as `concord up` starts its own, so the kernel ends them if this process dies.
"""

import contextlib
import itertools
import random
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import psutil

from concord.cli.home import process_environment, python_command
from concord.cli.up.processes import ForkServerProcess, Handle, Program, last_lines
from concord.errors import ConcordError

HOST: Final = "127.0.0.1"
PORTS: Final = range(20_000, 30_000)
"""Below the kernel's ports for outgoing connections, of which the Flask stack opens many."""

START_SECONDS: Final = 90.0
END_SECONDS: Final = 8.0


class DidNotStart(ConcordError):
    """A process ended or did not answer before the measurement."""


class Processes:
    """Starter of processes, which ends all of them.

    Args:
        root: The project's folder.
        folder: Folder of the logs.
        store: BentoML's store with the project's bentos.
    """

    def __init__(self, root: Path, folder: Path, store: Path) -> None:
        self._root, self._folder, self._store = root, folder, store
        self._started: list[tuple[str, Handle]] = []
        self._fork_servers: list[ForkServerProcess] = []
        self._ports = iter(random.sample(PORTS, len(PORTS)))

    def ports(self, count: int) -> list[int]:
        """Free ports, each returned only once."""
        return list(itertools.islice((port for port in self._ports if _is_free(port)), count))

    def run(self, name: str, *command: str, home: Path, extra: Mapping[str, str] | None = None) -> Handle:
        """Runs this interpreter with a command: `-m MODULE ARGUMENT…`."""
        environment = {**self._environment(home), **(extra or {})}
        handle = Program(python_command(*command), self._log(name), environment)
        self._started.append((name, handle))
        return handle

    def nodes(self, bento: str, ports: Mapping[str, int], home: Path) -> list[Handle]:
        """Starts Concord's nodes, as forks of one parent like `concord up`."""
        fork_server = ForkServerProcess(bento, self._log("nodes"), self._environment(home))
        self._fork_servers.append(fork_server)
        handles: list[Handle] = [
            fork_server.start(name, HOST, port, self._log(name)) for name, port in ports.items()
        ]
        self._started += zip(ports, handles, strict=True)
        return handles

    def wait(self, subject: str, condition: Callable[[], bool], log: str = "") -> None:
        """Waits until a condition holds; `log` names the process whose log goes into the error.

        Raises:
            DidNotStart: The condition does not hold in time, or a process has ended.
        """
        end = time.monotonic() + START_SECONDS
        while not condition():
            for name, handle in self._started:
                if handle.poll() is not None:
                    raise DidNotStart(f"{name} has ended: {self._last_log_lines(name)}")
            if time.monotonic() > end:
                log_note = f" {log}: {self._last_log_lines(log)}" if log else ""
                raise DidNotStart(f"{subject} did not come within {START_SECONDS:g} s.{log_note}")
            time.sleep(0.05)

    def end(self) -> None:
        """Ends all processes, services before nodes, and waits until they are gone."""
        # Includes nodes that were forked but not yet reported.
        descendants = psutil.Process().children(recursive=True)
        for _, handle in reversed(self._started):
            if handle.poll() is None:
                handle.end(signal.SIGTERM)
        for fork_server in self._fork_servers:
            fork_server.end()
        _, remaining = psutil.wait_procs(descendants, timeout=END_SECONDS)
        for process in remaining:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(remaining, timeout=END_SECONDS)

    def _environment(self, home: Path) -> dict[str, str]:
        variables = {"OPENBLAS_NUM_THREADS": "1", **process_environment(self._root, home)}
        return variables | {"BENTOML_HOME": str(self._store)}

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _last_log_lines(self, name: str) -> str:
        return " / ".join(last_lines(self._log(name))) or "its log is empty"


class Usage:
    """CPU and memory of a part of a stack: its processes and their descendants."""

    def __init__(self, handles: Sequence[Handle]) -> None:
        roots = [psutil.Process(handle.pid) for handle in handles]
        self._processes = [process for root in roots for process in (root, *root.children(recursive=True))]

    @classmethod
    def of_nodes(cls, handles: Sequence[Handle]) -> "Usage":
        """The same for forked nodes, with the parent that shares pages with them."""
        usage = cls(handles)
        usage._processes += usage._processes[0].parents()[:1]
        return usage

    @property
    def pids(self) -> list[int]:
        """The processes' ids."""
        return [process.pid for process in self._processes]

    def cpu_seconds(self) -> float:
        """User and system time so far, of all threads."""
        return sum(sum(process.cpu_times()[:2]) for process in self._processes)

    def memory_bytes(self) -> int:
        """Proportional set size: a shared page counts in parts. Elsewhere than on Linux, unique pages."""
        memory = [process.memory_full_info() for process in self._processes]
        return sum(getattr(info, "pss", None) or info.uss for info in memory)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: connections in TIME_WAIT do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


@contextlib.contextmanager
def processes(root: Path, folder: Path, store: Path) -> Iterator[Processes]:
    """Processes that are ended with the block; arguments as of `Processes`."""
    started = Processes(root, folder, store)
    try:
        yield started
    finally:
        # A second Ctrl-C must not interrupt the ending.
        ignored = signal.signal(signal.SIGINT, signal.SIG_IGN)
        started.end()
        signal.signal(signal.SIGINT, ignored)
