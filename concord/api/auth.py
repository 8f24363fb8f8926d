"""Access rights over HTTP: the token of a request, and the right that its endpoint needs.

Predictions and public facts are open. Labels and administration always need a token; rounds need one
as soon as any token has the right to read them.
"""

from typing import Final, Literal

from concord.errors import Forbidden
from concord.http.application import Handler
from concord.http.request import Request, Response
from concord.http.tokens import Tokens

Right = Literal["label", "read", "administer"]

_REMEDIES: Final = {
    "label": "Labels need one that labels the round's task.",
    "read": "Rounds need one that reads.",
    "administer": "This needs one that administers.",
}


class Access:
    """Guards handlers by the rights of tokens.

    Args:
        tokens: The tokens of this service.
    """

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def guard(self, handler: Handler, right: Right | None) -> Handler:
        """The handler behind a check of the request's token; `request.token` is set then."""
        if right is None:
            return handler

        async def guarded(request: Request) -> Response:
            self._check(request, right)
            return await handler(request)

        return guarded

    def _check(self, request: Request, right: Right) -> None:
        """Checks the token; which tasks it may label is checked for each label."""
        if right == "read" and not self._tokens.guard_rounds:
            return
        request.token = token = self._tokens.bearer(request.header("authorization"))
        rights = {
            "label": bool(token.labels),
            "read": token.reads or token.administers,
            "administer": token.administers,
        }
        if not rights[right]:
            raise Forbidden(f"Token {token.name} {token.rights}. {_REMEDIES[right]}", field="authorization")
