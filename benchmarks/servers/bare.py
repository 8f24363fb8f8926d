"""The bare ASGI application that the servers are compared with, and how each of them is started.

`python -m benchmarks.servers.bare SERVER PORT FILES` serves it, with at most so many open files.
"""

import os
import resource
import sys
from typing import Final

import uvicorn
from starlette.types import Receive, Scope, Send

from benchmarks.serving.stacks import CONCORD, GRANIAN

UVICORN: Final = "uvicorn"
ON_GRANIAN: Final = "granian"
SERVERS: Final = (CONCORD, UVICORN, ON_GRANIAN)

_ANSWER: Final = b'{"verdicts":[{"label":"versicolor","agreement":0.75}]}'


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the whole body, and answers with as many bytes as a small answer has."""
    if scope["type"] == "lifespan":
        for step in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{step}.complete"})
        return
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(_ANSWER))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": _ANSWER})


def main(server: str, port: str, files: str) -> None:
    """Serves until SIGTERM."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(files), int(files)))
    if server == ON_GRANIAN:
        options = ("--host", "127.0.0.1", "--port", port, "benchmarks.servers.bare:application")
        os.execv(sys.executable, [sys.executable, "-m", *GRANIAN, *options])  # noqa: S606 - our own command
    if server == CONCORD:
        from concord.http.server import Address, serve  # noqa: PLC0415 - not in the others' memory

        serve(application, Address("127.0.0.1", int(port)))
    else:
        uvicorn.run(
            application,
            port=int(port),
            loop="uvloop",
            http="httptools",
            log_level="warning",
            access_log=False,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
