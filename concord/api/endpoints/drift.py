"""`GET /v1/tasks/{task}/drift` and `/profile`: are the rows still those that the models learned from?

A report says nothing of a single row, yet it looks at a window that the caller chooses; so it needs the
right to read rounds where that is a right. The profile is of training data, and open like the schema.
"""

import asyncio

from concord.api.params import int_param, run_exclusive, time_param
from concord.drift.live import MOST_ROUNDS, USUAL_ROUNDS, LiveDrift
from concord.http.application import json_response
from concord.http.request import Request, Response


class Drift:
    """Answers for the drift of live rounds.

    Args:
        live: Compares them.
    """

    def __init__(self, live: LiveDrift) -> None:
        self._live = live
        # A million rounds take a core half a minute: one report after the other.
        self._counting = asyncio.Lock()

    async def report(self, incoming: Request) -> Response:
        """`GET /v1/tasks/{task}/drift?since=&limit=`: of the newest rounds whose rows are kept."""
        query = incoming.query("since", "limit")
        task = incoming.path["task"]
        since = time_param(query["since"]) if "since" in query else 0
        limit = int_param(query, "limit", default=USUAL_ROUNDS, least=1, most=MOST_ROUNDS)
        baseline = self._live.find_baseline(task)
        return json_response(
            await run_exclusive(self._counting, self._live.report, baseline, task, since, limit)
        )

    async def profile(self, incoming: Request) -> Response:
        """`GET /v1/tasks/{task}/profile`: as most of its models carry it."""
        incoming.query()
        return json_response(self._live.find_baseline(incoming.path["task"]).profile.document)
