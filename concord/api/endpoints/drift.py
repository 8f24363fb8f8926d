"""`GET /v1/tasks/{task}/drift` and `/profile`: how the newest rows differ from the training data.

A report names no single row, but its caller chooses the window, so it needs the right to read rounds
where that is a right. The profile describes training data, and is open like the schema.
"""

import asyncio

from concord.api.endpoint import Endpoint, Operation
from concord.api.params import TIME, int_param, int_schema, time_param
from concord.drift.live import MOST_ROUNDS, USUAL_ROUNDS, LiveDrift
from concord.http.application import json_response
from concord.http.read_threads import ReadThreads
from concord.http.request import Request, Response
from concord.types.drift import DriftReport


class Drift:
    """Reports the drift of live rounds.

    Args:
        live: Compares them with the training data.
        checks: Where that is done.
    """

    def __init__(self, live: LiveDrift, checks: ReadThreads) -> None:
        self._live, self._checks = live, checks
        # A million rounds take a core half a minute: one report after the other.
        self._lock = asyncio.Lock()

    def endpoints(self) -> list[Endpoint]:
        """Report and profile."""
        report = Operation(
            "How far the newest rows are from those that the models learned from",
            DriftReport,
            name="get_drift",
            errors=(429, 503),
            query={"since": TIME, "limit": int_schema(most=MOST_ROUNDS)},
        )
        profile = Operation("What the rows looked like that the models learned from", errors=(503,))
        return [
            Endpoint("GET", "/v1/tasks/{task}/drift", self.get_report, report, "read"),
            Endpoint("GET", "/v1/tasks/{task}/profile", self.get_profile, profile),
        ]

    async def get_report(self, request: Request) -> Response:
        """The drift of the newest rounds whose rows are kept."""
        query = request.query("since", "limit")
        task = request.path["task"]
        since = time_param(query, "since") or 0
        limit = int_param(query, "limit", default=USUAL_ROUNDS, most=MOST_ROUNDS)
        baseline = self._live.find_baseline(task)
        return await self._checks.answer_alone(
            self._lock, request.caller, self._live.report, baseline, task, since, limit
        )

    async def get_profile(self, request: Request) -> Response:
        """The training profile that most of the task's models carry."""
        return json_response(self._live.find_baseline(request.path["task"]).profile.document)
