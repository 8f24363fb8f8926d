"""The server of a node or of the consensus service: uvicorn, with limits before the application, and TLS."""

import contextlib
import logging
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import uvicorn
from starlette.types import ASGIApp

from concord.http.certificates import Certificate
from concord.http.connection import LimitedProtocol, connections_of
from concord.http.connections import raise_file_limit
from concord.http.tls_listener import TlsListener
from concord.observability import metrics

GRACE_SECONDS: Final = 3
"""What requests under way get when a service is stopped."""

STARTUP_FAILURE: Final = 3
"""Exit status where it never answered, as uvicorn's own command has it."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens.

    Attributes:
        host: A name or an address.
        port: The port.
        certificate: Files of its certificate and its key, where it speaks TLS.
        listener: A bound socket to listen at, instead of host and port.
    """

    host: str
    port: int
    certificate: tuple[Path, Path] | None = None
    listener: socket.socket | None = None


class Server(uvicorn.Server):
    """uvicorn's server, with counted connections, TLS, and a call when it accepts requests.

    Args:
        application: What answers.
        address: Where it listens.
        ready: Called once it accepts requests.

    Raises:
        ConfigurationError: The certificate cannot be used.
    """

    def __init__(self, application: ASGIApp, address: Address, ready: Callable[[], None]) -> None:
        super().__init__(make_config(application, address))
        self._address, self._ready = address, ready
        self._certificate = Certificate(*address.certificate) if address.certificate else None
        self._tls: TlsListener | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts the application, and then listens."""
        connections = connections_of(self.server_state, LimitedProtocol.limits)
        connections.on_refusal = lambda code: metrics.HTTP_REFUSED.labels(code).inc()
        metrics.HTTP_CONNECTIONS.set_function(lambda: len(connections))
        # With TLS uvicorn itself listens nowhere.
        await super().startup(sockets=sockets if self._certificate is None else [])
        if self._certificate is not None:
            listener = self._address.listener or self.config.bind_socket()
            self._tls = TlsListener(listener, self._certificate, connections, self._make_protocol)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accepts no more, and ends once what is under way is answered."""
        if self._tls is not None:
            await self._tls.close()
        await super().shutdown(sockets=sockets)

    def _make_protocol(self) -> LimitedProtocol:
        return LimitedProtocol(self.config, self.server_state, self.lifespan.state)


def serve(application: ASGIApp, address: Address, ready: Callable[[], None] = lambda: None) -> None:
    """Serves until SIGTERM or SIGINT; takes, and raises, what `Server` does."""
    raise_file_limit()
    # Its own lines tell of each start and of each request that cannot be parsed.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    server = Server(application, address, ready)
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[address.listener] if address.listener else None)
    if not server.started:
        sys.exit(STARTUP_FAILURE)


def make_config(application: ASGIApp, address: Address) -> uvicorn.Config:
    """Uvicorn's configuration for an application at an address."""
    return uvicorn.Config(
        cast("Any", application),
        host=address.host,
        port=address.port,
        loop="uvloop",
        http=LimitedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
