"""A small HTTP/1.1 client for one server over kept-alive connections; nodes are asked with it.

A call takes 26 µs of CPU, and 88 with aiohttp: a request is one write, and the answer goes from the socket
through httptools into one future. Requests must be safe to repeat: one is repeated once where a kept
connection was closed before the first byte of an answer. A cancelled request closes its connection. Proxies,
redirects, cookies, compression, pipelining and upgrades are not supported; each failure is an `OSError`.
"""

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import Mapping
from typing import Final, NamedTuple, cast
from urllib.parse import quote, urlsplit

import httptools

CONNECT_SECONDS: Final = 2.0
"""To resolve, connect and agree on TLS: after two lost SYNs a deadline has passed anyway."""

IDLE_SECONDS: Final = 30.0
"""Half as long as nodes keep an idle connection (`bentos/serve.py`), so that none closes it first."""

AROUND_BYTES: Final = 1 << 16
"""Most bytes of an answer beside its body: head, interim answers, chunk sizes, trailers."""


class ClientResponse(NamedTuple):
    """An answer: the names of its headers in lower case, its body cut at the limit that was asked for."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes

    def header(self, name: str) -> str | None:
        """A header's value; None where there is none."""
        value = self.headers.get(name.encode())
        return None if value is None else value.strip().decode("latin-1")

    @property
    def media_type(self) -> str:
        """Its content type, without parameters and in lower case; empty if it states none."""
        return (self.header("content-type") or "").partition(";")[0].rstrip().lower()


class HttpClient:
    """One server, and the connections to it that are kept for the next request.

    There are as many connections as requests were under way at once; the caller limits these. A name is
    resolved anew for each connection, so that a node whose pod has moved is found again.

    Args:
        url: `http://` or `https://`, a host, and perhaps a port and a path that all others lie below.

    Raises:
        ValueError: It is none of this.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("an address is http://HOST:PORT, perhaps with https and a path")
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise ValueError("an address has no user, query or fragment here")
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._host = parts.hostname.encode("idna").decode("ascii")
        self._port = parts.port or (443 if self._tls else 80)
        host = f"[{self._host}]" if ":" in self._host else self._host
        self._authority = f"{host}:{parts.port}" if parts.port else host
        self._base = quote(parts.path.rstrip("/"), safe="/%:@!$&'()*+,;=~")
        self._idle: deque[_Connection] = deque()
        self._closed = False

    def opening(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> str:
        """The constant part of a request: its line, its host, its constant headers."""
        return f"{method} {self._base}{path} HTTP/1.1\r\nhost: {self._authority}\r\n{_lines(headers or {})}"

    async def exchange(
        self, opening: str, headers: Mapping[str, str], body: bytes, *, limit: int
    ) -> ClientResponse:
        """Sends a request and returns the answer.

        Args:
            opening: As `opening` made it.
            headers: Those of this request.
            body: Its body; as the whole request it waits in memory until the server takes it.
            limit: Most bytes of the answer's body that are read; the rest is cut off.

        Raises:
            OSError: No connection, no answer, or none that is HTTP.
        """
        head = f"{opening}{_lines(headers)}content-length: {len(body)}\r\n\r\n"
        request = head.encode("latin-1") + body
        kept = self._kept()
        if kept is not None:
            try:
                return await kept.exchange(request, limit)
            except _ClosedUnheardError:
                pass
        return await (await self._connect()).exchange(request, limit)

    def close(self) -> None:
        """Closes idle connections; others close when their request is over or cancelled."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def keep(self, connection: "_Connection") -> None:
        """Takes a connection back that is free again."""
        if self._closed:
            connection.close()
        else:
            self._idle.append(connection)

    def forget(self, connection: "_Connection") -> None:
        """Drops a connection that is closed."""
        with contextlib.suppress(ValueError):
            self._idle.remove(connection)

    def _kept(self) -> "_Connection | None":
        """The connection that was used last, so that surplus ones grow old and are closed."""
        oldest = asyncio.get_running_loop().time() - IDLE_SECONDS
        while self._idle and self._idle[0].free_since < oldest:
            self._idle.popleft().close()
        return self._idle.pop() if self._idle else None

    async def _connect(self) -> "_Connection":
        if self._closed:
            raise ConnectionError("The client is closed.")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, connection = await loop.create_connection(
                    lambda: _Connection(self, loop), self._host, self._port, ssl=self._tls
                )
        except TimeoutError as error:
            raise ConnectionError(f"There was no connection within {CONNECT_SECONDS:g} s.") from error
        return connection


class _ClosedUnheardError(ConnectionError):
    """Closed before the first byte of an answer: the server may not have read the request."""


class _WholeError(Exception):
    """Stops the parser when the answer is complete."""


class _Connection(asyncio.Protocol):
    """One connection; it serves one request at a time."""

    def __init__(self, client: HttpClient, loop: asyncio.AbstractEventLoop) -> None:
        self._client, self._loop = client, loop
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[ClientResponse] | None = None
        self.free_since = 0.0

    async def exchange(self, request: bytes, limit: int) -> ClientResponse:
        """Sends a request and awaits the answer."""
        if self._transport.is_closing():
            raise _ClosedUnheardError("It closed the connection before it was asked.")
        self._limit = limit
        self._status = self._received = self._size = 0
        self._headers: dict[bytes, bytes] = {}
        self._parts: list[bytes] = []
        self._is_whole = self._may_stay = False
        waiter: asyncio.Future[ClientResponse] = self._loop.create_future()
        self._waiter = waiter
        self._transport.write(request)
        try:
            return await waiter
        finally:
            # Else the answer came as the caller was cancelled, and the next request may have the connection.
            if self._waiter is waiter:
                self._waiter = None
                self.close()

    def close(self) -> None:
        """Closes at once."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Feeds part of an answer to the parser; bytes without a request close the connection."""
        if self._waiter is None:
            self.close()
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._may_stay = False
            if not self._is_whole:
                self._fail(ConnectionError(f"Its answer is not HTTP/1.1: {error!r}."))
                return
        if self._is_whole:
            self._deliver()
        elif self._received - self._size > AROUND_BYTES:
            self._fail(ConnectionError(f"Its answer has more than {AROUND_BYTES} bytes around its body."))

    def eof_received(self) -> None:
        """The server sends no more: closes, even if it has not read all of the request."""
        self.close()

    def connection_lost(self, error: Exception | None) -> None:
        """Fails the request under way, or ends its answer where the body has no length."""
        self._client.forget(self)
        if self._waiter is not None:
            if not self._received:
                self._fail(_ClosedUnheardError("It closed the connection without an answer."))
            elif error is None and self._status and self._headers.keys().isdisjoint(_LENGTHS):
                self._deliver()
            else:
                self._fail(ConnectionError("It closed the connection in the midst of its answer."))
        # The two point at each other; without this they would wait for the garbage collector.
        del self._parser

    def on_message_begin(self) -> None:
        """An answer begins."""
        if self._is_whole:
            raise _WholeError

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, whole."""
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._status = self._parser.get_status_code()

    def on_body(self, part: bytes) -> None:
        """A part of the body."""
        self._parts.append(part)
        self._size += len(part)
        if self._size >= self._limit:
            self._is_whole = True
            raise _WholeError

    def on_message_complete(self) -> None:
        """The answer is whole, unless it is an interim one."""
        if self._status < 200:
            self._status = 0
            self._headers.clear()
            return
        self._is_whole = True
        self._may_stay = self._parser.should_keep_alive()

    def _deliver(self) -> None:
        waiter, self._waiter = self._waiter, None
        # A server that answers before it has read the request may never read the rest.
        if self._may_stay and not self._transport.get_write_buffer_size():
            self.free_since = self._loop.time()
            self._client.keep(self)
        else:
            self.close()
        if waiter and not waiter.done():
            waiter.set_result(
                ClientResponse(self._status, self._headers, b"".join(self._parts)[: self._limit])
            )

    def _fail(self, error: OSError) -> None:
        waiter, self._waiter = self._waiter, None
        self.close()
        if waiter and not waiter.done():
            waiter.set_exception(error)


_LENGTHS: Final = frozenset({b"content-length", b"transfer-encoding"})
"""Headers by which a body ends before the connection does."""


def _lines(headers: Mapping[str, str]) -> str:
    for value in headers.values():
        if "\r" in value or "\n" in value:
            raise ValueError("A header's value is one line.")
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
