"""`POST /v1/tasks/{task}/predict`: takes rows of named columns, answers verdicts with their evidence."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import orjson

from concord.api.endpoint import REFERENCE, Endpoint, Operation, PerTask
from concord.api.params import FLAG, Schema, object_schema
from concord.consensus.recorder import compact_json
from concord.errors import InvalidInput
from concord.http.request import Request, Response, object_body
from concord.service import Service
from concord.tasks.schema import FLOAT32_MAX, Feature, TaskSchema
from concord.types.answers import PredictResponse, Verdict
from concord.util.slices import in_slices, long_work, turn_for

VOTES: Final = ("all", "none")
"""What an answer may have of the votes; they are kept all the same, and `GET /v1/rounds/{id}` has them."""


class Predictions:
    """Answers rows of named columns."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def endpoints(self) -> list[Endpoint]:
        """Prediction, described once for each task."""
        return [
            Endpoint("POST", "/v1/tasks/{task}/predict", self.predict, PerTask(_describe_predict), "predict")
        ]

    async def predict(self, request: Request) -> Response:
        """200 with a verdict a row; 503 if every row lacks the quorum, and the task refuses then."""
        query = request.query("recorded", "settled", "votes")
        wants_votes = _wants_votes(query)
        task, request_id = request.path["task"], request.request_id
        rows = _read_rows(await request.json(), self._service.settings.max_rows)
        request.take_rows(len(rows))
        with long_work(len(rows)):
            result = await self._service.consensus.predict(
                task,
                rows,
                request_id,
                request.traceparent,
                recorded=request.flag(query, "recorded"),
                settled=request.flag(query, "settled"),
                caller=request.caller,
            )
            encoded = result.encoded
            if not wants_votes:
                encoded = await in_slices(result.verdicts, _encode_without_votes)
            await turn_for(sum(map(len, encoded)))
        error = self._service.consensus.refusal(task, result)
        head = {"task": task, "request_id": request_id, **({"error": error} if error else {})}
        body = orjson.dumps(head)[:-1] + b',"verdicts":[' + b",".join(encoded) + b"]}"
        return Response(body, 503 if error else 200)


def _wants_votes(query: Mapping[str, str]) -> bool:
    votes = query.get("votes", "all")
    if votes not in VOTES:
        raise InvalidInput("votes must be all or none.", field="votes")
    return votes == "all"


def _encode_without_votes(verdict: Verdict) -> bytes:
    return compact_json(replace(verdict, votes=[]))


def check_row_count(count: int, most: int) -> None:
    """Refuses an empty request and one with more rows than a call takes."""
    if not count:
        raise InvalidInput("There must be at least one row.", field="rows")
    if count > most:
        raise InvalidInput(
            f"{count} rows are more than one call takes ({most}); send several calls.",
            field="rows",
            code="too_many_rows",
        )


def feature_schema(feature: Feature) -> Schema:
    """JSON Schema of a feature's values."""
    if feature.kind == "choice":
        return {"type": "string", "enum": list(feature.choices), "description": feature.description}
    return {
        "type": feature.kind,
        "minimum": -FLOAT32_MAX if feature.minimum is None else feature.minimum,
        "maximum": FLOAT32_MAX if feature.maximum is None else feature.maximum,
        "description": f"{feature.description} ({feature.range_text})".strip(),
    }


def _read_rows(body: object, most: int) -> list[dict[str, Any]]:
    rows = object_body(body, "rows", form=': {"rows": [{…}, …]}').get("rows")
    if not isinstance(rows, list):
        raise InvalidInput("'rows' must be a list of objects, one a row.", field="rows")
    check_row_count(len(rows), most)
    return rows


def _describe_predict(schema: TaskSchema) -> Operation:
    row = f"row_{schema.task}"
    items = {"$ref": REFERENCE.format(model=row)}
    rows: Schema = {"type": "array", "minItems": 1, "maxItems": 1000, "items": items}
    columns = {feature.name: feature_schema(feature) for feature in schema.features}
    return Operation(
        f"{schema.title}: ask all nodes and answer with their consensus",
        PredictResponse,
        tag="predict",
        errors=(429, 503),
        query={"recorded": FLAG, "settled": FLAG, "votes": {"type": "string", "enum": list(VOTES)}},
        body=object_schema({"rows": rows}, ["rows"]) | {"example": {"rows": [schema.example]}},
        components={row: object_schema(columns, list(columns)) | {"example": schema.example}},
    )
