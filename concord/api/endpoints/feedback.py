"""`POST /v1/feedback`: takes labels of rounds, answers what became of each."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, get_args

from concord.api.endpoint import REFERENCE, Endpoint, Operation
from concord.api.params import FLAG, Schema, object_schema
from concord.consensus.consensus import SETTLED_SECONDS
from concord.errors import InvalidInput
from concord.feedback import Feedback, LabelReceipt
from concord.http.application import error_fields, json_response
from concord.http.request import Request, Response, object_body
from concord.service import Service
from concord.tasks.labels import LONGEST_TEXT, LabelField
from concord.types.rounds import FeedbackResponse, LabelResult

_FORM: Final = ': {"labels": [{"id": …, "label": …}, …]}, or one label itself'
_FIELDS: Final[Mapping[str, Schema]] = {
    "id": {"type": "string", "pattern": "^[0-9a-f]{32}$", "description": "The round's id."},
    "label": {
        "type": ["string", "number"],
        "description": "A class's name or number; of a regression the same as `value`. Where classes are "
        "named by numbers, a number means that name.",
    },
    "value": {"type": "number", "description": "The value of a regression, in its unit."},
    "text": {
        "type": "string",
        "maxLength": LONGEST_TEXT,
        "description": "Either as a person typed it or a cell holds it; it is read by the round's task.",
    },
}
_LABEL: Final = object_schema(_FIELDS, ["id"]) | {
    "oneOf": [{"required": [name]} for name in get_args(LabelField)]
}
_REFERENCE: Final[Schema] = {"$ref": REFERENCE.format(model="Label")}
_LABELS: Final = object_schema(
    {"labels": {"type": "array", "minItems": 1, "maxItems": 1000, "items": _REFERENCE}}, ["labels"]
)
_REFUSAL: Final[Schema] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {"type": "object"},
        "labels": {"type": "array", "items": {"$ref": REFERENCE.format(model="LabelResult")}},
    },
}
"""Where no label was good: the first one's error, beside what became of each."""

_OPERATION: Final = Operation(
    "Say what was true of rounds; the same again changes nothing",
    FeedbackResponse,
    tag="labels",
    errors=(404, 409, 410, 503),
    query={"settled": FLAG},
    body={"anyOf": [_LABELS, _REFERENCE], "example": {"labels": [{"id": f"{5:032x}", "label": 1}]}},
    refusal="FeedbackRefusal",
    components={"Label": _LABEL, "FeedbackRefusal": _REFUSAL},
)


class Labelling:
    """Takes labels over HTTP.

    Args:
        service: Has the rounds that are labelled.
    """

    def __init__(self, service: Service) -> None:
        self._most = service.settings.max_rows
        days = service.settings.label_days
        self._feedback = Feedback(
            service.journal, service.ensembles, service.settler, service.recorder, label_days=days
        )

    def endpoints(self) -> list[Endpoint]:
        """Feedback."""
        return [Endpoint("POST", "/v1/feedback", self.take_labels, _OPERATION, "label")]

    async def take_labels(self, request: Request) -> Response:
        """200 with a result a label if one of them is the round's now; else the first one's error."""
        query = request.query("settled")
        settled = request.flag(query, "settled")
        items = _read_items(await request.strict_json(), self._most)
        request.take_rows(len(items))
        receipts = await self._feedback.take(request.required_token, items, request.request_id)
        if settled:
            receipts = await self._feedback.settled(receipts, SETTLED_SECONDS)
        return _make_response(receipts, request.request_id)


def _read_items(body: object, most: int) -> Sequence[object]:
    if isinstance(body, dict) and "labels" not in body and body.keys() & _FIELDS.keys():
        return [body]
    labels = object_body(body, "labels", form=_FORM).get("labels")
    if not isinstance(labels, list) or not labels:
        raise InvalidInput("'labels' must be a list of at least one label.", field="labels")
    if len(labels) > most:
        raise InvalidInput(
            f"{len(labels)} labels are more than one call takes ({most}); send several calls.",
            field="labels",
            code="too_many_labels",
        )
    return labels


def _make_response(receipts: Sequence[LabelReceipt], request_id: str) -> Response:
    first = next((receipt.error for receipt in receipts if receipt.error), None)
    refused = first if first and not any(receipt.is_good for receipt in receipts) else None
    error = error_fields(refused) if refused else None
    results = [_make_result(receipt) for receipt in receipts]
    document: dict[str, Any] = {"request_id": request_id, "labels": results}
    if refused is not None:
        document["error"] = error
    return json_response(document, refused.status if refused else 200)


def _make_result(receipt: LabelReceipt) -> LabelResult:
    error = error_fields(receipt.error) if receipt.error else None
    return LabelResult(receipt.id, receipt.status, receipt.settlement, receipt.block, error)
