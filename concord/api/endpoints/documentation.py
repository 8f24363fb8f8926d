"""`/openapi.json` and `/docs`: what this API answers, for machines and for people."""

from collections.abc import Sequence
from typing import Final

from concord import __version__
from concord.api.docs import page
from concord.api.endpoint import Endpoint, Undocumented
from concord.api.openapi import document
from concord.api.params import Schema
from concord.http.application import json_response
from concord.http.request import Request, Response
from concord.http.tokens import Tokens
from concord.service import Service

_ITSELF: Final = Undocumented("It is the documentation.")


class Documentation:
    """Describes the endpoints of one service.

    Args:
        service: The service; its tasks have paths of their own.
        tokens: Whether there are any decides what needs one.
        described: All endpoints but these.
    """

    def __init__(self, service: Service, tokens: Tokens, described: Sequence[Endpoint]) -> None:
        self._service, self._tokens, self._described = service, tokens, described

    def endpoints(self) -> list[Endpoint]:
        """The documentation, which does not describe itself."""
        return [
            Endpoint("GET", "/openapi.json", self.openapi, _ITSELF),
            Endpoint("GET", "/docs", self.docs, _ITSELF),
            Endpoint("GET", "/", self.docs, _ITSELF),
        ]

    async def openapi(self, request: Request) -> Response:
        """The OpenAPI document."""
        request.query()
        return json_response(self._document())

    async def docs(self, request: Request) -> Response:
        """The same as a page."""
        request.query()
        return Response(page(self._document()).encode(), media_type="text/html; charset=utf-8")

    def _document(self) -> Schema:
        secured = not self._tokens.are_off
        return document(self._described, self._service.ensembles, __version__, secured=secured)
