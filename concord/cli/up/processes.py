"""Processes that `concord up` starts: how one is run, watched and ended.

Every process leads a session of its own, so that Ctrl-C reaches `concord up` alone, which then ends
them in order; and every process is ended by the kernel if `concord up` is killed. Nodes are forks
of one parent (`bentos/serve.py` says why). Nothing here knows what a process is for.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from concord.util import private_files as private
from concord.util import tether

TETHER: Final = Path(tether.__file__)

LOG_BYTES: Final = 10 << 20
"""A log that has grown beyond this is moved aside (`NAME.log.1`) when its process starts."""


class Handle(Protocol):
    """A process that was started."""

    @property
    def pid(self) -> int | None:
        """Its id, once known."""

    @property
    def is_ready(self) -> bool:
        """Whether it has begun its work, as far as that can be told."""

    def poll(self) -> int | None:
        """Its exit code once it has ended; negative: the signal that ended it."""

    def end(self, how: signal.Signals) -> None:
        """Sends a signal to it and to what it has started."""


class Program:
    """A command with its log.

    Args:
        command: What to run.
        log: Where its output goes, appended.
        environment: Its environment.
    """

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        with open_log(log) as output:
            self._process = subprocess.Popen(
                tethered(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                start_new_session=True,
            )

    @property
    def pid(self) -> int | None:
        """Its id."""
        return self._process.pid

    @property
    def is_ready(self) -> bool:
        """Whether it runs; a command tells no more."""
        return self._process.poll() is None

    def poll(self) -> int | None:
        """Its exit code once it has ended."""
        return self._process.poll()

    def end(self, how: signal.Signals) -> None:
        """Sends a signal to its whole session."""
        _signal(self._process.pid, how)


class ForkServerProcess:
    """The parent of all nodes, started with the first of them and again when it has ended.

    Args:
        service: The bento's tag.
        log: Where its own errors go.
        environment: Its environment, and that of its nodes.
    """

    def __init__(self, service: str, log: Path, environment: Mapping[str, str]) -> None:
        self._service, self._log, self._environment = service, log, dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._nodes: dict[str, NodeProcess] = {}
        self._orders = 0
        self._read = b""

    def start(self, node: str, host: str, port: int, log: Path, models: Path | None = None) -> "NodeProcess":
        """Has a node forked; its process id is known a little later.

        One that is started at the port of another listens at the same socket, so that it can follow the
        other without a gap.

        Args:
            node: Registered name of its model.
            host: Where it listens.
            port: Likewise.
            log: Where its output goes.
            models: Folder of versions that win over the packaged one.
        """
        if self._process is None or self._process.poll() is not None:
            self._start()
        rotate(log)
        self._orders += 1
        name = f"{node}#{self._orders}"
        fork = self._nodes[name] = NodeProcess(self)
        order = {"name": name, "node": node, "host": host, "port": port, "log": str(log)}
        order |= {"models": str(models)} if models else {}
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            fork.code = -signal.SIGPIPE
        return fork

    def look(self) -> None:
        """Takes in what the parent has told since; if it has ended, so have its nodes."""
        process = self._process
        if process is None or process.stdout is None:
            return
        ended = process.poll()
        while True:
            try:
                read = os.read(process.stdout.fileno(), 65536)
            except BlockingIOError:
                break
            if not read:
                break
            self._read += read
        *lines, self._read = self._read.split(b"\n")
        for line in lines:
            self._hear(line)
        if ended is not None:
            _close(process)
            self._process = None
            for node in self._nodes.values():
                node.code = node.code if node.code is not None else ended or -signal.SIGTERM
            self._nodes.clear()

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ends the parent, and with it every node that is left."""
        if self._process is not None and self._process.poll() is None:
            _signal(self._process.pid, how)
            self._process.wait()
        self.look()

    def _start(self) -> None:
        with open_log(self._log) as output:
            self._process = subprocess.Popen(
                tethered([sys.executable, "-m", "bentos.serve", self._service, "--fork"]),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env=self._environment,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)
        self._read = b""

    def _hear(self, line: bytes) -> None:
        told = json.loads(line)
        node = self._nodes.get(told.get("name", ""))
        if node is None:
            return
        if "ready" in told:
            node.is_ready = True
        elif "exit" in told:
            node.code = told["exit"]
            del self._nodes[told["name"]]
        else:
            node.known(told["pid"])


class NodeProcess:
    """A fork of the nursery."""

    def __init__(self, nursery: ForkServerProcess) -> None:
        self._nursery = nursery
        self.process: int | None = None
        self.code: int | None = None
        self.is_ready = False
        self._pending: signal.Signals | None = None

    @property
    def pid(self) -> int | None:
        """Its id, once told."""
        return self.process

    def poll(self) -> int | None:
        """Its exit code once it has ended."""
        self._nursery.look()
        return self.code

    def end(self, how: signal.Signals) -> None:
        """Sends a signal, if it still runs."""
        self._nursery.look()
        if self.process is None:
            self._pending = how
        elif self.code is None:
            _signal(self.process, how)

    def known(self, pid: int) -> None:
        """Takes in its id, and sends what has waited for it."""
        self.process = pid
        if self._pending is not None:
            _signal(pid, self._pending)


def tethered(command: Sequence[str]) -> list[str]:
    """The command, ended by the kernel when this process ends."""
    return [sys.executable, "-S", "-E", str(TETHER), str(os.getpid()), *command]


def open_log(path: Path) -> BinaryIO:
    """Opens a log to be appended to."""
    rotate(path)
    return open(path, "ab", opener=private.opener)


def rotate(path: Path) -> None:
    """Moves a log aside that has grown large, and makes its folder."""
    private.make_folder(path.parent)
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_name(f"{path.name}.1"))


def last_lines(path: Path, count: int = 6) -> list[str]:
    """The last lines of a log, for people: the event of a JSON line, other lines as they are."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 16_384))
            lines = file.read().decode("utf-8", "replace").strip().splitlines()
    except OSError:
        return []
    told = [line for text in lines for line in _readable(text)]
    return told[-count:]


def _close(process: "subprocess.Popen[bytes]") -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def _readable(line: str) -> list[str]:
    try:
        fields = json.loads(line)
        if fields["logger"] == "concord.access":
            return []
        text = f"{fields['event']} {fields.get('reason') or ''}".strip()
        return [*str(fields.get("exception", "")).splitlines(), text]
    except (ValueError, KeyError, TypeError):
        return [line] if line.strip() else []


def _signal(pid: int, how: signal.Signals) -> None:
    # A process that has only just been started does not lead its session yet.
    for send in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            send(pid, how)
            return
