"""The processes of all stacks: started with a log each, and all ended at the end, however it comes.

Concord's are started by what `concord up` starts them with (`concord.cli`), the others likewise, so
that each is ended by the kernel too if this process dies.
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
"""Below those that the kernel gives to outgoing connections, of which the Flask stack makes many."""

START_SECONDS: Final = 90.0
END_SECONDS: Final = 8.0


class DidNotStart(ConcordError):
    """A process has ended, or does not answer, before anything could be measured."""


class Processes:
    """Starts processes and ends them all.

    Args:
        root: The project's folder.
        folder: Where logs go.
        store: BentoML's store, which has the project's bentos.
    """

    def __init__(self, root: Path, folder: Path, store: Path) -> None:
        self._root, self._folder, self._store = root, folder, store
        self._started: list[tuple[str, Handle]] = []
        self._fork_servers: list[ForkServerProcess] = []
        self._ports = iter(random.sample(PORTS, len(PORTS)))

    def ports(self, count: int) -> list[int]:
        """Ports on which nothing listens, none of them given out before."""
        return list(itertools.islice((port for port in self._ports if _is_free(port)), count))

    def run(self, name: str, *command: str, home: Path, extra: Mapping[str, str] | None = None) -> Handle:
        """Runs a module of this interpreter's: `-m MODULE ARGUMENT…`."""
        given = {**self._environment(home), **(extra or {})}
        handle = Program(python_command(*command), self._log(name), given)
        self._started.append((name, handle))
        return handle

    def nodes(self, bento: str, ports: Mapping[str, int], home: Path) -> list[Handle]:
        """Concord's nodes, forks of one parent as `concord up` has them."""
        fork_server = ForkServerProcess(bento, self._log("nodes"), self._environment(home))
        self._fork_servers.append(fork_server)
        handles: list[Handle] = [
            fork_server.start(name, HOST, port, self._log(name)) for name, port in ports.items()
        ]
        self._started += zip(ports, handles, strict=True)
        return handles

    def wait(self, what: str, condition: Callable[[], bool], of: str = "") -> None:
        """Waits for something that comes with the processes; `of` names the one whose log tells why not.

        Raises:
            DidNotStart: It does not come, or a process has ended.
        """
        end = time.monotonic() + START_SECONDS
        while not condition():
            for name, handle in self._started:
                if handle.poll() is not None:
                    raise DidNotStart(f"{name} has ended: {self._last_words(name)}")
            if time.monotonic() > end:
                told = f" {of}: {self._last_words(of)}" if of else ""
                raise DidNotStart(f"{what} did not come within {START_SECONDS:g} s.{told}")
            time.sleep(0.05)

    def end(self) -> None:
        """Ends all of them, those that ask before those that answer, and waits until they are gone."""
        # Nodes may have been forked since that nobody has told of yet.
        everything = psutil.Process().children(recursive=True)
        for _, handle in reversed(self._started):
            if handle.poll() is None:
                handle.end(signal.SIGTERM)
        for fork_server in self._fork_servers:
            fork_server.end()
        _, left = psutil.wait_procs(everything, timeout=END_SECONDS)
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=END_SECONDS)

    def _environment(self, home: Path) -> dict[str, str]:
        variables = {"OPENBLAS_NUM_THREADS": "1", **process_environment(self._root, home)}
        return variables | {"BENTOML_HOME": str(self._store)}

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _last_words(self, name: str) -> str:
        return " / ".join(last_lines(self._log(name))) or "its log is empty"


class Usage:
    """What a part of a stack costs: its processes and all that these have started."""

    def __init__(self, handles: Sequence[Handle]) -> None:
        roots = [psutil.Process(handle.pid) for handle in handles]
        self._processes = [one for root in roots for one in (root, *root.children(recursive=True))]

    @classmethod
    def of_nodes(cls, handles: Sequence[Handle]) -> "Usage":
        """The same of forked nodes, with the parent that they share pages with."""
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
        found = [process.memory_full_info() for process in self._processes]
        return sum(getattr(one, "pss", None) or one.uss for one in found)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a connection that is still being closed does not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


@contextlib.contextmanager
def processes(root: Path, folder: Path, store: Path) -> Iterator[Processes]:
    """Processes that end with the block, whatever ends it; arguments as of `Processes`."""
    started = Processes(root, folder, store)
    try:
        yield started
    finally:
        # A second Ctrl-C must not leave half of them behind.
        ignored = signal.signal(signal.SIGINT, signal.SIG_IGN)
        started.end()
        signal.signal(signal.SIGINT, ignored)
