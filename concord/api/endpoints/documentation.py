"""`/openapi.json` and `/docs`: what this API answers, for machines and for people.

Both take some 70 ms to build, so they are built once for each state of tasks and tokens, in a thread.
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import orjson

from concord import __version__
from concord.api.docs import render_page
from concord.api.endpoint import Endpoint, Undocumented
from concord.api.openapi import build_document
from concord.api.rights import HOLDERS, OpenRights, Right
from concord.errors import ConcordError
from concord.http.request import Request, Response
from concord.service import Service
from concord.tasks.schema import TaskSchema

_ITSELF: Final = Undocumented("It is the documentation.")
_WITHOUT_SLASH: Final = Undocumented("It leads to the documentation, whose links are relative to a folder.")
_NOT_MODIFIED: Final = 304
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
"""The page has a style of its own, loads nothing, and is shown within no other."""


class _State(NamedTuple):
    """What the document depends on: the rights that take no token, and the digest of each task's schema."""

    optional: frozenset[Right]
    digests: tuple[tuple[str, str], ...]


class _Built(NamedTuple):
    """The document and the page of one state, each with its entity tag."""

    state: _State
    document: Response
    page: Response


class Documentation:
    """Describes the endpoints of one service.

    Args:
        service: The service; its tasks have paths of their own.
        open_rights: Decide what needs a token.
        described: All endpoints but these.
    """

    def __init__(self, service: Service, open_rights: OpenRights, described: Sequence[Endpoint]) -> None:
        self._service, self._open, self._described = service, open_rights, described
        self._root = service.settings.root_path
        self._building = asyncio.Lock()
        self._built: _Built | None = None

    def endpoints(self) -> list[Endpoint]:
        """The documentation, which does not describe itself."""
        return [
            *([Endpoint("GET", self._root, self.redirect, _WITHOUT_SLASH)] if self._root else []),
            Endpoint("GET", "/openapi.json", self.get_openapi, _ITSELF),
            Endpoint("GET", "/docs", self.get_docs, _ITSELF),
            Endpoint("GET", "/", self.get_docs, _ITSELF),
        ]

    async def get_openapi(self, request: Request) -> Response:
        """The OpenAPI document."""
        return _unless_known(request, (await self._current()).document)

    async def get_docs(self, request: Request) -> Response:
        """The same as a page."""
        return _unless_known(request, (await self._current()).page)

    async def redirect(self, _request: Request) -> Response:
        """From the root path to the page below it."""
        return Response(b"", 308, headers={"location": f"{self._root}/"})

    async def _current(self) -> _Built:
        async with self._building:
            schemas = self._schemas()
            digests = tuple((task, schema.digest) for task, schema in schemas.items())
            optional = frozenset(right for right in HOLDERS if self._open.is_optional(right))
            state = _State(optional, digests)
            if self._built is None or self._built.state != state:
                self._built = await asyncio.to_thread(self._build, state, schemas)
            return self._built

    def _schemas(self) -> dict[str, TaskSchema]:
        """The schemas that are known now."""
        schemas = {}
        for task in self._service.ensembles.names():
            try:
                schemas[task] = self._service.ensembles.schema(task)
            except ConcordError:
                continue
        return schemas

    def _build(self, state: _State, schemas: Mapping[str, TaskSchema]) -> _Built:
        document = build_document(
            self._described,
            schemas,
            __version__,
            is_open=lambda right: right is None or right in state.optional,
        )
        if self._root:
            document = {**document, "servers": [{"url": self._root}]}
        page = render_page(document).encode()
        return _Built(
            state,
            _tagged(orjson.dumps(document), "application/json"),
            _tagged(page, "text/html; charset=utf-8", {"content-security-policy": _POLICY}),
        )


def _tagged(body: bytes, media_type: str, others: Mapping[str, str] | None = None) -> Response:
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    # Asked for anew each time, since tasks and tokens come and go, and then answered in a few bytes.
    headers = {"etag": tag, "cache-control": "no-cache", **(others or {})}
    return Response(body, media_type=media_type, headers=headers)


def _unless_known(request: Request, response: Response) -> Response:
    """The response, or 304 where the caller has it already."""
    known = request.header("if-none-match") or ""
    if response.headers["etag"] not in (tag.strip().removeprefix("W/") for tag in known.split(",")):
        return response
    return Response(b"", _NOT_MODIFIED, response.media_type, response.headers)
