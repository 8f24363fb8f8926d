"""`/v2`: the Open Inference Protocol, version 2 (REST), over the same predictions.

A task is a model here. One tensor per feature goes in; `label` and `probabilities`, or `value`, come
out, with `status` a row and all verdicts as one JSON string in `parameters`. Source:
https://github.com/open-inference/open-inference-protocol, specification/protocol/inference_rest.md.
Errors look as the protocol says, `{"error": "message"}`, with `code` and `field` beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import orjson

from concord import __version__
from concord.api.endpoint import Endpoint, Operation, PerTask
from concord.api.endpoints.health import Health, readiness_response
from concord.api.endpoints.predictions import check_row_count, feature_schema
from concord.api.params import Schema, object_schema
from concord.errors import ConcordError, InvalidInput
from concord.http.application import json_response
from concord.http.request import Request, Response
from concord.service import Service
from concord.tasks.schema import Feature, TaskSchema
from concord.types.answers import Verdict

_INTEGERS: Final = frozenset({"INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"})
_FLOATS: Final = frozenset({"FP16", "FP32", "FP64"})
DATATYPES: Final[Mapping[str, frozenset[str]]] = {
    "number": _INTEGERS | _FLOATS,
    "integer": _INTEGERS | _FLOATS,
    "choice": frozenset({"BYTES"}),
}
"""Tensor types that a feature of each kind may come in."""

STATED: Final = {"number": "FP64", "integer": "INT64", "choice": "BYTES"}
"""The type that a model's metadata names for it."""


_TAG: Final = "open inference protocol"
_ERROR: Final[Schema] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {"type": "string"},
        "code": {"type": "string"},
        "field": {"type": ["string", "null"]},
    },
}


class ProtocolV2:
    """Health, metadata and inference as the protocol names them."""

    def __init__(self, service: Service) -> None:
        self._service, self._health = service, Health(service)

    def endpoints(self) -> list[Endpoint]:
        """Inference first, then metadata and health."""
        ready = _describe("Readiness", statuses=(200, 503))
        model_ready = _describe("Model readiness", statuses=(200, 503))
        return [
            Endpoint("POST", "/v2/models/{task}/infer", self.infer, PerTask(_describe_infer)),
            Endpoint("GET", "/v2", self.get_server, _describe("Server metadata")),
            Endpoint("GET", "/v2/health/live", self._health.get_liveness, _describe("Liveness")),
            Endpoint("GET", "/v2/health/ready", self._health.get_readiness, ready),
            Endpoint("GET", "/v2/models/{task}", self.get_model, _describe("Model metadata", errors=(503,))),
            Endpoint("GET", "/v2/models/{task}/ready", self.get_model_readiness, model_ready),
        ]

    async def get_server(self, _request: Request) -> Response:
        """The server's metadata."""
        return json_response({"name": "concord", "version": __version__, "extensions": []})

    async def get_model(self, request: Request) -> Response:
        """A task's tensors in and out."""
        task = request.path["task"]
        return json_response(describe_model(task, self._service.ensembles.schema(task)))

    async def get_model_readiness(self, request: Request) -> Response:
        """200 while the task can reach its quorum."""
        task = request.path["task"]
        self._service.ensembles.settings(task)
        return readiness_response(self._service.ensembles.is_ready(task), task)

    async def infer(self, request: Request) -> Response:
        """Tensors in, tensors out."""
        request.query()
        task = request.path["task"]
        schema = self._service.ensembles.schema(task)
        body = await request.json()
        rows, output_names = read_request(body, schema, self._service.settings.max_rows)
        result = await self._service.consensus.predict(task, rows, request.request_id, request.traceparent)
        evidence = b"[" + b",".join(result.encoded) + b"]"
        error = self._service.consensus.refusal(task, result)
        if error is not None:
            refused = {"error": error["message"], "code": error["code"], "field": None}
            return json_response(refused | {"parameters": {"verdicts": evidence.decode()}}, 503)
        outputs = write_outputs(result.verdicts, schema)
        return json_response(
            {
                "model_name": task,
                "id": body.get("id", request.request_id),
                "parameters": {"verdicts": evidence.decode()},
                "outputs": [
                    output for output in outputs if output_names is None or output["name"] in output_names
                ],
            }
        )


def describe_model(task: str, schema: TaskSchema) -> dict[str, Any]:
    """What the protocol calls a model's metadata."""
    return {
        "name": task,
        "platform": "concord",
        "inputs": [
            {"name": feature.name, "datatype": STATED[feature.kind], "shape": [-1]}
            for feature in schema.features
        ],
        "outputs": _list_outputs(schema),
    }


def read_request(
    body: object, schema: TaskSchema, most: int
) -> tuple[list[dict[str, Any]], frozenset[str] | None]:
    """Turns tensors into rows of named columns, beside the names of the requested outputs (None: all).

    Raises:
        InvalidInput: A tensor is missing, unknown, of another type or length.
    """
    if not isinstance(body, dict):
        raise InvalidInput('The body must be an object with "inputs".', field="body")
    unknown = next(
        (str(name)[:60] for name in body if name not in ("id", "parameters", "inputs", "outputs")), None
    )
    if unknown is not None:
        raise InvalidInput(f"Unknown field {unknown!r} in the body.", field=unknown)
    if not isinstance(body.get("id", ""), str):
        raise InvalidInput("'id' must be text.", field="id")
    _check_parameters(body, "parameters")
    columns = _read_columns(body.get("inputs"), schema)
    count = len(next(iter(columns.values())))
    check_row_count(count, most)
    rows = [{name: data[row] for name, data in columns.items()} for row in range(count)]
    return rows, _read_output_names(body.get("outputs"), schema)


def write_outputs(verdicts: Sequence[Verdict], schema: TaskSchema) -> list[dict[str, Any]]:
    """The verdicts as tensors; a row without an answer has an empty label, or 0, and says so in `status`."""
    columns: dict[str, list[Any]] = {"status": [verdict.status for verdict in verdicts]}
    if schema.is_regression:
        columns["value"] = [verdict.value or 0.0 for verdict in verdicts]
    else:
        columns["label"] = [verdict.label or "" for verdict in verdicts]
        columns["probabilities"] = [
            (verdict.probabilities or {}).get(label.name, 0.0)
            for verdict in verdicts
            for label in schema.labels
        ]
    return [
        output | {"shape": [len(verdicts), *output["shape"][1:]], "data": columns[output["name"]]}
        for output in _list_outputs(schema)
    ]


def protocol_error(error: ConcordError) -> bytes:
    """`{"error": "message", "code": …, "field": …}`."""
    return orjson.dumps({"error": error.message, "code": error.code, "field": error.field})


def _read_columns(inputs: object, schema: TaskSchema) -> dict[str, list[Any]]:
    if not isinstance(inputs, list) or not inputs:
        raise InvalidInput(f"'inputs' must list one tensor per feature of {schema.task}.", field="inputs")
    features = {feature.name: feature for feature in schema.features}
    columns: dict[str, list[Any]] = {}
    for index, tensor in enumerate(inputs):
        name, data = _read_tensor(tensor, f"inputs[{index}]", features)
        if name in columns:
            raise InvalidInput(f"Tensor {name!r} is given twice.", field=f"inputs[{index}].name")
        columns[name] = data
    missing = next((name for name in features if name not in columns), None)
    if missing is not None:
        raise InvalidInput(f"The tensor {missing!r} is missing.", field=missing)
    lengths = {len(data) for data in columns.values()}
    if len(lengths) > 1:
        raise InvalidInput("All tensors must have the same number of rows.", field="inputs")
    return columns


def _read_tensor(tensor: object, where: str, features: Mapping[str, Feature]) -> tuple[str, list[Any]]:
    if not isinstance(tensor, dict):
        raise InvalidInput("A tensor is an object with name, shape, datatype and data.", field=where)
    extra = next((str(key)[:60] for key in tensor if key not in _TENSOR_KEYS), None)
    if extra is not None:
        raise InvalidInput(f"Unknown field {extra!r} in a tensor.", field=f"{where}.{extra}")
    name = tensor.get("name")
    feature = features.get(name) if isinstance(name, str) else None
    if feature is None:
        raise InvalidInput(
            f"Each tensor is named after a feature: {', '.join(features)}.", field=f"{where}.name"
        )
    allowed = DATATYPES[feature.kind]
    datatype = tensor.get("datatype")
    if not isinstance(datatype, str) or datatype not in allowed:
        raise InvalidInput(
            f"{feature.name} comes as {', '.join(sorted(allowed))}.", field=f"{where}.datatype"
        )
    _check_parameters(tensor, f"{where}.parameters")
    data = tensor.get("data")
    if not isinstance(data, list):
        raise InvalidInput("'data' must be a flat list, one element a row.", field=f"{where}.data")
    if datatype in _INTEGERS and any(type(element) is not int for element in data):
        raise InvalidInput(f"{datatype} data are whole numbers.", field=f"{where}.data")
    if not _is_shape_of(tensor.get("shape"), len(data)):
        raise InvalidInput(f"'shape' must be [{len(data)}], the length of 'data'.", field=f"{where}.shape")
    return feature.name, data


_TENSOR_KEYS: Final = ("name", "shape", "datatype", "parameters", "data")


def _is_shape_of(shape: object, count: int) -> bool:
    if not isinstance(shape, list) or any(type(size) is not int for size in shape):
        return False
    return shape in ([count], [count, 1])


def _read_output_names(outputs: object, schema: TaskSchema) -> frozenset[str] | None:
    if outputs is None:
        return None
    names = [output["name"] for output in _list_outputs(schema)]
    if not isinstance(outputs, list):
        raise InvalidInput("'outputs' must be a list of objects with a name.", field="outputs")
    for index, output in enumerate(outputs):
        if not isinstance(output, dict) or output.get("name") not in names:
            raise InvalidInput(f"Known outputs: {', '.join(names)}.", field=f"outputs[{index}].name")
    return frozenset(output["name"] for output in outputs) or None


def _list_outputs(schema: TaskSchema) -> list[dict[str, Any]]:
    status = {"name": "status", "datatype": "BYTES", "shape": [-1]}
    if schema.is_regression:
        return [{"name": "value", "datatype": "FP64", "shape": [-1]}, status]
    return [
        {"name": "label", "datatype": "BYTES", "shape": [-1]},
        {"name": "probabilities", "datatype": "FP64", "shape": [-1, len(schema.labels)]},
        status,
    ]


def _check_parameters(holder: Mapping[str, Any], where: str) -> None:
    if not isinstance(holder.get("parameters", {}), dict):
        raise InvalidInput("'parameters' must be an object.", field=where)


def _describe(summary: str, *, errors: Sequence[int] = (), statuses: Sequence[int] = (200,)) -> Operation:
    return Operation(
        summary,
        tag=_TAG,
        errors=errors,
        statuses=statuses,
        refusal="ErrorV2",
        components={"ErrorV2": _ERROR},
    )


def _describe_infer(schema: TaskSchema) -> Operation:
    tensors = [_make_tensor_schema(feature) for feature in schema.features]
    inputs = {
        "type": "array",
        "prefixItems": tensors,
        "minItems": len(tensors),
        "maxItems": len(tensors),
        "items": False,
    }
    summary = f"{schema.title}: the same by the Open Inference Protocol"
    return replace(
        _describe(summary, errors=(429, 503)),
        answer={
            "type": "object",
            "required": ["model_name", "outputs"],
            "properties": {"outputs": {"type": "array"}},
        },
        body=object_schema({"id": {"type": "string"}, "inputs": inputs}, ["inputs"]),
    )


def _make_tensor_schema(feature: Feature) -> Schema:
    datatypes = sorted(name for name in DATATYPES[feature.kind] if not name.startswith(("INT", "UINT")))
    fields: Mapping[str, Schema] = {
        "name": {"const": feature.name},
        "shape": {"const": [1]},
        "datatype": {"enum": datatypes},
        "data": {"type": "array", "minItems": 1, "maxItems": 1, "items": feature_schema(feature)},
    }
    return object_schema(fields, list(fields))
