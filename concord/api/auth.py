"""Access over HTTP: who asks, whether its rate allows it, and the right that the endpoint needs.

A caller is its token, if it shows one that is known, else its address. A wrong token counts against the
address, so that nobody tries many. Probes and metrics are neither counted nor refused.
"""

from collections.abc import Awaitable
from functools import partial
from typing import Final

from concord.api.rights import OpenRights, Right, may
from concord.errors import Forbidden, Unauthorized
from concord.http.application import Handler
from concord.http.rates import Bucket, Rates
from concord.http.request import Request, Response
from concord.http.tokens import Token, Tokens
from concord.util.client_address import caller_key

UNCOUNTED: Final = frozenset({"/livez", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"})
"""What probes and scrapers ask: refusing them would end a pod, or its figures, when it is busiest."""

_REMEDIES: Final = {
    "predict": "Predictions need one that predicts the task.",
    "label": "Labels need one that labels the round's task.",
    "read": "Rounds need one that reads.",
    "administer": "This needs one that administers.",
}


class Access:
    """Guards handlers by rates and by the rights of tokens.

    Args:
        tokens: The tokens of this service.
        open_rights: What takes no token.
        rates: How much a caller may ask.
    """

    def __init__(self, tokens: Tokens, open_rights: OpenRights, rates: Rates) -> None:
        self._tokens, self._open, self._rates = tokens, open_rights, rates

    def guard(self, handler: Handler, right: Right | None, path: str) -> Handler:
        """The handler behind checks of the caller; `request.token` is set where a known one is shown.

        Args:
            handler: Answers the endpoint.
            right: What the endpoint needs.
            path: Its template.
        """
        if path in UNCOUNTED:
            return handler

        is_settled = self._open.is_settled(right)
        is_open = is_settled and self._open.includes(right)

        # No coroutine of its own: that would cost each request about a microsecond.
        def guarded(request: Request) -> Awaitable[Response]:
            opened = is_open if is_settled else self._open.includes(right)
            self._identify(request, right, is_open=opened)
            return handler(request)

        return guarded

    def _identify(self, request: Request, right: Right | None, *, is_open: bool) -> None:
        """Counts the request, and refuses a caller that has not the right."""
        authorization = request.headers.get(b"authorization")
        refusal: Unauthorized | Forbidden | None = None
        if not is_open:
            try:
                request.token = self._tokens.bearer(_text(authorization))
            except (Unauthorized, Forbidden) as error:
                refusal = error
        elif authorization is not None:
            request.token = self._tokens.recognize(_text(authorization))
        if not self._rates.are_off:
            bucket = self._bucket(request)
            self._rates.take_request(bucket)
            request.take_rows = partial(self._rates.take_rows, bucket)
        if refusal is not None:
            raise refusal
        if right is not None and not is_open:
            _check(request.required_token, right, request.path.get("task"))

    def _bucket(self, request: Request) -> Bucket:
        if request.token is not None:
            return self._rates.of_token(request.token.name)
        return self._rates.of_address(caller_key(request.address))


def _text(header: bytes | None) -> str | None:
    return None if header is None else header.decode("latin-1")


def _check(token: Token, right: Right, task: str | None) -> None:
    """Checks the token; which tasks it may label is checked for each label."""
    if not may(token, right):
        raise Forbidden(f"Token {token.name} {token.rights}. {_REMEDIES[right]}", field="authorization")
    if right == "predict" and task is not None and not token.may_predict(task):
        raise Forbidden(
            f"Token {token.name} {token.rights}, and not {task[:64]!r}. {_REMEDIES[right]}",
            field="authorization",
            code="forbidden_task",
        )
