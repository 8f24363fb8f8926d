"""Runs one BentoML service in one process, and many nodes from one parent.

    python -m bentos.serve concord-consensus:latest --direct --port 7400
    CONCORD_NODE=iris.knn python -m bentos.serve concord-node:latest --port 7411
    python -m bentos.serve concord-node:latest --fork        what `concord up` starts

`bentoml serve` keeps two processes a service, and each of them imports for two seconds; sixteen
nodes on a laptop are then 32 processes and most of its memory. Here the service's ASGI application, with
BentoML's layers, runs under uvicorn. With `--fork` the service is imported once and every node is a fork of
that process, so they share its memory and start in a tenth of a second.
With `--direct` BentoML starts and stops the service, and requests go past its layers. Images start this
module too; `bentoml serve` serves the same bentos, without the limits of `concord.http.limits`.

With `--fork` one JSON object a line comes in on standard input, `{"name", "node", "host", "port", "log"}`
and perhaps `models`, the node's CONCORD_MODELS; and goes out on standard output: `{"name", "pid"}` once
started, the same with `"ready"` when it answers, and with `"exit"` when it has ended. At the end of the
input, or when this process dies, all of them end.

Forks that are ordered for one port share its socket: a node's new version accepts connections
before the old one stops to, so that a swap of versions loses no request.
"""

import argparse
import ctypes
import gc
import json
import logging
import os
import selectors
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from concord.util import telemetry

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

# BentoML and uvicorn are imported after the environment is set, which they read at import.
# ruff: noqa: PLC0415

DEFAULTS: Final = {
    **telemetry.OFF,
    "OTEL_SDK_DISABLED": "true",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
}
"""No reports to makers; no spans unless wanted, they take half of a request; no threads for algebra."""


def main() -> None:
    """Serves, or runs the fork server."""
    arguments = _arguments()
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    # With it, BentoML's processes would share a folder of metrics and wipe each other's.
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    application = load(arguments.service, direct=arguments.direct)
    if arguments.fork:
        ForkServer(application).run()
    else:
        _serve(application, arguments)


def load(target: str, *, direct: bool = False) -> "ASGIApp":
    """The ASGI application of a bento's tag, or of a service by its import path.

    With `direct` BentoML still constructs, starts and stops the service, and requests go straight to the
    application that is mounted in it, past BentoML's own layers: they take a third of a small request.
    """
    # As `-m bentos.serve` has imported the project's own package, which would hide that of the bento.
    sys.modules.pop("bentos", None)
    import bentoml

    logging.getLogger("bentoml").setLevel(logging.WARNING)
    service: Any = bentoml.load(target)
    framework: ASGIApp = service.to_asgi()
    if not direct:
        return framework
    mounted: ASGIApp = service.mount_apps[0][0]

    async def application(scope: "Scope", receive: "Receive", send: "Send") -> None:
        await (framework if scope["type"] == "lifespan" else mounted)(scope, receive, send)

    return application


def _serve(application: "ASGIApp", arguments: argparse.Namespace) -> None:
    """Serves at the address that the arguments state."""
    from concord.errors import ConfigurationError
    from concord.http.server import Address, serve

    files = (arguments.tls_cert, arguments.tls_key)
    if any(files) and not all(files):
        sys.exit("--tls-cert and --tls-key (CONCORD_TLS_CERT, CONCORD_TLS_KEY) go together.")
    certificate = (Path(files[0]), Path(files[1])) if all(files) else None
    try:
        serve(application, Address(arguments.host, arguments.port, certificate))
    except ConfigurationError as error:
        sys.exit(error.message)


class Fork(NamedTuple):
    """A process that was forked: its name in orders, and where it listens."""

    name: str
    address: tuple[str, int]


class ForkServer:
    """One imported service, and the processes that were forked from it.

    Args:
        application: What each of them serves; nothing of it has run yet.
    """

    def __init__(self, application: "ASGIApp") -> None:
        self._application = application
        self._forks: dict[int, Fork] = {}
        self._listeners: dict[tuple[str, int], socket.socket] = {}

    def run(self) -> None:
        """Forks what standard input orders, until it ends."""
        _import_server()
        assert threading.active_count() == 1, "A fork takes no threads along."
        # Collected objects would leave pages half empty; frozen ones are not touched by later collections.
        gc.collect()
        gc.freeze()
        wake, woken = socket.socketpair()
        os.set_blocking(wake.fileno(), False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.set_wakeup_fd(wake.fileno())
        _report({"ready": os.getpid()})
        orders = b""
        with selectors.DefaultSelector() as selector:
            selector.register(0, selectors.EVENT_READ)
            selector.register(woken, selectors.EVENT_READ)
            while True:
                ready = {key.fd for key, _ in selector.select()}
                if woken.fileno() in ready:
                    woken.recv(4096)
                    self._reap()
                if 0 in ready:
                    read = os.read(0, 65536)
                    if not read:
                        return
                    *whole, orders = (orders + read).split(b"\n")
                    for order in whole:
                        self._fork(json.loads(order))

    def _fork(self, order: Mapping[str, Any]) -> None:
        fork = Fork(order["name"], (order["host"], order["port"]))
        listener = self._listener(fork.address)
        parent, pid = os.getpid(), os.fork()
        if pid == 0:
            for other in self._listeners.values():
                if other is not listener:
                    # Else a port would stay open after its own node has ended, and no node answer at it.
                    other.close()
            report = _become(order, parent)
            ready = {"name": fork.name, "ready": True}
            from concord.http.server import Address, serve

            serve(self._application, Address(*fork.address, listener=listener), lambda: report(ready))
            logging.shutdown()
            os._exit(0)
        self._forks[pid] = fork
        _report({"name": fork.name, "pid": pid})

    def _listener(self, address: tuple[str, int]) -> socket.socket | None:
        """The socket of an address, bound once for all forks that serve there; None where it cannot be bound.

        It does not listen yet: until the first of them is up a connection is refused, not left waiting.
        """
        if address not in self._listeners:
            family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
            listener = socket.socket(family)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(address)
            except OSError:
                # The fork tries it itself, and its own log states what is wrong.
                listener.close()
                return None
            self._listeners[address] = listener
        return self._listeners[address]

    def _reap(self) -> None:
        while self._forks:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            fork = self._forks.pop(pid)
            if all(other.address != fork.address for other in self._forks.values()):
                # A connection to a node that has ended is to be refused at once.
                listener = self._listeners.pop(fork.address, None)
                if listener is not None:
                    listener.close()
            _report({"name": fork.name, "pid": pid, "exit": os.waitstatus_to_exitcode(status)})


def _become(order: Mapping[str, Any], parent: int) -> Callable[[Mapping[str, Any]], None]:
    """Makes a fork a process of its own: signals, name, log, environment.

    Returns:
        A function that reports once to the fork server, on what was standard output.
    """
    from concord.util.tether import end_with_parent

    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    end_with_parent(parent)
    os.setsid()
    output = os.dup(1)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.environ["CONCORD_NODE"] = order["node"]
    if order.get("models"):
        os.environ["CONCORD_MODELS"] = order["models"]
    rename(f"concord-node {order['node']} {order['host']}:{order['port']}")

    def report(document: Mapping[str, Any]) -> None:
        # A pipe takes so short a write whole, even if other processes write to it.
        os.write(output, _line(document))
        os.close(output)

    return report


def rename(title: str) -> None:
    """Writes a title over this process's arguments, so that `ps` tells one fork from the other."""
    try:
        fields = Path("/proc/self/stat").read_text("ascii").rpartition(")")[2].split()
        start, end = int(fields[45]), int(fields[46])
    except (OSError, IndexError, ValueError):
        return
    if 0 < start < end:
        ctypes.memmove(start, title.encode()[: end - start - 1].ljust(end - start, b"\0"), end - start)


def _import_server() -> None:
    """Imports the server before the first fork, without ONNX Runtime, which starts a thread."""
    import concord.http.server
    import concord.util.tether  # noqa: F401


def _report(document: Mapping[str, Any]) -> None:
    os.write(1, _line(document))


def _line(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document).encode() + b"\n"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bentos.serve", description=__doc__.split("\n", maxsplit=1)[0]
    )
    parser.add_argument("service", help="a bento's tag, or an import path such as bentos.node.service:Node")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=3000)
    for name, what in (("cert", "certificate and those that lead to its issuer"), ("key", "key")):
        default = os.environ.get(f"CONCORD_TLS_{name.upper()}") or None
        parser.add_argument(f"--tls-{name}", default=default, help=f"PEM file of the {what}, to speak TLS")
    parser.add_argument("--direct", action="store_true", help="requests go past BentoML's own layers")
    parser.add_argument("--fork", action="store_true", help="take orders for nodes on standard input")
    return parser.parse_args()


if __name__ == "__main__":
    main()
