"""`/openapi.json` and `/docs`: what this API answers, for machines and for people."""

from collections.abc import Sequence
from typing import Final

from concord import __version__
from concord.api.docs import render_page
from concord.api.endpoint import Endpoint, Undocumented
from concord.api.openapi import build_document
from concord.api.params import Schema
from concord.api.rights import OpenRights
from concord.http.application import json_response
from concord.http.request import Request, Response
from concord.service import Service

_ITSELF: Final = Undocumented("It is the documentation.")
_WITHOUT_SLASH: Final = Undocumented("It leads to the documentation, whose links are relative to a folder.")


class Documentation:
    """Describes the endpoints of one service.

    Args:
        service: The service; its tasks have paths of their own.
        open_rights: Decide what needs a token.
        described: All endpoints but these.
    """

    def __init__(self, service: Service, open_rights: OpenRights, described: Sequence[Endpoint]) -> None:
        self._service, self._open, self._described = service, open_rights, described

    def endpoints(self) -> list[Endpoint]:
        """The documentation, which does not describe itself."""
        root = self._service.settings.root_path
        return [
            *([Endpoint("GET", root, self.redirect, _WITHOUT_SLASH)] if root else []),
            Endpoint("GET", "/openapi.json", self.get_openapi, _ITSELF),
            Endpoint("GET", "/docs", self.get_docs, _ITSELF),
            Endpoint("GET", "/", self.get_docs, _ITSELF),
        ]

    async def get_openapi(self, _request: Request) -> Response:
        """The OpenAPI document."""
        return json_response(self._build_document())

    async def get_docs(self, _request: Request) -> Response:
        """The same as a page."""
        return Response(render_page(self._build_document()).encode(), media_type="text/html; charset=utf-8")

    async def redirect(self, _request: Request) -> Response:
        """From the root path to the page below it."""
        return Response(b"", 308, headers={"location": f"{self._service.settings.root_path}/"})

    def _build_document(self) -> Schema:
        document = build_document(
            self._described, self._service.ensembles, __version__, is_open=self._open.is_optional
        )
        root = self._service.settings.root_path
        return {**document, "servers": [{"url": root}]} if root else document
