"""`GET /v1/tasks/{task}/labelled`: rows of answered rounds with their labels, to train models on.

It gives out rows, so it needs the right to read rounds where that is a right. Rows that were forgotten or
have expired are left out, and so are labels that the task's schema does not know.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

import orjson

from concord.api.endpoint import Endpoint, Operation
from concord.api.params import CURSOR, TIME, int_param, int_schema, time_param
from concord.http.request import Request, Response
from concord.journal.rows import LabelledRound
from concord.service import Service
from concord.tasks.labels import decode_label
from concord.tasks.schema import TaskSchema
from concord.types.rounds import LabelledPage, LabelledRow
from concord.util.times import iso

MOST_ROWS: Final = 1000
"""Rows on one page; as JSON some 200 KB."""

USUAL_ROWS: Final = 500


class LabelledRounds:
    """Gives out labelled rows.

    Args:
        service: Has the journal and the tasks.
    """

    def __init__(self, service: Service) -> None:
        self._journal, self._ensembles, self._pages = service.journal, service.ensembles, service.pages
        # A page may look at tens of thousands of rounds: one after the other.
        self._lock = asyncio.Lock()

    def endpoints(self) -> list[Endpoint]:
        """The pages."""
        page = Operation(
            "Rows that have a label, oldest first: what models learn from anew",
            LabelledPage,
            name="list_labelled_rows",
            errors=(429, 503),
            query={"since": TIME, "limit": int_schema(most=MOST_ROWS), "after": CURSOR},
        )
        return [Endpoint("GET", "/v1/tasks/{task}/labelled", self.list_rows, page, "read")]

    async def list_rows(self, request: Request) -> Response:
        """One page, oldest rounds first."""
        query = request.query("since", "limit", "after")
        schema = self._ensembles.schema(request.path["task"])
        since = time_param(query, "since") or 0
        limit = int_param(query, "limit", default=USUAL_ROWS, most=MOST_ROWS)
        after = query.get("after")
        return await self._pages.answer_alone(
            self._lock, request.caller, self._read_page, schema, since, limit, after
        )

    def _read_page(self, schema: TaskSchema, since: int, limit: int, after: str | None) -> LabelledPage:
        rounds, end = self._journal.labelled(schema.task, since, limit, after)
        return LabelledPage(list(_decode_rows(schema, rounds)), end)


def _decode_rows(schema: TaskSchema, rounds: Sequence[LabelledRound]) -> Iterator[LabelledRow]:
    for round_ in rounds:
        label = decode_label(schema, round_.label)
        if label is not None:
            yield LabelledRow(round_.id, iso(round_.time), orjson.loads(round_.features), label)
