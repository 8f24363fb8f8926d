"""The OpenAPI document of what is answered here, with a path of its own for every task.

Answers are described from `concord.types.answers`, rows from the tasks' schemas, so that the document
says of each task exactly which columns it takes. It describes; the checks stand where they act.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from concord.api.endpoints.blocks import MOST_LISTED
from concord.api.endpoints.labelled import MOST_ROWS as MOST_LABELLED
from concord.api.endpoints.protocol_v2 import DATATYPES
from concord.api.endpoints.round_filters import LABEL_STATES, LONGEST_ANSWER, PREFIX
from concord.api.operation import FLAG, REF, NeedsToken, Operation, Schema, wire
from concord.api.params import MOST_HEIGHT
from concord.api.tokened import SCHEMES, administration, labelling
from concord.api.versioned import versioned
from concord.consensus.ensembles import Ensembles
from concord.drift.live import MOST_ROUNDS as MOST_DRIFTED
from concord.errors import ConcordError
from concord.tasks.schema import FLOAT32_MAX, Feature, TaskSchema
from concord.types.answers import (
    BlockPage,
    BlockView,
    LabelledPage,
    NodeHistory,
    NodeView,
    PredictResponse,
    Round,
    RoundPage,
    StakesPage,
    TaskDetail,
    TaskSummary,
)
from concord.types.drift import DriftReport

_PATH_PARTS: Final[Mapping[str, Schema]] = {
    "height": {"type": "integer", "minimum": 1, "maximum": MOST_HEIGHT}
}
_ERROR: Final[Schema] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "field"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "field": {"type": ["string", "null"]},
            },
        }
    },
}
_ERROR_V2: Final[Schema] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {"type": "string"},
        "code": {"type": "string"},
        "field": {"type": ["string", "null"]},
    },
}
_CURSOR: Final[Schema] = {"type": "string", "pattern": "^[0-9a-f]{1,14}-[0-9a-f]{32}$"}
_SECURITY: Final[Mapping[str, list[Schema]]] = {"may": [{}, {"token": []}], "must": [{"token": []}]}
_MEANINGS: Final = {
    400: "The body is no JSON.",
    401: "No token is shown, or one that is not known.",
    403: "The token may not do this, or the service has no tokens.",
    404: "There is nothing of that name.",
    409: "It contradicts what is there already.",
    410: "The round was answered too long ago.",
    413: "The body, or the number of rows, is over the limit.",
    415: "The body is not declared as JSON.",
    422: "A value is not as the schema says; `field` names it.",
    429: "Too many rows wait; `Retry-After` says when to come back.",
    503: "Below the quorum, or the journal is away.",
}


def document(panels: Ensembles, version: str, *, secured: bool = True) -> Schema:
    """The OpenAPI 3.1 document for the tasks that are known now.

    Args:
        panels: Knows the tasks.
        version: Of this software.
        secured: Whether there are tokens; without any, showing one is of no use.
    """
    components: Schema = {"Error": _ERROR, "ErrorV2": _ERROR_V2}
    operations = [
        *_tasks(panels, components),
        *labelling(components),
        *administration(components),
        *versioned(components),
        *_reading(components),
        *_protocol_v2(),
        *_house(),
    ]
    paths: dict[str, Schema] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method] = _describe(operation, secured=secured)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Concord",
            "version": version,
            "description": "Several models answer one question; this service answers with their consensus.",
        },
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": SCHEMES},
    }


def row_schema(schema: TaskSchema) -> Schema:
    """JSON Schema of a row of the task."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [feature.name for feature in schema.features],
        "properties": {feature.name: _feature(feature) for feature in schema.features},
        "example": schema.example,
    }


def _tasks(panels: Ensembles, components: Schema) -> list[Operation]:
    operations = []
    for task in panels.names():
        try:
            schema = panels.schema(task)
        except ConcordError:
            continue
        name = f"row_{task}"
        components[name] = row_schema(schema)
        operations += [_predict(task, schema, name, components), _infer(task, schema)]
    return operations


def _predict(task: str, schema: TaskSchema, row: str, components: Schema) -> Operation:
    rows = {"type": "array", "minItems": 1, "maxItems": 1000, "items": {"$ref": REF.format(model=row)}}
    return Operation(
        "post",
        f"/v1/tasks/{task}/predict",
        f"{schema.title}: ask all nodes and answer with their consensus",
        wire(PredictResponse, components),
        (400, 413, 415, 422, 429, 503),
        {"recorded": FLAG, "settled": FLAG},
        {
            "type": "object",
            "required": ["rows"],
            "additionalProperties": False,
            "properties": {"rows": rows},
            "example": {"rows": [schema.example]},
        },
    )


def _infer(task: str, schema: TaskSchema) -> Operation:
    tensors = [_tensor(feature) for feature in schema.features]
    inputs = {
        "type": "array",
        "prefixItems": tensors,
        "minItems": len(tensors),
        "maxItems": len(tensors),
        "items": False,
    }
    answer = {
        "type": "object",
        "required": ["model_name", "outputs"],
        "properties": {"outputs": {"type": "array"}},
    }
    return Operation(
        "post",
        f"/v2/models/{task}/infer",
        f"{schema.title}: the same by the Open Inference Protocol",
        answer,
        (400, 413, 415, 422, 429, 503),
        body={
            "type": "object",
            "required": ["inputs"],
            "additionalProperties": False,
            "properties": {"id": {"type": "string"}, "inputs": inputs},
        },
        tag="open inference protocol",
    )


def _reading(components: Schema) -> list[Operation]:
    whole = {"type": "integer", "minimum": 1, "maximum": MOST_HEIGHT}
    statuses = {"type": "string", "enum": ["ok", "degraded", "no_quorum"]}
    return [
        _read("/v1/tasks", "The tasks", _listed("tasks", TaskSummary, components)),
        _read("/v1/tasks/{task}", "A task with its schema", wire(TaskDetail, components), (404, 503)),
        _read(
            "/v1/tasks/{task}/drift",
            "How far the newest rows are from those that the models learned from",
            wire(DriftReport, components),
            (401, 403, 404, 422, 503),
            {
                "since": {"type": "string", "format": "date-time"},
                "limit": {"type": "integer", "minimum": 1, "maximum": MOST_DRIFTED},
            },
            "may",
        ),
        _read(
            "/v1/tasks/{task}/profile",
            "What the rows looked like that the models learned from",
            {"type": "object"},
            (404, 503),
        ),
        _read(
            "/v1/tasks/{task}/labelled",
            "Rows that have a label, oldest first: what models learn from anew",
            wire(LabelledPage, components),
            (401, 403, 404, 422, 503),
            {
                "since": {"type": "string", "format": "date-time"},
                "limit": {"type": "integer", "minimum": 1, "maximum": MOST_LABELLED},
                "after": _CURSOR,
            },
            "may",
        ),
        _read(
            "/v1/nodes",
            "The nodes: status, stake, weight",
            _listed("nodes", NodeView, components),
            (404, 422),
            {"task": {"type": "string"}},
        ),
        _read(
            "/v1/nodes/{task}/{node}/history",
            "What moved a node's stake",
            wire(NodeHistory, components),
            (404, 422),
            {"before": whole},
        ),
        _read(
            "/v1/rounds",
            "Rounds, newest first",
            wire(RoundPage, components),
            (401, 403, 404, 422, 503),
            {
                "task": {"type": "string"},
                "status": statuses,
                "label": {"type": "string", "enum": list(LABEL_STATES)},
                "answer": {"type": "string", "maxLength": LONGEST_ANSWER},
                "id": {"type": "string", "pattern": f"^{PREFIX}$"},
                "since": {"type": "string", "format": "date-time"},
                "until": {"type": "string", "format": "date-time"},
                "limit": {"type": "integer", "minimum": 1, "maximum": 500},
                "after": _CURSOR,
            },
            "may",
        ),
        _read("/v1/rounds/{id}", "One round", wire(Round, components), (401, 403, 404, 503), access="may"),
        _read("/v1/ledger", "The ledger's newest state, in µS", {"type": "object"}, (503,)),
        _read("/v1/ledger/verify", "Replay every block and compare", {"type": "object"}, (503,)),
        _read(
            "/v1/ledger/audit", "Settle every block again", {"type": "object"}, (401, 403, 503), access="must"
        ),
        _read(
            "/v1/ledger/blocks",
            "Blocks, newest first",
            wire(BlockPage, components),
            (422, 503),
            {"before": whole, "limit": {"type": "integer", "minimum": 1, "maximum": MOST_LISTED}},
        ),
        _read("/v1/ledger/blocks/{height}", "One block", wire(BlockView, components), (404, 422)),
        _read(
            "/v1/ledger/stakes/{task}",
            "Who gained and who lost stake, and by what",
            wire(StakesPage, components),
            (404, 422, 503),
            {"before": whole},
        ),
    ]


def _protocol_v2() -> list[Operation]:
    tag = "open inference protocol"
    plain: Schema = {"type": "object"}
    return [
        Operation("get", "/v2", "Server metadata", plain, tag=tag),
        Operation("get", "/v2/health/live", "Liveness", plain, tag=tag),
        Operation("get", "/v2/health/ready", "Readiness", plain, tag=tag, statuses=(200, 503)),
        Operation("get", "/v2/models/{task}", "Model metadata", plain, (404, 503), tag=tag),
        Operation(
            "get", "/v2/models/{task}/ready", "Model readiness", plain, (404,), tag=tag, statuses=(200, 503)
        ),
    ]


def _house() -> list[Operation]:
    text = {"type": "string"}
    return [
        Operation("get", "/livez", "Liveness", {"type": "object"}, tag="service"),
        Operation("get", "/readyz", "Readiness", {"type": "object"}, tag="service", statuses=(200, 503)),
        Operation("get", "/metrics", "Prometheus metrics", text, media_type="text/plain", tag="service"),
    ]


def _read(
    path: str,
    summary: str,
    answer: Schema,
    errors: Sequence[int] = (),
    query: Mapping[str, Schema] | None = None,
    access: NeedsToken = "no",
) -> Operation:
    return Operation("get", path, summary, answer, errors, query, tag="read", access=access)


def _describe(operation: Operation, *, secured: bool) -> Schema:
    v2 = operation.path.startswith("/v2")
    refusal = "ErrorV2" if v2 else operation.refusal
    error = {"application/json": {"schema": {"$ref": REF.format(model=refusal)}}}
    described: Schema = {
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": _parameters(operation),
        "responses": {
            **{
                str(status): {
                    "description": "The answer.",
                    "content": {operation.media_type: {"schema": operation.answer}},
                }
                for status in operation.statuses
            },
            # Paths that take no query still refuse one, so that a misspelt parameter is not ignored.
            **{
                str(status): {"description": _MEANINGS[status], "content": error}
                for status in sorted({*operation.errors, 422})
            },
        },
    }
    if operation.access != "no":
        described["security"] = _SECURITY["must" if secured and operation.access == "must" else "may"]
    if operation.body is not None:
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": operation.body}},
        }
    return described


def _parameters(operation: Operation) -> list[Schema]:
    path = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
    found = [
        {"name": name, "in": "path", "required": True, "schema": _PATH_PARTS.get(name, {"type": "string"})}
        for name in path
    ]
    headers = operation.headers or {}
    found += [{"name": name, "in": "header", "schema": schema} for name, schema in headers.items()]
    query = operation.query or {}
    return found + [{"name": name, "in": "query", "schema": schema} for name, schema in query.items()]


def _feature(feature: Feature) -> Schema:
    described: Schema = {"description": f"{feature.description} ({feature.range_text})".strip()}
    if feature.kind == "choice":
        return {
            **described,
            "type": "string",
            "enum": list(feature.choices),
            "description": feature.description,
        }
    return {
        **described,
        "type": feature.kind,
        "minimum": -FLOAT32_MAX if feature.minimum is None else feature.minimum,
        "maximum": FLOAT32_MAX if feature.maximum is None else feature.maximum,
    }


def _tensor(feature: Feature) -> Schema:
    return {
        "type": "object",
        "required": ["name", "shape", "datatype", "data"],
        "additionalProperties": False,
        "properties": {
            "name": {"const": feature.name},
            "shape": {"const": [1]},
            "datatype": {
                "enum": sorted(d for d in DATATYPES[feature.kind] if not d.startswith(("INT", "UINT")))
            },
            "data": {"type": "array", "minItems": 1, "maxItems": 1, "items": _feature(feature)},
        },
    }


def _listed(name: str, model: type, components: Schema) -> Schema:
    items = {"type": "array", "items": wire(model, components)}
    return {"type": "object", "required": [name], "properties": {name: items}}
