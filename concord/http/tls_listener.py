"""Accepts the connections of a server that speaks TLS, and counts them from the first byte.

An event loop that is given a certificate tells of a connection once its handshake is over. Until then it
takes an open file, and thousands of callers who begin no handshake would take all. So each is accepted here,
has its place among the connections of the server, and as long for its handshake as for a request's head.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable
from typing import Final

from concord.http.certificates import Certificate
from concord.http.connections import Connections
from concord.http.limits import Refusal

RETRY_SECONDS: Final = 0.1
"""After a failure to accept, such as too many open files."""

_log = logging.getLogger(__name__)


class TlsListener:
    """Accepts connections at a socket.

    Args:
        listener: The socket; it listens from now on.
        certificate: What the server shows.
        connections: The connections of the server.
        make_protocol: Makes the protocol of a connection whose handshake is over.
    """

    def __init__(
        self,
        listener: socket.socket,
        certificate: Certificate,
        connections: Connections,
        make_protocol: Callable[[], asyncio.Protocol],
    ) -> None:
        listener.settimeout(0)
        listener.listen(2048)
        self._listener, self._certificate = listener, certificate
        self._connections, self._make_protocol = connections, make_protocol
        self._handshakes: set[Handshake] = set()
        self._task = asyncio.get_running_loop().create_task(self._accept())

    async def close(self) -> None:
        """Accepts no more; handshakes that are not over end."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._listener.close()
        for handshake in tuple(self._handshakes):
            handshake.abort()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = await loop.sock_accept(self._listener)
            except OSError as error:
                _log.error("connection not accepted", extra={"reason": str(error)})
                await asyncio.sleep(RETRY_SECONDS)
                continue
            handshake = Handshake(accepted, self._connections)
            if self._connections.admit(handshake):
                self._handshakes.add(handshake)
                handshake.begin(self._certificate, self._make_protocol, self._handshakes.discard)
            else:
                # Nothing can be said before the handshake.
                self._connections.remove(handshake)
                accepted.close()


class Handshake:
    """A connection whose handshake is not over.

    Args:
        accepted: Its socket.
        connections: The connections of the server.
    """

    unread = 0

    def __init__(self, accepted: socket.socket, connections: Connections) -> None:
        accepted.settimeout(0)
        self._socket, self._connections = accepted, connections
        self._task: asyncio.Task[None] | None = None

    def begin(
        self,
        certificate: Certificate,
        make_protocol: Callable[[], asyncio.Protocol],
        on_end: Callable[["Handshake"], None],
    ) -> None:
        """Begins it; `on_end` is called once it is over or has failed."""
        self._task = asyncio.get_running_loop().create_task(self._run(certificate, make_protocol))
        self._task.add_done_callback(lambda _: on_end(self))

    def refuse(self, refusal: Refusal) -> None:
        """Ends it; before a handshake nothing can be said."""
        self._connections.note(refusal.code)
        self.abort()

    def close(self) -> None:
        """Ends it."""
        self.abort()

    def abort(self) -> None:
        """Ends it; the handshake finds its connection closed."""
        self._connections.remove(self)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def reads_on(self) -> bool:
        """It is sent no answer."""
        return False

    async def _run(self, certificate: Certificate, make_protocol: Callable[[], asyncio.Protocol]) -> None:
        limits = self._connections.limits
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                make_protocol,
                self._socket,
                ssl=certificate.context,
                ssl_handshake_timeout=limits.head_seconds,
                ssl_shutdown_timeout=limits.close_seconds,
            )
        except OSError as error:
            # It is no TLS, or the caller is gone, too late, or does not trust the certificate.
            _log.debug("handshake failed", extra={"reason": type(error).__name__})
        finally:
            self._connections.remove(self)
