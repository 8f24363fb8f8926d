"""What the server admits of a connection before the application sees a request, and how it refuses the rest.

A limit of the application holds once a request's head was read. These hold before: on connections, heads,
bodies under way, answers that nobody takes, and on the time that each of them may take.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

SPARE_FILES: Final = 256
"""Open files that connections leave to all else: logs, the journal, the ledger, calls to nodes."""

FEWEST_CONNECTIONS: Final = 64


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one server. Times in seconds.

    Attributes:
        head_bytes: Longest head of a request, all headers together.
        headers: Most headers of a request.
        head_seconds: From the connection, or the head's first byte, to the head's end; also for TLS.
        body_seconds: From the head's end to the body's end.
        idle_seconds: How long a connection without a request is kept; common proxies keep theirs for 60.
        answer_seconds: How long a caller may leave an answer unread that waits to be sent.
        close_seconds: How long a connection that is being closed may still take.
        connections: Most connections at a time, unless fewer files may be open.
        requests: Most requests under way, over all connections.
        body_bytes: Most bytes of bodies under way, over all connections; None for an application that reads
            bodies piece by piece.
        unread_bytes: Most bytes of answers that wait to be sent, over all connections.
        discarded_bytes: How much of a refused body is read and dropped, so that its caller sees the refusal.
        pieces: So many pieces of a body may be smaller than `piece_bytes`.
        piece_bytes: What the pieces of a longer body hold on average, at least.
    """

    head_bytes: int = 64 << 10
    headers: int = 100
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    idle_seconds: float = 75.0
    answer_seconds: float = 30.0
    close_seconds: float = 5.0
    connections: int = 4096
    requests: int = 4096
    body_bytes: int | None = 64 << 20
    unread_bytes: int = 64 << 20
    discarded_bytes: int = 1 << 20
    pieces: int = 1024
    piece_bytes: int = 64

    def most_connections(self, files: int) -> int:
        """The connections of a process that may open so many files."""
        return max(FEWEST_CONNECTIONS, min(self.connections, files - SPARE_FILES))


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request, or a connection, that is refused before the application.

    Attributes:
        status: The HTTP status.
        code: Why, as in the application's errors and in the metric.
        message: Why, for people.
    """

    status: int
    code: str
    message: str

    def render(self, headers: Iterable[tuple[bytes, bytes]] = ()) -> bytes:
        """The whole answer; it closes the connection.

        Args:
            headers: What every answer of the server has.
        """
        body = json.dumps({"error": {"code": self.code, "message": self.message, "field": None}}).encode()
        lines = [b"HTTP/1.1 %d %s" % (self.status, HTTPStatus(self.status).phrase.encode())]
        lines += [b"%s: %s" % header for header in headers]
        lines += [
            b"content-type: application/json",
            b"content-length: %d" % len(body),
            b"x-content-type-options: nosniff",
            b"connection: close",
        ]
        lines += [b"retry-after: 1"] if self.status == HTTPStatus.SERVICE_UNAVAILABLE else []
        return b"\r\n".join([*lines, b"", body])


MALFORMED: Final = Refusal(400, "malformed_request", "This is no HTTP/1.1 request.")
NO_HOST: Final = Refusal(400, "malformed_request", "A request has one Host header.")
NO_TUNNEL: Final = Refusal(501, "no_tunnel", "CONNECT is not offered here.")
NO_CODING: Final = Refusal(
    501, "no_transfer_coding", "A body is sent whole or chunked, and coded in no other way."
)
SMALL_PIECES: Final = Refusal(400, "small_pieces", "The body comes in too many small pieces.")
HEAD_LATE: Final = Refusal(408, "head_timeout", "The request's head took too long.")
BODY_LATE: Final = Refusal(408, "body_timeout", "The request's body took too long.")
HEAD_TOO_LARGE: Final = Refusal(431, "head_too_large", "The request's headers are too long.")
TOO_MANY_HEADERS: Final = Refusal(431, "too_many_headers", "The request has too many headers.")
TOO_MANY_CONNECTIONS: Final = Refusal(
    503, "too_many_connections", "Too many connections are open. Try again in a second."
)
TOO_MANY_REQUESTS: Final = Refusal(
    503, "too_many_requests", "Too many requests are under way. Try again in a second."
)
TOO_MANY_BYTES: Final = Refusal(
    503, "too_many_bytes", "Too many bytes of requests are under way. Try again in a second."
)
UNREAD_ANSWER: Final = "unread_answer"
"""Why a connection is closed whose caller does not read; nothing more can be said to it."""
