"""Gather stack over Concord's own nodes: one call per request and node.

`python -m benchmarks.serving.plain_gather service --port 5000 --labels a,b --node NAME=URL=WEIGHT …`
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import numpy as np
import numpy.typing as npt
import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.serving.arguments import WeightedNode, read_arguments
from benchmarks.serving.models import FEATURES
from benchmarks.serving.voting import weighted_majority
from concord.types.nodes import REQUEST_ID_HEADER, ROWS_TYPE, SCHEMA_HEADER


class Gather:
    """Service that asks every node for every request, with the consensus service's own bodies and headers.

    It has no journal, ids, deadline, validation, evidence or access log, all of which is in its favour.
    """

    def __init__(self, nodes: list[WeightedNode], labels: list[str]) -> None:
        self._nodes = nodes
        self._labels = labels
        self._weights = [node.weight for node in nodes]

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        """Opens the session and reads the nodes' schema digest."""
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
        ) as self._session:
            async with self._session.get(f"{self._nodes[0].url}/info", raise_for_status=True) as response:
                self._schema = orjson.loads(await response.read())["schema_digest"]
            yield

    async def predict(self, request: Request) -> Response:
        """Rows of named columns in; label, agreement and votes out."""
        rows = orjson.loads(await request.body())["rows"]
        array = np.array([[row[name] for name in FEATURES] for row in rows], dtype="<f4")
        headers = {
            "content-type": ROWS_TYPE,
            SCHEMA_HEADER: self._schema,
            REQUEST_ID_HEADER: secrets.token_hex(8),
        }
        replies = await asyncio.gather(*(self._ask(node, array.tobytes(), headers) for node in self._nodes))
        return Response(
            orjson.dumps({"answers": self._answers(replies)}), headers={"content-type": "application/json"}
        )

    async def _ask(self, node: WeightedNode, body: bytes, headers: dict[str, str]) -> npt.NDArray[np.intp]:
        async with self._session.post(
            f"{node.url}/v1/votes", data=body, headers=headers, raise_for_status=True
        ) as response:
            answer = np.frombuffer(await response.read(), dtype="<f4")
            choices: npt.NDArray[np.intp] = answer.reshape(-1, len(self._labels)).argmax(axis=1)
            return choices

    def _answers(self, replies: list[npt.NDArray[np.intp]]) -> list[dict[str, object]]:
        answers: list[dict[str, object]] = []
        for choices in zip(*(reply.tolist() for reply in replies), strict=True):
            winner, agreement = weighted_majority(choices, self._weights)
            votes = {node.name: self._labels[k] for node, k in zip(self._nodes, choices, strict=True)}
            answers.append({"label": self._labels[winner], "agreement": agreement, "votes": votes})
        return answers


def main() -> None:
    """Serves the application."""
    options = read_arguments(__doc__)
    gather = Gather(options.nodes, options.labels)
    app = Starlette(routes=[Route("/predict", gather.predict, methods=["POST"])], lifespan=gather.lifespan)
    uvicorn.run(app, port=options.port, access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
