"""`POST /v1/feedback`: labels in, what became of each out."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from concord.api.auth import Access
from concord.consensus.consensus import SETTLED_SECONDS
from concord.errors import InvalidInput
from concord.feedback import Feedback, LabelReceipt
from concord.http.application import error_fields, json_response
from concord.http.request import Request, Response
from concord.service import Service
from concord.types.answers import FeedbackResponse, LabelResult

_ONE: Final = frozenset({"id", "label", "value"})


class Labelling:
    """Takes labels over HTTP.

    Args:
        consensus: The service whose rounds are labelled.
        access: Knows who may.
    """

    def __init__(self, service: Service, access: Access) -> None:
        self._access = access
        self._most = service.settings.max_rows
        self._feedback = Feedback(
            service.journal,
            service.ensembles,
            service.settler,
            label_days=service.settings.label_days,
        )

    async def feedback(self, incoming: Request) -> Response:
        """200 with a result a label if one of them is the round's now; else the first one's error."""
        token = self._access.labeller(incoming)
        query = incoming.query("settled")
        settled = incoming.flag(query, "settled")
        items = _items(await incoming.json(), self._most)
        outcomes = await self._feedback.take(token, items, incoming.request_id)
        if settled:
            outcomes = await self._feedback.settled(outcomes, SETTLED_SECONDS)
        return _answer(outcomes, incoming.request_id)


def _items(body: object, most: int) -> Sequence[object]:
    if not isinstance(body, dict):
        raise InvalidInput(
            'The body must be an object: {"labels": [{"id": …, "label": …}, …]}, or one label itself.',
            field="body",
        )
    if "labels" not in body and body.keys() & _ONE:
        return [body]
    extra = next((str(name)[:60] for name in body if name != "labels"), None)
    if extra is not None:
        raise InvalidInput(f"Unknown field {extra!r}; the body has one field, 'labels'.", field=extra)
    labels = body.get("labels")
    if not isinstance(labels, list) or not labels:
        raise InvalidInput("'labels' must be a list of at least one label.", field="labels")
    if len(labels) > most:
        raise InvalidInput(
            f"{len(labels)} labels are more than one call takes ({most}); send several calls.",
            field="labels",
            code="too_many_labels",
        )
    return labels


def _answer(outcomes: Sequence[LabelReceipt], request_id: str) -> Response:
    first = next((one.error for one in outcomes if one.error), None)
    refused = first if first and not any(one.is_good for one in outcomes) else None
    response = FeedbackResponse(
        request_id, [_result(one) for one in outcomes], error_fields(refused) if refused else None
    )
    document: dict[str, Any] = asdict(response)
    if refused is None:
        del document["error"]
    return json_response(document, refused.status if refused else 200)


def _result(outcome: LabelReceipt) -> LabelResult:
    error = error_fields(outcome.error) if outcome.error else None
    return LabelResult(outcome.id, outcome.status, outcome.settlement, outcome.block, error)
