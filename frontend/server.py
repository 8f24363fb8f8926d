"""The page as an ASGI application, under the names that it may have; `python -m frontend` starts it.

Streamlit compares a WebSocket's `Origin` with the request's `Host`, which are equal where another web page
has its own name lead here (DNS rebinding). So names that are neither `localhost` nor stated in
`CONCORD_HOSTS` are refused before Streamlit sees the request; addresses pass, since they need no DNS.
"""

import os
from pathlib import Path
from typing import Final

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit.starlette import App

from concord.util.host_names import HostNames

REFUSAL: Final = (
    b"This page is not asked under that name. Where it is one of its own, an operator adds it to "
    b"CONCORD_HOSTS.\n"
)
POLICY_VIOLATION: Final = 1008
"""A WebSocket's close code; before it is accepted the server answers 403."""


class HostCheck:
    """Refuses requests and WebSockets under other names.

    Args:
        app: Answers all others.
        hosts: The names.
    """

    def __init__(self, app: ASGIApp, hosts: HostNames) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one ASGI connection."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if all(self._hosts.admit(host) for host in hosts):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        else:
            headers = [(b"content-type", b"text/plain; charset=utf-8")]
            await send({"type": "http.response.start", "status": 421, "headers": headers})
            await send({"type": "http.response.body", "body": REFUSAL})


app = App(
    Path(__file__).with_name("app.py"),
    middleware=[Middleware(HostCheck, hosts=HostNames.parse(os.environ.get("CONCORD_HOSTS", "")))],
)
