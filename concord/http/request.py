"""One HTTP request, its response, and the cancellation of its work when the caller hangs up.

A body is read up to a limit and taken for what its content type says; an unknown parameter is refused.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self
from urllib.parse import parse_qsl

import orjson
from starlette.types import Receive, Scope

from concord.errors import BodyTooLarge, CallerError, InvalidInput, WrongMediaType
from concord.http.decompression import decompress
from concord.http.tokens import Token
from concord.util.client_address import NOWHERE

LISTEN_AFTER_SECONDS: Final = 0.05
"""How long a request takes before it listens for its caller hanging up, at least."""

CALLER_GONE: Final = 499
"""Status of a request whose caller hung up, in logs and metrics (nginx's convention)."""


def _admit_all(_count: int) -> None:
    """Without limits every number of rows is admitted."""


@dataclass(slots=True)
class Response:
    """An answer: body, status, media type, and headers beside those that every answer has."""

    body: bytes
    status: int = 200
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Request:
    """A request whose route is known: headers, query, the parts of its path, its ids, and its body."""

    headers: Mapping[bytes, bytes]
    query_string: bytes
    receive: Receive
    path: Mapping[str, str]
    request_id: str
    traceparent: str | None
    max_body_bytes: int
    is_read: bool
    """Whether the body has been read (or there is none), so that only a hang-up can still arrive."""
    address: str = NOWHERE
    """The caller's, through proxies that are trusted."""
    token: Token | None = None
    """The caller's token, where a known one is shown."""
    take_rows: Callable[[int], None] = _admit_all
    """Counts rows against the caller's rate; raises `RateLimited`."""

    @property
    def required_token(self) -> Token:
        """The token, where the endpoint needs one."""
        assert self.token is not None, "The guard of an endpoint with a right has set it."
        return self.token

    def header(self, name: str) -> str | None:
        """The first header of that name (in lower case)."""
        return text_of(self.headers, name.encode())

    @property
    def media_type(self) -> str:
        """The body's media type, without its parameters."""
        return (self.header("content-type") or "").partition(";")[0].strip().lower()

    async def body(self) -> bytes:
        """Reads the body.

        Raises:
            BodyTooLarge: It is longer than allowed, as it came or decompressed; the rest is not read.
            WrongMediaType: It is compressed otherwise than with gzip or deflate.
        """
        length = self.header("content-length")
        if length and length.isdigit() and int(length) > self.max_body_bytes:
            raise self._too_large()
        message = await self.receive()
        body = bytes(message.get("body", b""))
        while message.get("more_body") and len(body) <= self.max_body_bytes:
            message = await self.receive()
            body += message.get("body", b"")
        if len(body) > self.max_body_bytes:
            raise self._too_large()
        if message["type"] == "http.disconnect":
            raise CallerError("The caller hung up before the body's end.")
        self.is_read = True
        coding = self.header("content-encoding")
        return body if coding is None else decompress(body, coding, self.max_body_bytes)

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
        return parse_json(await self.body())

    def query(self, *allowed: str) -> dict[str, str]:
        """The query's parameters.

        Raises:
            InvalidInput: One is unknown, or is given twice.
        """
        if not self.query_string:
            return {}
        query: dict[str, str] = {}
        for name, value in parse_qsl(self.query_string.decode("latin-1"), keep_blank_values=True):
            if name not in allowed:
                known = f"Known: {', '.join(allowed)}." if allowed else "This path takes none."
                raise InvalidInput(f"Unknown parameter {name[:60]!r}. {known}", field=name[:60])
            if name in query:
                raise InvalidInput(f"Parameter {name!r} is given twice.", field=name)
            query[name] = value
        return query

    def flag(self, query: Mapping[str, str], name: str) -> bool:
        """A query parameter that is `true` or `false`."""
        value = query.get(name, "false")
        if value not in ("true", "false"):
            raise InvalidInput(f"{name} must be true or false.", field=name)
        return value == "true"


def parse_json(body: bytes) -> Any:  # noqa: ANN401 - any JSON document
    """Reads a JSON document.

    Raises:
        CallerError: It is no JSON; NaN and Infinity are none either.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise CallerError(f"The body is no JSON: {error}.", field="body", code="invalid_json") from error


def object_body(body: object, *fields: str, form: str | None = None) -> dict[str, Any]:
    """A body that is an object with no other fields than these.

    Args:
        body: The JSON document.
        fields: The fields that are allowed.
        form: How the body looks, for the refusal of one that is no object; lists the fields unless given.

    Raises:
        InvalidInput: It is no object, or has an unknown field.
    """
    if not isinstance(body, dict):
        raise InvalidInput(f"The body must be an object{form or ' with ' + ', '.join(fields)}.", field="body")
    unknown = next((str(name)[:60] for name in body if name not in fields), None)
    if unknown is not None:
        known = f"known: {', '.join(fields)}" if len(fields) > 1 else f"the body has one field, '{fields[0]}'"
        raise InvalidInput(f"Unknown field {unknown!r}; {known}.", field=unknown)
    return body


class HangUpWatch:
    """Has an application's slow requests listen for a hang-up.

    One timer serves all requests: a timer for each would cost more than all else that a hang-up needs.
    """

    def __init__(self) -> None:
        self._new: dict[HangUp, None] = {}
        self._old: dict[HangUp, None] = {}
        self._ticking = False

    def add(self, request: "HangUp") -> None:
        """Begins to watch a request; it listens after one to two times `LISTEN_AFTER_SECONDS`."""
        self._new[request] = None
        if not self._ticking:
            self._tick()

    def remove(self, request: "HangUp") -> None:
        """The request is answered."""
        if self._new.pop(request, self) is self:
            self._old.pop(request, None)

    def _tick(self) -> None:
        for request in self._old:
            request.listen()
        waiting = {request: None for request in self._old if not request.listens}
        self._old, self._new = self._new | waiting, {}
        self._ticking = bool(self._old)
        if self._ticking:
            asyncio.get_running_loop().call_later(LISTEN_AFTER_SECONDS, self._tick)


class HangUp:
    """Cancels the task that answers a request when the caller hangs up.

    Listening costs a task, so it begins only once the request has taken a while and its body is read. It is
    a context manager that drops its references at the end, so that no request leaves a cycle for the
    garbage collector.
    """

    __slots__ = ("_listener", "_request", "_task", "_watch", "noticed")

    def __init__(self, request: Request, watch: HangUpWatch) -> None:
        self._request = request
        self._watch = watch
        self._task = asyncio.current_task()
        self._listener: asyncio.Task[None] | None = None
        self.noticed = False

    def __enter__(self) -> Self:
        self._watch.add(self)
        return self

    def __exit__(self, *_error: object) -> None:
        self._watch.remove(self)
        if self._listener is not None:
            self._listener.cancel()
        self._listener = self._task = None

    @property
    def listens(self) -> bool:
        """Whether it would notice a hang-up."""
        return self._listener is not None

    def listen(self) -> None:
        """Begins to listen, if only a hang-up can still arrive."""
        if self._request.is_read:
            self._listener = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
        self.noticed = True
        if self._task is not None:
            self._task.cancel()


async def unless_gone(work: Awaitable[Response], request: Request, watch: HangUpWatch) -> Response:
    """Awaits the answer; if the caller hangs up meanwhile the work is cancelled."""
    with HangUp(request, watch) as hang_up:
        try:
            return await work
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not hang_up.noticed or task is None:
                raise
            task.uncancel()
            return Response(b"", CALLER_GONE)


def headers_of(scope: Scope) -> dict[bytes, bytes]:
    """A request's headers by their names in lower case; of several, the first."""
    return dict(reversed(scope["headers"]))


def text_of(headers: Mapping[bytes, bytes], name: bytes) -> str | None:
    """The header of that name, or None."""
    value = headers.get(name)
    return None if value is None else value.decode("latin-1")
