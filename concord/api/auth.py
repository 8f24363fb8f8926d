"""Access rights over HTTP: which endpoints need a token, and which right the token must have.

Predictions and public facts are open. Labels and administration always need a token; rounds need one
as soon as any token has the right to read them.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from concord.errors import Forbidden
from concord.http.application import Handler
from concord.http.request import Request, Response
from concord.http.tokens import Token, Tokens

TokenHandler = Callable[[Request, Token], Awaitable[Response]]
"""A handler that is given the caller's token."""

Security = Literal["none", "optional", "required"]
"""Whether a token is needed: `optional` as long as no token has the right to read."""


@dataclass(frozen=True, slots=True)
class GuardedHandler:
    """A handler behind a check of the caller's token.

    Attributes:
        handler: Checks the token, then answers.
        security: Whether a token is needed.
    """

    handler: Handler
    security: Security


class Access:
    """Guards handlers by the rights of tokens.

    Args:
        tokens: The tokens of this service.
    """

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def for_labellers(self, handler: TokenHandler) -> GuardedHandler:
        """For tokens that label; the handler checks the task of each label."""

        async def guarded(request: Request) -> Response:
            token = self._token(request)
            if not token.labels:
                raise _forbidden(token, "Labels need one that labels the round's task.")
            return await handler(request, token)

        return GuardedHandler(guarded, "required")

    def for_administrators(self, handler: TokenHandler) -> GuardedHandler:
        """For tokens that administer."""

        async def guarded(request: Request) -> Response:
            token = self._token(request)
            if not token.administers:
                raise _forbidden(token, "This needs one that administers.")
            return await handler(request, token)

        return GuardedHandler(guarded, "required")

    def for_readers(self, handler: Handler) -> GuardedHandler:
        """For tokens that read rounds; open as long as no token has that right."""

        async def guarded(request: Request) -> Response:
            if self._tokens.guard_rounds:
                token = self._token(request)
                if not (token.reads or token.administers):
                    raise _forbidden(token, "Rounds need one that reads.")
            return await handler(request)

        return GuardedHandler(guarded, "optional")

    def _token(self, request: Request) -> Token:
        return self._tokens.bearer(request.header("authorization"))


def _forbidden(token: Token, remedy: str) -> Forbidden:
    return Forbidden(f"Token {token.name} {token.rights}. {remedy}", field="authorization")
