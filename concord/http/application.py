"""The ASGI application of nodes and consensus service: routes, request ids, errors, access lines.

It runs mounted in a BentoML service and under uvicorn alone. Each error is turned into an answer in one
place. No value that a caller sent is logged, and routes are counted by their template, not by their path.
"""

import asyncio
import contextlib
import logging
import math
import os
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import orjson
from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from concord.errors import (
    ConcordError,
    Overloaded,
    RateLimited,
    Unauthorized,
    UnknownHost,
    UnknownName,
    WrongMethod,
)
from concord.http.graceful_shutdown import Drain
from concord.http.request import HangUpWatch, Request, Response, headers_of, text_of, unless_gone
from concord.observability import metrics
from concord.observability.logs import FLUSH_SECONDS, AccessLog
from concord.util.client_address import TrustedProxies
from concord.util.host_names import HostNames
from concord.util.slices import turns

ONE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""A caller's id for its request; one of another form is replaced."""

SHARED_IDS = re.compile(r"[A-Za-z0-9._-]{1,64}(,[A-Za-z0-9._-]{1,64}){0,31}")
"""The ids of the requests that share a call to a node."""

UNKNOWN: Final = "unknown"
"""The route, in logs and metrics, of a path that has none; its method may be any text."""

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

_log = logging.getLogger(__name__)


Handler = Callable[[Request], Awaitable[Response]]
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
        error_bodies: Path prefix → body of an error there; `error_body` elsewhere.
        start: Awaited before the first request when run under uvicorn alone.
        close: Awaited at the end, likewise.
        max_body_bytes: Longest body that is read.
        access_log: Where access lines go.
        request_ids: What a caller's id may look like.
        drain: Whether each answer closes its connection, because the process will end.
        root_path: A path that a reverse proxy may leave before each route's.
        hosts: Names under which it is asked.
        proxies: Proxies whose word on the caller's address is believed.
    """

    def __init__(  # noqa: PLR0913 - each has a default that tests of one thing keep
        self,
        routes: Sequence[Route],
        *,
        error_bodies: Mapping[str, ErrorBody] | None = None,
        start: Callable[[], Awaitable[None]] | None = None,
        close: Callable[[], Awaitable[None]] | None = None,
        max_body_bytes: int = 1 << 20,
        access_log: AccessLog | None = None,
        request_ids: re.Pattern[str] = ONE_ID,
        drain: Drain | None = None,
        root_path: str = "",
        hosts: HostNames | None = None,
        proxies: TrustedProxies | None = None,
    ) -> None:
        self._routes = [(route.method, route.pattern, route) for route in routes]
        self._paths = _name_paths([route.template for route in routes])
        self._error_bodies = {"": error_body, **(error_bodies or {})}
        self._start = start
        self._close = close
        self._max_body_bytes = max_body_bytes
        self._access = access_log or AccessLog()
        self._request_ids = request_ids
        self._drain = drain or Drain(None)
        self._watch = HangUpWatch()
        self._root_path = root_path
        self._hosts = hosts or HostNames()
        self._proxies = proxies or TrustedProxies()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one ASGI connection."""
        if scope["type"] == "lifespan":
            await self._run_lifespan(receive, send)
        elif scope["type"] == "http":
            here = turns()
            here.requests += 1
            try:
                await self._answer(scope, receive, send)
            finally:
                here.requests -= 1

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        headers = headers_of(scope)
        request_id, traceparent = self._caller_id(headers), _traceparent(headers)
        template, asked = UNKNOWN, self._path(scope["path"])
        address, request = self._proxies.client(_peer(scope), scope["headers"]), None
        try:
            self._check_host(headers.get(b"host"))
            route, path = self._find(scope["method"], asked)
            template = route.template
            query, is_read = scope.get("query_string", b""), route.method == "GET"
            request = Request(
                headers,
                query,
                receive,
                path,
                request_id,
                traceparent,
                self._max_body_bytes,
                is_read,
                address,
            )
            response = await unless_gone(route.handler(request), request, self._watch)
        except ConcordError as error:
            _report(error, request_id, template)
            response = self._refuse(asked, error)
        except Exception:  # noqa: BLE001 - the edge: a bug becomes a 500 here, or the server hides it
            _log.exception("request failed", extra={"request_id": request_id, "route": template})
            response = self._refuse(asked, ConcordError("Something went wrong here; it is logged."))
        if self._drain.is_on:
            response = replace(response, headers={**response.headers, "connection": "close"})
        await _send(response, request_id, send, head=scope["method"] == "HEAD")
        seconds = time.perf_counter() - began
        method = scope["method"] if template != UNKNOWN else "any"
        requests, durations = _route_metrics(template, method, response.status)
        requests.inc()
        durations.observe(seconds)
        who = {"address": address, "token": request.token.name if request and request.token else None}
        self._log_access(scope["method"], template, response.status, seconds, request_id, traceparent, who)

    def _check_host(self, host: bytes | None) -> None:
        if not self._hosts.admit(host):
            metrics.HOST_REFUSALS.inc()
            shown = (host or b"").decode("latin-1")[:60]
            raise UnknownHost(
                f"This service is not asked under the name {shown!r}. Where it is one of its own, an "
                "operator adds it to CONCORD_HOSTS.",
                field="host",
            )

    def _path(self, path: str) -> str:
        """The path without the root path."""
        root = self._root_path
        return path[len(root) :] if root and path.startswith(f"{root}/") else path

    def _find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        allowed = set()
        for offered, pattern, route in self._routes:
            match = pattern.fullmatch(path)
            if match:
                if offered == method or (method == "HEAD" and offered == "GET"):
                    return route, match.groupdict()
                allowed.add(offered)
        if allowed:
            raise WrongMethod(sorted(allowed))
        raise UnknownName(f"There is nothing at this path; {self._paths}.", code="unknown_path")

    def _refuse(self, path: str, error: ConcordError) -> Response:
        prefix = max((p for p in self._error_bodies if path.startswith(p)), key=len)
        headers = {}
        if isinstance(error, Overloaded):
            headers["retry-after"] = str(max(1, math.ceil(error.retry_after)))
        if isinstance(error, RateLimited):
            headers |= _limit_headers(error)
        if isinstance(error, Unauthorized):
            headers["www-authenticate"] = "Bearer"
        if isinstance(error, WrongMethod):
            headers["allow"] = ", ".join(error.allowed)
        return Response(self._error_bodies[prefix](error), error.status, headers=headers)

    def _log_access(
        self,
        method: str,
        route: str,
        status: int,
        seconds: float,
        request_id: str,
        traceparent: str | None,
        who: Mapping[str, str | None],
    ) -> None:
        line = {
            "request_id": request_id,
            "method": method,
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 3),
            **who,
        }
        if self._access.add(line | {"traceparent": traceparent} if traceparent else line):
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._access.flush)

    def _caller_id(self, headers: Mapping[bytes, bytes]) -> str:
        stated = text_of(headers, b"x-request-id")
        return stated if stated and self._request_ids.fullmatch(stated) else os.urandom(8).hex()

    async def _run_lifespan(self, receive: Receive, send: Send) -> None:
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


@lru_cache
def _route_metrics(template: str, method: str, status: int) -> tuple[Counter, Histogram]:
    """A route's metrics with their labels bound."""
    return metrics.HTTP_REQUESTS.labels(template, method, status), metrics.HTTP_SECONDS.labels(template)


class DeferredApplication:
    """An application that is set before the first request, because BentoML mounts one at import."""

    def __init__(self) -> None:
        self.target: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands the connection on."""
        assert self.target is not None, "The service's constructor sets it."
        await self.target(scope, receive, send)


def _peer(scope: Scope) -> str | None:
    """The address at the other end of the connection."""
    client = scope.get("client")
    return client[0] if client else None


def _limit_headers(error: RateLimited) -> dict[str, str]:
    """The limit in the fields of draft-ietf-httpapi-ratelimit-headers-10."""
    quota, window = math.floor(error.quota), math.ceil(error.window)
    return {
        "ratelimit-policy": f'"{error.policy}";q={quota};w={window}',
        "ratelimit": f'"{error.policy}";r=0;t={max(1, math.ceil(error.retry_after))}',
    }


def json_response(value: object, status: int = 200) -> Response:
    """An answer of dataclasses and plain values, as JSON."""
    return Response(orjson.dumps(value), status)


def error_body(error: ConcordError) -> bytes:
    """`{"error": {"code", "message", "field"}}`."""
    return orjson.dumps({"error": error_fields(error)})


def error_fields(error: ConcordError) -> dict[str, str | None]:
    """Code, message and field of an error."""
    return {"code": error.code, "message": error.message, "field": error.field}


async def _send(response: Response, request_id: str, send: Send, *, head: bool) -> None:
    headers = [
        (b"content-type", response.media_type.encode()),
        (b"content-length", str(len(response.body)).encode()),
        (b"x-request-id", request_id.encode()),
        # No browser is to take an answer for anything else than what it is declared as.
        (b"x-content-type-options", b"nosniff"),
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


def _name_paths(templates: Sequence[str]) -> str:
    """Where to find what there is; a service without documentation names its paths."""
    if "/docs" in templates:
        return "/docs lists what there is"
    return f"there are {', '.join(dict.fromkeys(templates))}"


def _traceparent(headers: Mapping[bytes, bytes]) -> str | None:
    traceparent = text_of(headers, b"traceparent")
    return traceparent if traceparent and _TRACEPARENT.fullmatch(traceparent) else None
