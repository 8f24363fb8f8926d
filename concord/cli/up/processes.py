"""Processes that `concord up` starts: how one is run, watched and ended.

Every process leads a session of its own, so that Ctrl-C reaches `concord up` alone, which then ends them in
order; the kernel ends every process if `concord up` is killed. Nodes are forks of one fork server
(`bentos/serve.py` says why).
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from concord.cli.up.log_files import open_log, rotate
from concord.util import tether

TETHER: Final = Path(tether.__file__)


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
        self.pid: int | None = self._process.pid

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
    """The process that forks all nodes, started with the first of them and again when it has ended.

    Args:
        service: The bento's tag.
        log: Where its own errors go.
        environment: Its environment, and that of its nodes.
    """

    def __init__(self, service: str, log: Path, environment: Mapping[str, str]) -> None:
        self._service, self._log, self._environment = service, log, dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._nodes: dict[str, NodeProcess] = {}
        self._starts = 0
        self._received = b""

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
            self._start_process()
        rotate(log)
        self._starts += 1
        name = f"{node}#{self._starts}"
        process = self._nodes[name] = NodeProcess(self)
        request = {"name": name, "node": node, "host": host, "port": port, "log": str(log)}
        request |= {"models": str(models)} if models else {}
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            process.code = -signal.SIGPIPE
        return process

    def update(self) -> None:
        """Reads what the process has reported about its forks; if it has ended, so have they."""
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            return
        code = process.poll()
        self._received += process.stdout.read() or b""
        *lines, self._received = self._received.split(b"\n")
        for line in lines:
            self._handle_report(json.loads(line))
        if code is not None:
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
            self._process = None
            for node in self._nodes.values():
                node.code = node.code if node.code is not None else code or -signal.SIGTERM
            self._nodes.clear()

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ends the process, and with it every fork that is left."""
        if self._process is not None and self._process.poll() is None:
            _signal(self._process.pid, how)
            self._process.wait()
        self.update()

    def _start_process(self) -> None:
        with open_log(self._log) as output:
            self._process = subprocess.Popen(
                tethered([sys.executable, "-m", "bentos.serve", self._service, "--direct", "--fork"]),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env=self._environment,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)
        self._received = b""

    def _handle_report(self, report: Mapping[str, Any]) -> None:
        node = self._nodes.get(report.get("name", ""))
        if node is None:
            return
        if "ready" in report:
            node.is_ready = True
        elif "exit" in report:
            node.code = report["exit"]
            del self._nodes[report["name"]]
        else:
            node.set_pid(report["pid"])


class NodeProcess:
    """A node's process, a fork of the fork server; its id is known a little after its start."""

    def __init__(self, server: ForkServerProcess) -> None:
        self._server = server
        self.pid: int | None = None
        self.code: int | None = None
        self.is_ready = False
        self._pending_signal: signal.Signals | None = None

    def poll(self) -> int | None:
        """Its exit code once it has ended."""
        self._server.update()
        return self.code

    def end(self, how: signal.Signals) -> None:
        """Sends a signal, if it still runs."""
        self._server.update()
        if self.pid is None:
            self._pending_signal = how
        elif self.code is None:
            _signal(self.pid, how)

    def set_pid(self, pid: int) -> None:
        """Sets its id, and sends the signal that was to be sent before it was known."""
        self.pid = pid
        if self._pending_signal is not None:
            _signal(pid, self._pending_signal)


Handle = Program | NodeProcess
"""A process that was started."""


def tethered(command: Sequence[str]) -> list[str]:
    """The command, ended by the kernel when this process ends."""
    return [sys.executable, "-S", "-E", str(TETHER), str(os.getpid()), *command]


def last_lines(path: Path, count: int = 6) -> list[str]:
    """The last lines of a log, for people: the event of a JSON line, other lines as they are."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 16_384))
            lines = file.read().decode("utf-8", "replace").strip().splitlines()
    except OSError:
        return []
    return [readable for line in lines for readable in _make_readable(line)][-count:]


def _make_readable(line: str) -> list[str]:
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
