"""One HTTP request, its response, and the cancellation of its work when the caller hangs up.

A body is read up to a limit and taken for what its content type says; an unknown parameter is refused.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self
from urllib.parse import parse_qsl

import orjson
from starlette.types import Message, Receive, Scope

from concord.errors import BodyTooLarge, CallerError, InvalidInput, WrongMediaType
from concord.http.decompression import decompress
from concord.http.tokens import Token
from concord.util.client_address import NOWHERE, caller_key
from concord.util.slices import LARGE_BYTES, NEW, turn_for

LISTEN_AFTER_SECONDS: Final = 0.05
"""How long a request takes before it listens for its caller hanging up, at least."""

MOST_CONTAINERS: Final = 20_000
"""Lists and objects of a JSON body: twice those of the largest call. A million empty ones take 0.1 s."""

MOST_PARAMETERS: Final = 32
"""Parameters of a query that are read; no path takes half as many."""

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

    @property
    def caller(self) -> str:
        """Who asks, as far as is known: a token's name, else an address."""
        return self.token.name if self.token is not None else caller_key(self.address)

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
        if message.get("more_body"):
            body, message = await self._rest(body)
        if len(body) > self.max_body_bytes:
            raise self._too_large()
        if message["type"] == "http.disconnect":
            raise CallerError("The caller hung up before the body's end.")
        self.is_read = True
        coding = self.header("content-encoding")
        return body if coding is None else decompress(body, coding, self.max_body_bytes)

    async def _rest(self, first: bytes) -> tuple[bytes, Message]:
        """The body whose first part this is, up to the limit, and the message that came last."""
        # Small parts are not copied with each one that follows.
        body, message = bytearray(first), await self.receive()
        body += message.get("body", b"")
        while message.get("more_body") and len(body) <= self.max_body_bytes:
            message = await self.receive()
            body += message.get("body", b"")
        return bytes(body), message

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
        return (await self._json())[1]

    async def strict_json(self) -> Any:  # noqa: ANN401 - any JSON document
        """Reads a JSON body in which no object names a field twice: for what changes labels, stake, versions.

        Of two equal names a parser keeps one, and the sender may have meant the other.

        Raises:
            WrongMediaType: It is not declared as JSON.
            CallerError: It is no JSON; NaN and Infinity are none either.
            InvalidInput: A field is given twice.
        """
        body, document = await self._json()
        if len(body) < LARGE_BYTES:
            check_names(body)
        else:
            await asyncio.to_thread(check_names, body)
        return document

    async def _json(self) -> tuple[bytes, Any]:
        self._check_json()
        body = await self.body()
        await turn_for(len(body), NEW)
        return body, parse_json(body)

    def _check_json(self) -> None:
        if self.media_type != "application/json":
            raise WrongMediaType(
                f"The body must be JSON, sent with 'content-type: application/json', not "
                f"{self.media_type[:60] or 'without a content type'!r}.",
                field="content-type",
            )

    def query(self, *allowed: str) -> dict[str, str]:
        """The query's parameters.

        Raises:
            InvalidInput: One is unknown, or is given twice, or there are too many to read them.
        """
        if not self.query_string:
            return {}
        if self.query_string.count(b"&") > MOST_PARAMETERS:
            raise InvalidInput(f"A path takes at most {MOST_PARAMETERS} parameters.", field="query")
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
        CallerError: It is no JSON, or has too many parts; NaN and Infinity are no JSON either.
    """
    if len(body) >= LARGE_BYTES and body.count(b"{") + body.count(b"[") > MOST_CONTAINERS:
        raise CallerError(
            f"The body has more than {MOST_CONTAINERS:,} lists and objects; send several calls.",
            field="body",
            code="invalid_json",
        )
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise CallerError(f"The body is no JSON: {error}.", field="body", code="invalid_json") from error


def check_names(body: bytes) -> None:
    """Checks that no object of a JSON document names a field twice.

    Raises:
        InvalidInput: One does.
        CallerError: It is nested too deeply to check.
    """
    try:
        # The numbers do not matter here, and a long one takes long to read.
        json.loads(body, object_pairs_hook=_check_pairs, parse_int=str, parse_float=str)
    except RecursionError as error:
        raise CallerError("The body is nested too deeply.", field="body", code="invalid_json") from error


def _check_pairs(pairs: list[tuple[str, object]]) -> None:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        name = Counter(names).most_common(1)[0][0]
        raise InvalidInput(f"The field {name[:60]!r} is given twice; say which is meant.", field=name[:60])


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
