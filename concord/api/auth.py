"""Who may do what over HTTP: the token that a request shows, and the rights that it has.

Answers and what everybody may see stay open. Labels and administration always need a token; rounds
need one as soon as some token's right it is to read them.
"""

from concord.errors import Forbidden
from concord.http.application import Handler
from concord.http.request import Request, Response
from concord.http.tokens import Token, Tokens


class Access:
    """Asks requests for their tokens.

    Args:
        tokens: The tokens that are known.
    """

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def labeller(self, incoming: Request) -> Token:
        """The token of a request that labels; which tasks it may label is asked of each label."""
        token = self._token(incoming)
        if not token.labels:
            raise _forbidden(token, "Labels need one that labels the round's task.")
        return token

    def administrator(self, incoming: Request) -> Token:
        """The token of a request that changes nodes' standing or stake."""
        token = self._token(incoming)
        if not token.administers:
            raise _forbidden(token, "This needs one that administers.")
        return token

    def administering(self, handler: Handler) -> Handler:
        """A handler for administrators alone."""

        async def guarded(incoming: Request) -> Response:
            self.administrator(incoming)
            return await handler(incoming)

        return guarded

    def reading(self, handler: Handler) -> Handler:
        """A handler that is open as long as no token's right it is to read rounds."""

        async def guarded(incoming: Request) -> Response:
            if self._tokens.guard_rounds:
                token = self._token(incoming)
                if not (token.reads or token.administers):
                    raise _forbidden(token, "Rounds need one that reads.")
            return await handler(incoming)

        return guarded

    def _token(self, incoming: Request) -> Token:
        return self._tokens.bearer(incoming.header("authorization"))


def _forbidden(token: Token, needed: str) -> Forbidden:
    return Forbidden(f"Token {token.name} {token.rights}. {needed}", field="authorization")
