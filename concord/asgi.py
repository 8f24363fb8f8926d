"""The HTTP edge that node and consensus service share: routes, bodies, errors, access lines.

A plain ASGI application, so that it runs mounted in a BentoML service and under uvicorn alone.
Every request gets an id; every error one handler; every body a limit. Nothing here logs a value
that a caller sent, and routes are counted by their template, never by their path.
"""

import asyncio
import contextlib
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from concord import metrics
from concord.errors import (
    BodyTooLarge,
    CallerError,
    ConcordError,
    InvalidInput,
    Overloaded,
    UnknownName,
    WrongMediaType,
    WrongMethod,
)
from concord.logs import FLUSH_SECONDS, AccessLog

PATIENCE_SECONDS: Final = 0.05
"""How long a request may take before anyone listens for its caller hanging up."""

CALLER_GONE: Final = 499
"""Status under which a request is counted whose caller hung up (nginx's convention)."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Response:
    """A finished answer."""

    body: bytes
    status: int = 200
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Incoming:
    """A request whose route is known: its path's parts, its ids, and a way to its body."""

    scope: Scope
    receive: Receive
    path: Mapping[str, str]
    request_id: str
    traceparent: str | None
    max_body_bytes: int
    is_read: bool
    """Whether the body has been read (or there is none), so that only a hang-up can still arrive."""

    def header(self, name: str) -> str | None:
        """The first header of that name (in lower case)."""
        return _header(self.scope, name.encode())

    @property
    def media_type(self) -> str:
        """The body's media type, without its parameters."""
        return (self.header("content-type") or "").partition(";")[0].strip().lower()

    async def body(self) -> bytes:
        """Reads the body.

        Raises:
            BodyTooLarge: It is longer than allowed; the rest is not read.
        """
        stated = self.header("content-length")
        if stated and stated.isdigit() and int(stated) > self.max_body_bytes:
            raise self._too_large()
        message = await self.receive()
        body = bytes(message.get("body", b""))
        while message.get("more_body"):
            message = await self.receive()
            body += message.get("body", b"")
            if len(body) > self.max_body_bytes:
                raise self._too_large()
        if message["type"] == "http.disconnect":
            raise CallerError("The caller hung up before the body's end.")
        self.is_read = True
        return body

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(
            f"The body is over {self.max_body_bytes} bytes; send several calls.", field="body"
        )

    async def json(self) -> Any:  # noqa: ANN401 - any JSON document
        """Reads a JSON body.

        Raises:
            WrongMediaType: It is not declared as JSON.
            CallerError: It is no JSON; NaN and Infinity are none either.
        """
        if self.media_type != "application/json":
            raise WrongMediaType(
                f"The body must be JSON, sent with 'content-type: application/json', not "
                f"{self.media_type[:60] or 'without a content type'!r}.",
                field="content-type",
            )
        try:
            return orjson.loads(await self.body())
        except orjson.JSONDecodeError as error:
            raise CallerError(f"The body is no JSON: {error}.", field="body", code="invalid_json") from error

    def query(self, *allowed: str) -> dict[str, str]:
        """The query's parameters.

        Raises:
            InvalidInput: One is unknown, or stands there twice.
        """
        from urllib.parse import parse_qsl  # noqa: PLC0415 - only for requests that have a query

        text = self.scope.get("query_string", b"")
        if not text:
            return {}
        found: dict[str, str] = {}
        for name, value in parse_qsl(text.decode("latin-1"), keep_blank_values=True):
            if name not in allowed:
                known = f"Known: {', '.join(allowed)}." if allowed else "This path takes none."
                raise InvalidInput(f"Unknown parameter {name[:60]!r}. {known}", field=name[:60])
            if name in found:
                raise InvalidInput(f"Parameter {name!r} is given twice.", field=name)
            found[name] = value
        return found

    def flag(self, query: Mapping[str, str], name: str) -> bool:
        """A query parameter that is `true` or `false`."""
        value = query.get(name, "false")
        if value not in ("true", "false"):
            raise InvalidInput(f"{name} must be true or false.", field=name)
        return value == "true"


Handler = Callable[[Incoming], Awaitable[Response]]
ErrorBody = Callable[[ConcordError], bytes]


@dataclass(frozen=True)
class Route:
    """A method and a path template (`/v1/tasks/{task}`) that a handler answers."""

    method: str
    template: str
    handler: Handler

    @property
    def pattern(self) -> re.Pattern[str]:
        """The template as a pattern; a part matches anything but a slash."""
        return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.template))


class Application:
    """Routes requests, turns errors into answers, and writes an access line for each.

    Args:
        routes: What is answered, the busiest first.
        error_bodies: Path prefix → how an error looks there; the empty prefix is the rule.
        start: Awaited before the first request when run under uvicorn alone.
        close: Awaited at the end, likewise.
        max_body_bytes: Longest body that is read.
        access_log: Where access lines go.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        *,
        error_bodies: Mapping[str, ErrorBody] | None = None,
        start: Callable[[], Awaitable[None]] | None = None,
        close: Callable[[], Awaitable[None]] | None = None,
        max_body_bytes: int = 1 << 20,
        access_log: AccessLog | None = None,
    ) -> None:
        self._routes = [(route.method, route.pattern, route) for route in routes]
        self._error_bodies = {"": error_body, **(error_bodies or {})}
        self._start = start
        self._close = close
        self._max_body_bytes = max_body_bytes
        self._access = access_log or AccessLog()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one ASGI connection."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        request_id = _caller_id(scope)
        template = "unknown"
        try:
            route, path = self._find(scope["method"], scope["path"])
            template = route.template
            incoming = Incoming(
                scope,
                receive,
                path,
                request_id,
                _traceparent(scope),
                self._max_body_bytes,
                is_read=route.method == "GET",
            )
            response = await _unless_gone(route.handler(incoming), incoming)
        except ConcordError as error:
            _report(error, request_id, template)
            response = self._refuse(scope["path"], error)
        except Exception:  # noqa: BLE001 - the edge: a bug becomes a 500 here, or the server hides it
            _log.exception("request failed", extra={"request_id": request_id, "route": template})
            response = self._refuse(scope["path"], ConcordError("Something went wrong here; it is logged."))
        await _send(response, request_id, send, head=scope["method"] == "HEAD")
        self._note(scope["method"], template, response.status, request_id, time.perf_counter() - began)

    def _find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        allowed = set()
        for offered, pattern, route in self._routes:
            match = pattern.fullmatch(path)
            if match:
                if offered == method or (method == "HEAD" and offered == "GET"):
                    return route, match.groupdict()
                allowed.add(offered)
        if allowed:
            raise _MethodNotAllowed(sorted(allowed))
        raise UnknownName("There is nothing at this path; /docs lists what there is.", code="unknown_path")

    def _refuse(self, path: str, error: ConcordError) -> Response:
        prefix = max((p for p in self._error_bodies if path.startswith(p)), key=len)
        headers = {}
        if isinstance(error, Overloaded):
            headers["retry-after"] = str(max(1, round(error.retry_after)))
        if isinstance(error, _MethodNotAllowed):
            headers["allow"] = ", ".join(error.allowed)
        return Response(self._error_bodies[prefix](error), error.status, headers=headers)

    def _note(self, method: str, template: str, status: int, request_id: str, seconds: float) -> None:
        metrics.HTTP_REQUESTS.labels(template, method if template != "unknown" else "any", status).inc()
        metrics.HTTP_SECONDS.labels(template).observe(seconds)
        line = {
            "request_id": request_id,
            "method": method,
            "route": template,
            "status": status,
            "ms": round(seconds * 1000, 3),
        }
        if self._access.add(line):
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._access.flush)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            if self._start:
                await self._start()
        except Exception as error:  # noqa: BLE001 - the server is told why, in its own protocol
            _log.exception("start failed")
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if self._close:
            await self._close()
        self._access.flush()
        await send({"type": "lifespan.shutdown.complete"})


class Deferred:
    """An application whose target is set before the first request, because the framework wants it earlier."""

    def __init__(self) -> None:
        self.target: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands the connection on."""
        assert self.target is not None, "The service's constructor sets it."
        await self.target(scope, receive, send)


class _MethodNotAllowed(WrongMethod):
    def __init__(self, allowed: Sequence[str]) -> None:
        super().__init__(f"This path answers {', '.join(allowed)} only.")
        self.allowed = allowed


def json_response(value: object, status: int = 200) -> Response:
    """An answer of dataclasses and plain values, as JSON."""
    return Response(orjson.dumps(value), status)


def error_body(error: ConcordError) -> bytes:
    """`{"error": {"code", "message", "field"}}`."""
    return orjson.dumps({"error": error_fields(error)})


def error_fields(error: ConcordError) -> dict[str, str | None]:
    """Code, message and field of an error."""
    return {"code": error.code, "message": error.message, "field": error.field}


class _HangUp:
    """Cancels the task that answers a request when the caller hangs up.

    Listening costs a task, so it begins only once the request has taken a while and its body is read.
    Used as a context, which lets go of everything at its end, so that no request leaves a cycle of
    references behind for the garbage collector.
    """

    __slots__ = ("_incoming", "_listener", "_task", "_timer", "noticed")

    def __init__(self, incoming: Incoming) -> None:
        self._incoming = incoming
        self._task = asyncio.current_task()
        self._timer: asyncio.TimerHandle | None = None
        self._listener: asyncio.Task[None] | None = None
        self.noticed = False

    def __enter__(self) -> Self:
        self._timer = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._begin)
        return self

    def __exit__(self, *_error: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._listener is not None:
            self._listener.cancel()
        self._timer = self._listener = self._task = None

    def _begin(self) -> None:
        if self._incoming.is_read:
            self._listener = asyncio.create_task(self._listen())
        else:
            self._timer = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._begin)

    async def _listen(self) -> None:
        while (await self._incoming.receive())["type"] != "http.disconnect":
            pass
        self.noticed = True
        if self._task is not None:
            self._task.cancel()


async def _unless_gone(work: Awaitable[Response], incoming: Incoming) -> Response:
    """Awaits the answer; if the caller hangs up meanwhile the work is cancelled."""
    with _HangUp(incoming) as hang_up:
        try:
            return await work
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not hang_up.noticed or task is None:
                raise
            task.uncancel()
            return Response(b"", CALLER_GONE)


async def _send(response: Response, request_id: str, send: Send, *, head: bool) -> None:
    headers = [
        (b"content-type", response.media_type.encode()),
        (b"content-length", str(len(response.body)).encode()),
        (b"x-request-id", request_id.encode()),
    ]
    headers += [(name.encode(), value.encode()) for name, value in response.headers.items()]
    start: Message = {"type": "http.response.start", "status": response.status, "headers": headers}
    with contextlib.suppress(OSError):
        await send(start)
        await send({"type": "http.response.body", "body": b"" if head else response.body})


def _report(error: ConcordError, request_id: str, template: str) -> None:
    """A client's mistake is INFO, ours is ERROR, a lost quorum is in between."""
    level = logging.ERROR if error.status == 500 else logging.WARNING if error.status > 500 else logging.INFO
    # Without `field`: it may be a column name of the caller's own making.
    fields = {"request_id": request_id, "route": template, "code": error.code}
    if level == logging.ERROR:
        fields["reason"] = error.message
    _log.log(level, "request refused", extra=fields)


def _caller_id(scope: Scope) -> str:
    stated = _header(scope, b"x-request-id")
    return stated if stated and _REQUEST_ID.fullmatch(stated) else secrets.token_hex(8)


def _traceparent(scope: Scope) -> str | None:
    stated = _header(scope, b"traceparent")
    return stated if stated and _TRACEPARENT.fullmatch(stated) else None


def _header(scope: Scope, name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)
