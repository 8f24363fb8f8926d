"""Processes of a test under load: the nodes of two tasks, and callers who ask as fast as they are answered.

python -m tests.service.crowd nodes PORT…       nodes of iris and loan_amount at these ports
python -m tests.service.crowd callers URL COUNT PATH BODY_FILE
"""

import asyncio
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn

from tests.service.stack import AMOUNT, IRIS, Node, StandInModel, species

NAMES = ("ann", "bob", "cleo")


def nodes():
    """The nodes of both tasks: those of iris hang once the file `hang` is in the working folder."""
    flowers = [HangingNode(StandInModel(IRIS, name, species(k))) for k, name in enumerate(NAMES)]
    amounts = [Node(StandInModel(AMOUNT, name, lambda _row: 1000.0)) for name in NAMES]
    return [*flowers, *amounts]


class HangingNode(Node):
    """A node that hangs while a file is there."""

    async def __call__(self, scope, receive, send):
        self.fault = "hang" if os.path.exists("hang") else None  # noqa: ASYNC240, PTH110 - quick
        await super().__call__(scope, receive, send)


async def serve_nodes(ports):
    configs = [
        uvicorn.Config(node, port=port, log_config=None, access_log=False)
        for node, port in zip(nodes(), ports, strict=True)
    ]
    await asyncio.gather(*[uvicorn.Server(config).serve() for config in configs])


async def call(url, request):
    """One caller on one connection, for ever."""
    parts = urlsplit(url)
    while True:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            while True:
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                await reader.readexactly(length)
                if not head.startswith(b"HTTP/1.1 200"):
                    await asyncio.sleep(0.1)
        except (OSError, asyncio.IncompleteReadError):
            await asyncio.sleep(0.1)
        finally:
            writer.close()


async def serve_callers(url, count, path, body):
    method = "POST" if body else "GET"
    head = f"{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    request = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
    await asyncio.gather(*[call(url, request) for _ in range(int(count))])


if __name__ == "__main__":
    if sys.argv[1] == "nodes":
        asyncio.run(serve_nodes([int(port) for port in sys.argv[2:]]))
    else:
        url, count, path, file = sys.argv[2:6]
        asyncio.run(serve_callers(url, count, path, Path(file).read_bytes() if file else b""))
