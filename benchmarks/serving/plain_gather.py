"""Concord's own nodes without Concord's service: one call per request and node, gathered.

    python -m benchmarks.serving.plain_gather service --port 5000 --labels a,b --node URL=WEIGHT …

It sends the very bodies and headers that the consensus service sends, over one pooled aiohttp
session, as most would, and reads the same raw floats; so what differs is the client, and what
happens between requests and calls. It has no journal, no ids, no deadline of its own, no validation
and no evidence, and uvicorn's access log is off: all of that is in its favour.
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

from benchmarks.serving.arguments import Colleague, read_arguments
from benchmarks.serving.models import FEATURES
from benchmarks.serving.voting import weighted_majority
from concord.types.nodes import REQUEST_ID_HEADER, ROWS_TYPE, SCHEMA_HEADER


class Gather:
    """Asks every node for every request."""

    def __init__(self, colleagues: list[Colleague], labels: list[str]) -> None:
        self._colleagues = colleagues
        self._labels = labels
        self._weights = [colleague.weight for colleague in colleagues]

    @asynccontextmanager
    async def living(self, _app: Starlette) -> AsyncIterator[None]:
        """Opens the session, and learns by which schema the nodes answer."""
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
        ) as self._session:
            async with self._session.get(
                f"{self._colleagues[0].url}/info", raise_for_status=True
            ) as response:
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
        replies = await asyncio.gather(
            *(self._ask(colleague, array.tobytes(), headers) for colleague in self._colleagues)
        )
        return Response(
            orjson.dumps({"answers": self._answers(replies)}), headers={"content-type": "application/json"}
        )

    async def _ask(self, colleague: Colleague, body: bytes, headers: dict[str, str]) -> npt.NDArray[np.intp]:
        async with self._session.post(
            f"{colleague.url}/v1/votes", data=body, headers=headers, raise_for_status=True
        ) as response:
            answer = np.frombuffer(await response.read(), dtype="<f4")
            choices: npt.NDArray[np.intp] = answer.reshape(-1, len(self._labels)).argmax(axis=1)
            return choices

    def _answers(self, replies: list[npt.NDArray[np.intp]]) -> list[dict[str, object]]:
        answers: list[dict[str, object]] = []
        for choices in zip(*(reply.tolist() for reply in replies), strict=True):
            winner, agreement = weighted_majority(choices, self._weights)
            votes = {c.name: self._labels[k] for c, k in zip(self._colleagues, choices, strict=True)}
            answers.append({"label": self._labels[winner], "agreement": agreement, "votes": votes})
        return answers


def main() -> None:
    """Serves it."""
    given = read_arguments(__doc__)
    gather = Gather(given.nodes, given.labels)
    app = Starlette(routes=[Route("/predict", gather.predict, methods=["POST"])], lifespan=gather.living)
    uvicorn.run(app, port=given.port, access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
