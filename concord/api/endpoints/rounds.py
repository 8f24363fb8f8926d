"""`/v1/rounds`: answered rounds from the journal, and one round with its explanation and proof.

Rounds hold rows, so they need the right to read them where that is a right.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final, get_args

import orjson
from pydantic import TypeAdapter

from concord.api.endpoint import Endpoint, Operation
from concord.api.params import CURSOR, TIME, Schema, int_param, int_schema, time_param
from concord.errors import ConcordError, InvalidInput, UnknownName
from concord.explain.explanation import Explanations
from concord.explain.votes import AnswerDecoder
from concord.http.application import json_response
from concord.http.request import Request, Response
from concord.journal.rows import StoredRound
from concord.journal.search import LabelState, RoundFilters
from concord.policies.stake import MICRO
from concord.service import Service
from concord.tasks.schema import TaskSchema
from concord.types.answers import Status, Verdict
from concord.types.rounds import Round, RoundPage
from concord.util.times import iso

MOST_ROUNDS: Final = 500
LONGEST_ANSWER: Final = 200
PREFIX: Final = "[0-9a-f]{4,32}"
"""At least four hex digits of an id: of a million rounds, some fifteen begin with the same ones."""

STATUSES: Final[tuple[Status, ...]] = get_args(Status)
LABEL_STATES: Final[tuple[LabelState, ...]] = get_args(LabelState)

_FILTERS: Final[Mapping[str, Schema]] = {
    "task": {"type": "string"},
    "status": {"type": "string", "enum": list(STATUSES)},
    "label": {"type": "string", "enum": list(LABEL_STATES)},
    "answer": {"type": "string", "maxLength": LONGEST_ANSWER},
    "id": {"type": "string", "pattern": f"^{PREFIX}$"},
    "since": TIME,
    "until": TIME,
    "limit": int_schema(most=MOST_ROUNDS),
    "after": CURSOR,
}
_verdict = TypeAdapter(Verdict)


class RoundReader:
    """Reads the rounds of one service's journal.

    Args:
        service: Has the journal, the tasks and the ledger.
    """

    def __init__(self, service: Service) -> None:
        self._journal, self._ensembles, self._settler = service.journal, service.ensembles, service.settler
        self._pages, self._checks = service.pages, service.checks
        # Searches and explanations take long: each one after the other.
        self._searching, self._explaining = asyncio.Lock(), asyncio.Lock()
        self._explanations = Explanations(
            service.ledger, service.journal, label_days=service.settings.label_days
        )

    def endpoints(self) -> list[Endpoint]:
        """A page of rounds, and one round."""
        page = Operation("Rounds, newest first", RoundPage, errors=(404, 429, 503), query=_FILTERS)
        detail = Operation("One round", Round, errors=(429, 503))
        return [
            Endpoint("GET", "/v1/rounds", self.list_rounds, page, "read"),
            Endpoint("GET", "/v1/rounds/{id}", self.get_round, detail, "read"),
        ]

    async def list_rounds(self, request: Request) -> Response:
        """A page of the rounds that fit all filters, newest first."""
        query = request.query(*_FILTERS)
        filters = read_filters(query)
        if filters.task is not None:
            self._ensembles.settings(filters.task)
        limit, after = int_param(query, "limit", default=50, most=MOST_ROUNDS), query.get("after")
        page = partial(self._read_page, filters, limit, after)
        if filters.needs_scan:
            return await self._checks.answer_alone(self._searching, request.caller, page)
        return await self._pages.answer(request.caller, page)

    def _read_page(self, filters: RoundFilters, limit: int, after: str | None) -> RoundPage:
        rounds, end = self._journal.find(filters, limit, after)
        return RoundPage([self._make_round(stored) for stored in rounds], end)

    async def get_round(self, request: Request) -> Response:
        """The round, why it was answered so, and the proof of its settlement."""
        round_id = request.path["id"]
        stored = await self._pages.run(request.caller, self._journal.round, round_id)
        if stored is None:
            raise UnknownName(
                f"There is no round {round_id[:40]!r}. A new one takes up to 150 ms to be recorded, and one "
                "without a settlement is removed after CONCORD_LABEL_DAYS.",
                field="id",
                code="unknown_round",
            )
        round_ = self._make_round(stored)
        explanation = await self._checks.run_alone(
            self._explaining,
            request.caller,
            self._explanations.explain,
            stored,
            round_.verdict,
            self._find_schema(stored.task),
            self._settler.alarm,
        )
        return json_response(replace(round_, explanation=explanation))

    def _make_round(self, stored: StoredRound) -> Round:
        """A round as it is now; its settlement may have followed since it was answered."""
        document = orjson.loads(stored.verdict)
        document["recorded"] = True
        if stored.block is not None:
            document.update(settlement="settled", block=stored.block)
        elif stored.due:
            # Under `wager` a round becomes due by its label.
            document.update(settlement="due")
        deltas = orjson.loads(stored.record)["deltas"] if stored.record else None
        verdict = _verdict.validate_python(document)
        truth = None
        if stored.label is not None:
            decoder = AnswerDecoder(verdict, self._find_schema(stored.task))
            truth = decoder.decode_label(stored.label, stored.label_source or "", stored.label_time or 0)
        return Round(
            id=stored.id,
            task=stored.task,
            time=iso(stored.time),
            request_id=stored.request_id,
            verdict=verdict,
            features=orjson.loads(stored.features) if stored.features else None,
            traceparent=stored.traceparent,
            block=stored.block,
            deltas=deltas and {node: delta / MICRO for node, delta in deltas.items()},
            truth=truth,
        )

    def _find_schema(self, task: str) -> TaskSchema | None:
        """A task's schema; None where the task is gone or its nodes have not answered yet."""
        try:
            return self._ensembles.schema(task)
        except ConcordError:
            return None


def read_filters(query: Mapping[str, str]) -> RoundFilters:
    """The filters of a query, none of which is required; whether the task exists is not checked.

    Raises:
        InvalidInput: A filter's value is not possible.
    """
    status, label, prefix = query.get("status"), query.get("label"), query.get("id")
    if status is not None and status not in STATUSES:
        raise InvalidInput(f"status is one of {', '.join(STATUSES)}.", field="status")
    if label is not None and label not in LABEL_STATES:
        raise InvalidInput(f"label is one of {', '.join(LABEL_STATES)}.", field="label")
    if prefix is not None and re.fullmatch(PREFIX, prefix) is None:
        raise InvalidInput("id is the beginning of a round's id: 4 to 32 digits, 0-9 and a-f.", field="id")
    return RoundFilters(
        task=query.get("task"),
        status=status,
        since=time_param(query, "since"),
        until=time_param(query, "until"),
        prefix=prefix,
        label=next((state for state in LABEL_STATES if state == label), None),
        fits=_answer_filter(query["answer"]) if "answer" in query else None,
    )


def _answer_filter(answer: str) -> Callable[[bytes], bool]:
    """Whether a verdict, as JSON, answers with a class."""
    if len(answer) > LONGEST_ANSWER:
        raise InvalidInput(f"answer is a class's name, at most {LONGEST_ANSWER} characters.", field="answer")
    # Most other verdicts are recognised without parsing them.
    quoted = orjson.dumps(answer)

    def fits(verdict: bytes) -> bool:
        return quoted in verdict and orjson.loads(verdict)["label"] == answer

    return fits
