"""Runs one BentoML service in one process, and many nodes from one parent.

    python -m bentos.serve concord-consensus:latest --direct --port 7400
    CONCORD_NODE=iris.knn python -m bentos.serve concord-node:latest --port 7411
    python -m bentos.serve concord-node:latest --fork        what `concord up` starts

`bentoml serve` keeps two processes a service, and each of them imports for two seconds; sixteen
nodes on a laptop are then 32 processes and most of its memory. Here the service's own ASGI
application, with BentoML's layers, runs under uvicorn. With `--fork` the service is imported once
and every node is a fork of that process, so they share its pages and start in a tenth of a second.
With `--direct` BentoML starts and stops the service, and requests go past its layers. An image is
still served by `bentoml serve`.

With `--fork` one JSON object a line comes in on standard input, `{"name", "node", "host", "port", "log"}`,
and goes out on standard output: `{"name", "pid"}` once started and `{"name", "pid", "exit"}` when
one has ended. At the end of the input, or when this process dies, all of them end.
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
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

# BentoML and uvicorn are imported once the environment is as they shall find it.
# ruff: noqa: PLC0415

DEFAULTS: Final = {
    "BENTOML_DO_NOT_TRACK": "true",
    "OTEL_SDK_DISABLED": "true",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
}
"""No tracking; no spans unless wanted, they take half of a request; no threads for algebra."""

GRACE_SECONDS: Final = 3
"""What requests under way get when a service is stopped."""

SET_PDEATHSIG: Final = 1
"""Linux's prctl option by which a process gets a signal when its parent ends, however it ends."""


def main() -> None:
    """Serves, or waits for what is to be forked."""
    arguments = _arguments()
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    # With it, BentoML's processes would share a folder of metrics and wipe each other's.
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    application = load(arguments.service, direct=arguments.direct)
    if arguments.fork:
        Nursery(application).run()
    else:
        serve(application, arguments.host, arguments.port)


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


def serve(application: "ASGIApp", host: str, port: int) -> None:
    """Serves until SIGTERM or SIGINT."""
    import uvicorn

    uvicorn.run(
        application,
        host=host,
        port=port,
        loop="uvloop",
        # By its name, since a bento brings a `concord` of its own.
        http="concord.one_write:OneWriteProtocol",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        date_header=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


class Nursery:
    """One imported service, and the processes that were forked from it.

    Args:
        application: What each of them serves; nothing of it has run yet.
    """

    def __init__(self, application: "ASGIApp") -> None:
        self._application = application
        self._names: dict[int, str] = {}

    def run(self) -> None:
        """Takes orders until standard input ends."""
        _import_what_serving_needs()
        assert threading.active_count() == 1, "A fork takes no threads along."
        # Collected objects would leave pages half empty; frozen ones are not touched by later collections.
        gc.collect()
        gc.freeze()
        wake, woken = socket.socketpair()
        os.set_blocking(wake.fileno(), False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.set_wakeup_fd(wake.fileno())
        _tell({"ready": os.getpid()})
        orders = b""
        with selectors.DefaultSelector() as selector:
            selector.register(0, selectors.EVENT_READ)
            selector.register(woken, selectors.EVENT_READ)
            while True:
                ready = {key.fd for key, _ in selector.select()}
                if woken.fileno() in ready:
                    woken.recv(4096)
                    self._bury()
                if 0 in ready:
                    read = os.read(0, 65536)
                    if not read:
                        return
                    *whole, orders = (orders + read).split(b"\n")
                    for order in whole:
                        self._fork(json.loads(order))

    def _fork(self, order: Mapping[str, Any]) -> None:
        parent, pid = os.getpid(), os.fork()
        if pid == 0:
            _become(order, parent)
            serve(self._application, order["host"], order["port"])
            logging.shutdown()
            os._exit(0)
        self._names[pid] = order["name"]
        _tell({"name": order["name"], "pid": pid})

    def _bury(self) -> None:
        while self._names:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            _tell({"name": self._names.pop(pid), "pid": pid, "exit": os.waitstatus_to_exitcode(status)})


def _become(order: Mapping[str, Any], parent: int) -> None:
    """Makes a fork a process of its own: signals, name, log, environment."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    end_with_parent(parent)
    os.setsid()
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.environ["CONCORD_NODE"] = order["node"]
    rename(f"concord-node {order['node']} {order['host']}:{order['port']}")


def end_with_parent(parent: int) -> None:
    """Has the kernel end this process when its parent ends, even by SIGKILL; Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)


def rename(title: str) -> None:
    """Writes a title over this process's arguments, so that `ps` tells one fork from the other."""
    try:
        fields = Path("/proc/self/stat").read_text("ascii").rpartition(")")[2].split()
        start, end = int(fields[45]), int(fields[46])
    except (OSError, IndexError, ValueError):
        return
    if 0 < start < end:
        ctypes.memmove(start, title.encode()[: end - start - 1].ljust(end - start, b"\0"), end - start)


def _import_what_serving_needs() -> None:
    """What a server imports at its start; ONNX Runtime is left to the forks, since it starts a thread."""
    import uvicorn.lifespan.on
    import uvicorn.loops.uvloop  # noqa: F401

    import concord.one_write  # noqa: F401


def _tell(document: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bentos.serve", description=__doc__.split("\n", maxsplit=1)[0]
    )
    parser.add_argument("service", help="a bento's tag, or an import path such as bentos.node.service:Node")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=3000)
    parser.add_argument("--direct", action="store_true", help="requests go past BentoML's own layers")
    parser.add_argument("--fork", action="store_true", help="take orders for nodes on standard input")
    return parser.parse_args()


if __name__ == "__main__":
    main()
