"""Process metrics for a program that has none: `python -m concord.observability.exporter HOST:PORT mlflow …`.

The command takes this process's place, so that its process id, signals and exit status are its own. A child
process answers `GET /metrics` with CPU, memory and open files of the command and of all that it has started,
this child included, and ends once the command has ended.
"""

import os
import signal
import socket
import sys
from functools import partial
from http.server import ThreadingHTTPServer
from socketserver import TCPServer
from typing import Final, NoReturn

import psutil
from prometheus_client import CollectorRegistry, MetricsHandler

from concord.observability.process_metrics import ServiceProcesses

USAGE: Final = "usage: python -m concord.observability.exporter HOST:PORT COMMAND [ARGUMENT …]"


class Exporter(ThreadingHTTPServer):
    """Serves the metrics of a process and its descendants.

    Args:
        host: Where it listens; an IPv6 address without brackets.
        port: The port; 0 for any that is free.

    Raises:
        OSError: It can't listen there.
    """

    def __init__(self, host: str, port: int) -> None:
        self._watched = os.getpid()
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        registry = CollectorRegistry()
        registry.register(ServiceProcesses(partial(family, self._watched)))
        super().__init__((host, port), MetricsHandler.factory(registry))

    def server_bind(self) -> None:
        """Binds, and asks no DNS for the address's name: a pod without DNS would wait for it."""
        TCPServer.server_bind(self)

    def service_actions(self) -> None:
        """Ends when the command has: then this process has another parent."""
        if os.getppid() != self._watched:
            sys.exit()


def family(pid: int) -> list[int]:
    """A process and its descendants; none if it has ended."""
    try:
        parent = psutil.Process(pid)
        return [pid, *(child.pid for child in parent.children(recursive=True))]
    except psutil.NoSuchProcess:
        return []


def run(host: str, port: int, command: list[str]) -> NoReturn:
    """Leaves a child that serves the metrics, and becomes the command.

    Args:
        host: Where the child listens.
        port: Its port.
        command: A program and its arguments.

    Raises:
        OSError: The child can't listen there, or there is no such program.
    """
    # Before the fork, so that a port that is taken is an error and no command without metrics.
    exporter = Exporter(host, port)
    if os.fork() == 0:
        # A terminal's Ctrl-C is the command's to answer.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        exporter.serve_forever()
    # Python ignores this one, which a command would inherit.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.execvp(command[0], command)  # noqa: S606  the caller's own command, and no shell


def main(arguments: list[str]) -> NoReturn:
    """`HOST:PORT COMMAND …`; ends with 2 where it can't be begun."""
    host, separator, port = (arguments or [""])[0].rpartition(":")
    if not (separator and port.isdecimal() and int(port) < 65_536 and arguments[1:]):
        sys.exit(_refusal(USAGE))
    try:
        run(host.strip("[]"), int(port), arguments[1:])
    except OSError as error:
        sys.exit(_refusal(f"{' '.join(arguments)}: {error}"))


def _refusal(message: str) -> int:
    print(message, file=sys.stderr)  # noqa: T201  a program of its own
    return 2


if __name__ == "__main__":
    main(sys.argv[1:])
