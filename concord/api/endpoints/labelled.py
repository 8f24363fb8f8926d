"""`GET /v1/tasks/{task}/labelled`: rows that were asked about and have a label since, to learn from anew.

It gives rows themselves, so it needs the right to read rounds where that is a right. What was forgotten or
has expired is not there any more, and neither is a label that its task's schema doesn't know.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

import orjson

from concord.api.params import int_param, run_exclusive, time_param
from concord.http.application import json_response
from concord.http.request import Request, Response
from concord.journal.rows import LabelledRound
from concord.service import Service
from concord.tasks.labels import decode_label
from concord.tasks.schema import TaskSchema
from concord.types.answers import LabelledPage, LabelledRow
from concord.util.times import iso

MOST_ROWS: Final = 1000
"""Rows on one page; with the rows in words, some 200 KB."""

USUAL_ROWS: Final = 500


class LabelledRounds:
    """Gives out labelled rows.

    Args:
        consensus: Has the journal, and knows the tasks.
    """

    def __init__(self, service: Service) -> None:
        self._journal, self._ensembles = service.journal, service.ensembles
        # A page may look at tens of thousands of rounds: one after the other.
        self._reading = asyncio.Lock()

    async def page(self, incoming: Request) -> Response:
        """`GET /v1/tasks/{task}/labelled?since=&limit=&after=`: oldest first, by when they were asked."""
        query = incoming.query("since", "limit", "after")
        schema = self._ensembles.schema(incoming.path["task"])
        since = time_param(query["since"]) if "since" in query else 0
        limit = int_param(query, "limit", default=USUAL_ROWS, least=1, most=MOST_ROWS)
        found, after = await run_exclusive(
            self._reading, self._journal.labelled, schema.task, since, limit, query.get("after")
        )
        return json_response(LabelledPage(list(_rows(schema, found)), after))


def _rows(schema: TaskSchema, found: Sequence[LabelledRound]) -> Iterator[LabelledRow]:
    for one in found:
        label = decode_label(schema, one.label)
        if label is not None:
            yield LabelledRow(one.id, iso(one.time), orjson.loads(one.features), label)
