"""uvicorn's HTTP with one difference: an answer's head leaves together with its body, in one write.

uvicorn writes the two one after the other and uvloop sends each write at once, so an answer was two
system calls here, two segments on the way, and often two wake-ups of whoever reads it. A head so
waits for the first part of its body; our own answers have both at once. Nothing else is changed.
"""

import asyncio
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

FINAL: Final = tuple(b"HTTP/1.1 %d" % kind for kind in (2, 3, 4, 5))
"""How a head begins that a body follows; after an interim one the caller has to send more first."""


class OneWriteProtocol(HttpToolsProtocol):
    """One connection of a caller's."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Is connected."""
        self._writer = OneWrite(transport)
        super().connection_made(cast("asyncio.Transport", self._writer))

    def on_response_complete(self) -> None:
        """Sends what is held even if it was no head after all, and goes on with the next request."""
        self._writer.write(b"")
        super().on_response_complete()


class OneWrite:
    """A transport that holds an answer's head until the next write.

    Args:
        transport: Where it all goes.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Sends data, or keeps it if it is a head; an empty body sends the head as well."""
        head, self._head = self._head, b""
        if not head and data.endswith(b"\r\n\r\n") and data.startswith(FINAL):
            self._head = data
        elif head or data:
            self._transport.write(head + data)

    def close(self) -> None:
        """Sends what is held, and closes."""
        self.write(b"")
        self._transport.close()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever else a transport can do
        return getattr(self._transport, name)
