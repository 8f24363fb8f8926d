"""One connection of the server: uvicorn's protocol with limits before the application.

uvicorn and httptools parse and answer; this class bounds what they are given (`concord.http.limits`), refuses
in order behind the answers that are due, and closes so that a caller that still sends sees its refusal.

An offer to upgrade to another protocol is ignored (RFC 9110, section 7.8): httptools then takes what follows
the head for the other protocol, so the head is parsed again without the offer, and the body as a body.
"""

import asyncio
from collections import deque
from typing import Any, ClassVar, Final, Literal, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from concord.http import limits
from concord.http.connections import Connections
from concord.http.limits import Limits, Refusal
from concord.http.single_write import SingleWriteTransport

HEAD_SLICE: Final = 4096
"""Bytes that are parsed at a time between requests: a slice holds a hundred requests at most."""

BODY_SLICE: Final = 65_536
"""Bytes that are parsed at a time within a body."""

PIPELINED: Final = 16
"""Requests of one connection that wait for their answers; the bytes of later ones are kept unparsed."""

_UPGRADE_HEADERS: Final = frozenset({b"upgrade", b"http2-settings"})

Stage = Literal["between", "head", "body"]
"""Where in a request the parser is."""


class _Refused(Exception):
    """Leaves the parser with a refusal."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal


class LimitedProtocol(HttpToolsProtocol):
    """The server's side of one connection."""

    limits: ClassVar = Limits()

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._table = connections_of(server_state, self.limits)
        self._raw: asyncio.Transport | None = None
        self._running: RequestResponseCycle | None = None
        self._bodies: deque[int] = deque()
        """Bytes of the body of each request under way, in the order of the requests."""
        self._unparsed = b""
        self._refusal: Refusal | None = None
        self._is_over = self._is_shut_down = self._is_unread = False
        self._stage: Stage = "between"
        self._keeps_alive = self._offers_upgrade = self._is_continued = False
        self._parts: list[bytes] = []
        self._unfinished = self._pieces = self._discarded = 0
        self._unread_before = 0

    # What the transport calls.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Is connected."""
        self._raw = transport
        is_admitted = self._table.admit(self)
        super().connection_made(cast("asyncio.Transport", SingleWriteTransport(transport, self._close)))
        if not is_admitted:
            self.refuse(limits.TOO_MANY_CONNECTIONS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Is closed."""
        self._table.remove(self)
        while self._bodies:
            self._release(self._bodies.popleft())
        self._is_over, self._raw, self._unparsed = True, None, b""
        if self._running is not None and not self._running.response_complete:
            # Of several requests uvicorn tells the newest only.
            self._running.disconnected = True
            self._running.message_event.set()
        self._running = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        if self._is_over:
            self._discard(len(data))
            return
        self._table.idle.pop(self, None)
        if self._unparsed:
            self._unparsed += data
        else:
            self._parse(data)

    def pause_writing(self) -> None:
        """The caller reads too slowly."""
        super().pause_writing()
        self._unread_before = self.unread
        self._table.wait(self, self._table.unread_answers)

    def resume_writing(self) -> None:
        """The caller has read on."""
        super().resume_writing()
        self._table.unread_answers.pop(self, None)
        if self._is_unread:
            self.on_response_complete()

    # What the server and the sweep over all connections call.

    @property
    def unread(self) -> int:
        """Bytes that wait to be sent."""
        return self._raw.get_write_buffer_size() if self._raw is not None else 0

    def reads_on(self) -> bool:
        """Whether the caller has read some of its answer since this was asked last."""
        before, self._unread_before = self._unread_before, self.unread
        return self._unread_before < before

    def abort(self) -> None:
        """Closes at once."""
        self._is_over = True
        self._table.remove(self)
        if self._raw is not None:
            self._raw.abort()

    def close(self) -> None:
        """Closes a connection without a request."""
        self.transport.close()

    def refuse(self, refusal: Refusal) -> None:
        """Answers the unfinished request with a refusal, behind the answers that are due, and closes."""
        if self._is_over:
            return
        self._is_over, self._unparsed, self._parts = True, b"", []
        self._table.note(refusal.code)
        if self._stage == "body" and not self._withdraw():
            self.abort()
            return
        self._refusal = refusal
        if not self._bodies:
            self._send_refusal()

    def shutdown(self) -> None:
        """The server will end: closes once what is under way is answered."""
        self._is_shut_down = True
        super().shutdown()

    # What the parser calls.

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._stage = "head"

    def on_headers_complete(self) -> None:
        """A head is complete: its request is handed to the application, or waits for those before it."""
        self._check_head()
        is_upgrade = self.parser.should_upgrade()
        if is_upgrade and self.parser.get_method() == b"CONNECT":
            raise _Refused(limits.NO_TUNNEL)
        if is_upgrade and not self._should_upgrade():
            self._offers_upgrade = True
            return
        super().on_headers_complete()
        if is_upgrade:
            # To a WebSocket, which another protocol serves.
            return
        # Trailers are no headers, and are dropped with this list (RFC 9110, section 6.5.1).
        self.headers = []
        self._stage, self._unfinished, self._pieces = "body", 0, 0
        if not self.pipeline:
            self._running = self.cycle
        self._bodies.append(0)
        self._table.requests += 1
        self._table.heads.pop(self, None)
        # Until the body is complete, an answer closes the connection: what follows is not its next request.
        self._keeps_alive, self.cycle.keep_alive = self.cycle.keep_alive, False

    def on_body(self, body: bytes) -> None:
        """A piece of a body has come; `_hand_on` hands pieces on together."""
        self._pieces += 1
        self._parts.append(body)

    def on_message_complete(self) -> None:
        """A request is complete."""
        if self._stage != "body":
            return
        if self._parts:
            self._hand_on()
        self._stage, self._unfinished = "between", 0
        self._table.bodies.pop(self, None)
        self.cycle.keep_alive = self._keeps_alive and not self._is_shut_down
        super().on_message_complete()

    # What the answering side calls.

    def on_response_complete(self) -> None:
        """An answer is complete: sends a head that is still held, and goes on with the next request.

        Where much of the answer waits to be sent, that is once its caller has read it: no work is done for
        those who send requests and read nothing.
        """
        self.transport.write(b"")
        is_closing = self.transport.is_closing()
        self._is_unread = self.flow.write_paused and not is_closing
        if self._is_unread:
            return
        if self._bodies:
            self._release(self._bodies.popleft())
        if is_closing:
            return
        # As uvicorn does, without its timer: connections without a request are in the table.
        self.flow.resume_reading()
        if self.pipeline:
            self._running, app = self.pipeline.pop()
            self._start_asgi_task(self._running, app)
        if self._refusal is not None and not self._bodies:
            self._send_refusal()
        elif self._unparsed and len(self._bodies) < PIPELINED:
            data, self._unparsed = self._unparsed, b""
            self._parse(data)
        elif not self._bodies and self._stage == "between":
            self._table.wait(self, self._table.idle)

    def _close(self) -> None:
        """Closes once all is sent; drops what the caller still sends, so that it can read its answer."""
        raw, self._is_over = self._raw, True
        if raw is None:
            return
        for waiting in (self._table.heads, self._table.bodies, self._table.idle):
            waiting.pop(self, None)
        if self._stage == "between" or raw.is_closing() or self in self._table.closing:
            raw.close()
        elif raw.can_write_eof():
            raw.write_eof()
            self.flow.resume_reading()
        waiting = self._table.unread_answers if self.unread else self._table.closing
        self._table.wait(self, waiting)

    def _discard(self, count: int) -> None:
        self._discarded += count
        if self._discarded > self.limits.discarded_bytes:
            self.abort()

    # Parsing.

    def _parse(self, data: bytes) -> None:
        try:
            self._feed(data)
        except _Refused as refused:
            self.refuse(refused.refusal)
        except httptools.HttpParserError as error:
            cause = error.__context__
            self.refuse(cause.refusal if isinstance(cause, _Refused) else limits.MALFORMED)
        except httptools.HttpParserUpgrade:
            self._table.remove(self)
            self.handle_websocket_upgrade()
        else:
            self._note_wait()

    def _feed(self, data: bytes) -> None:
        """Parses data in slices, while not too many requests of this connection wait for their answers."""
        start = 0
        while start < len(data):
            if self._stage != "body" and len(self._bodies) >= PIPELINED:
                self._unparsed = data[start:]
                self.flow.pause_reading()
                return
            end = start + (BODY_SLICE if self._stage == "body" else HEAD_SLICE)
            piece, stage = data[start:end], self._stage
            self._is_continued = stage == "head"
            try:
                self.parser.feed_data(piece)
            except httptools.HttpParserUpgrade as upgrade:
                if not self._offers_upgrade:
                    raise
                data, start = self._without_offer() + data[start + upgrade.args[0] :], 0
                continue
            if self._parts:
                self._hand_on()
                self._unfinished = 0
            elif self._stage == stage != "between":
                # The parser keeps a header or a trailer until it is complete.
                self._unfinished += len(piece)
                if self._unfinished > self.limits.head_bytes:
                    raise _Refused(limits.HEAD_TOO_LARGE)
            start = end

    def _without_offer(self) -> bytes:
        """The head that was just parsed, without its offer to upgrade, for a new parser."""
        lines = [
            b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        ]
        for name, stated in self.headers:
            value = stated
            if name == b"connection":
                tokens = [token.strip() for token in stated.split(b",")]
                value = b", ".join([token for token in tokens if token.lower() not in _UPGRADE_HEADERS])
            if name not in _UPGRADE_HEADERS:
                lines.append(b"%s: %s" % (name, value))
        self._offers_upgrade, self._stage = False, "between"
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return b"\r\n".join([*lines, b"", b""])

    def _check_head(self) -> None:
        """Refuses a head that cannot be handed on.

        Raises:
            _Refused: It is too long, names no host or several, codes its body in another way than in chunks,
                or there are too many requests.
        """
        # One that began in this slice is no longer than the slice.
        if self._is_continued and self._head_bytes() > self.limits.head_bytes:
            raise _Refused(limits.HEAD_TOO_LARGE)
        if len(self.headers) > self.limits.headers:
            raise _Refused(limits.TOO_MANY_HEADERS)
        names = [name for name, _ in self.headers]
        if b"transfer-encoding" in names:
            codings = [value.strip().lower() for name, value in self.headers if name == b"transfer-encoding"]
            if codings != [b"chunked"]:
                raise _Refused(limits.NO_CODING)
        hosts = names.count(b"host")
        if hosts > 1 or (hosts == 0 and self.parser.get_http_version() == "1.1"):
            raise _Refused(limits.NO_HOST)
        if self._table.requests >= self.limits.requests:
            raise _Refused(limits.TOO_MANY_REQUESTS)

    def _head_bytes(self) -> int:
        return len(self.url) + sum([len(name) + len(value) for name, value in self.headers])

    def _hand_on(self) -> None:
        """Hands the pieces of a body on as one.

        Raises:
            _Refused: There are too many bytes under way, or too many small pieces of this body.
        """
        body, self._parts = b"".join(self._parts), []
        if self.cycle.response_complete:
            return
        self._bodies[-1] += len(body)
        if self._pieces > self.limits.pieces and self._pieces > self._bodies[-1] // self.limits.piece_bytes:
            raise _Refused(limits.SMALL_PIECES)
        if not self._table.take(len(body), self):
            raise _Refused(limits.TOO_MANY_BYTES)
        super().on_body(body)

    def _note_wait(self) -> None:
        """Notes what the connection waits for."""
        if self._is_over or (self._stage == "between" and self._bodies):
            return
        if self._stage == "body":
            self._table.wait(self, self._table.bodies)
        else:
            # Empty lines before a request are its beginning too.
            self._table.wait(self, self._table.heads)

    # Refusing.

    def _withdraw(self) -> bool:
        """Takes back the request whose body is not complete; false where its answer has begun."""
        cycle = self.cycle
        if cycle.response_started:
            return False
        cycle.disconnected = True
        cycle.message_event.set()
        if self.pipeline and self.pipeline[0][0] is cycle:
            self.pipeline.popleft()
        self._release(self._bodies.pop())
        return True

    def _release(self, count: int) -> None:
        """A request is no longer under way."""
        self._table.requests -= 1
        self._table.body_bytes -= count

    def _send_refusal(self) -> None:
        refusal, self._refusal = self._refusal, None
        if refusal is not None and not self.transport.is_closing():
            if refusal is not limits.HEAD_LATE or self._stage == "head":
                # To a connection that has sent nothing, nothing is said.
                self.transport.write(refusal.render(self.server_state.default_headers))
            self.transport.close()


class StreamingProtocol(LimitedProtocol):
    """The same for the page and for MLflow, which take files, and read them piece by piece."""

    limits = Limits(body_seconds=300.0, body_bytes=None)


def connections_of(server: ServerState, of: Limits) -> Connections:
    """The connections of a server, which are kept with its state."""
    kept: Connections | None = getattr(server, "limited", None)
    if kept is None:
        kept = Connections(of)
        vars(server)["limited"] = kept
    return kept
