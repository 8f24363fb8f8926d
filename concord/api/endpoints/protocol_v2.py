"""The Open Inference Protocol, version 2 (REST), over the same predictions.

One tensor per feature goes in; `label` and `probabilities`, or `value`, come out, with `status` a
row and the whole evidence as one JSON string in `parameters`. A task is a model here. Source:
https://github.com/open-inference/open-inference-protocol, specification/protocol/inference_rest.md.
Errors look as the protocol says, `{"error": "message"}`, with `code` and `field` beside it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from concord.api.endpoints.predictions import check_row_count
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


class ProtocolV2:
    """Health, metadata and inference as the protocol names them."""

    def __init__(self, service: Service, version: str) -> None:
        self._service = service
        self._version = version

    async def server(self, incoming: Request) -> Response:
        """`GET /v2`."""
        incoming.query()
        return json_response({"name": "concord", "version": self._version, "extensions": []})

    async def live(self, incoming: Request) -> Response:
        """`GET /v2/health/live`."""
        incoming.query()
        return json_response({"live": True})

    async def ready(self, incoming: Request) -> Response:
        """`GET /v2/health/ready`: 200 once some task can reach its quorum."""
        incoming.query()
        return _readiness(None, ready=self._service.ready())

    async def model(self, incoming: Request) -> Response:
        """`GET /v2/models/{task}`: the tensors in and out."""
        incoming.query()
        return json_response(
            metadata(incoming.path["task"], self._service.ensembles.schema(incoming.path["task"]))
        )

    async def model_ready(self, incoming: Request) -> Response:
        """`GET /v2/models/{task}/ready`."""
        incoming.query()
        task = incoming.path["task"]
        self._service.ensembles.settings(task)
        return _readiness(task, ready=self._service.ensembles.is_ready(task))

    async def infer(self, incoming: Request) -> Response:
        """`POST /v2/models/{task}/infer`."""
        incoming.query()
        task = incoming.path["task"]
        schema = self._service.ensembles.schema(task)
        body = await incoming.json()
        rows, wanted = read_request(body, schema, self._service.settings.max_rows)
        response = await self._service.consensus.predict(
            task, rows, incoming.request_id, incoming.traceparent
        )
        evidence = b"[" + b",".join(response.encoded) + b"]"
        error = self._service.consensus.refusal(task, response)
        if error is not None:
            refused = {"error": error["message"], "code": error["code"], "field": None}
            return json_response(refused | {"parameters": {"verdicts": evidence.decode()}}, 503)
        outputs = write_outputs(response.verdicts, schema)
        return json_response(
            {
                "model_name": task,
                "id": body.get("id", incoming.request_id),
                "parameters": {"verdicts": evidence.decode()},
                "outputs": [output for output in outputs if wanted is None or output["name"] in wanted],
            }
        )


def metadata(task: str, schema: TaskSchema) -> dict[str, Any]:
    """What the protocol calls a model's metadata."""
    return {
        "name": task,
        "platform": "concord",
        "inputs": [
            {"name": feature.name, "datatype": STATED[feature.kind], "shape": [-1]}
            for feature in schema.features
        ],
        "outputs": _output_types(schema),
    }


def read_request(
    body: object, schema: TaskSchema, most: int
) -> tuple[list[dict[str, Any]], frozenset[str] | None]:
    """Turns tensors into rows of named columns, and says which outputs are wanted (None: all).

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
    columns = _columns(body.get("inputs"), schema)
    count = len(next(iter(columns.values())))
    check_row_count(count, most)
    rows = [{name: data[row] for name, data in columns.items()} for row in range(count)]
    return rows, _wanted(body.get("outputs"), schema)


def write_outputs(verdicts: Sequence[Verdict], schema: TaskSchema) -> list[dict[str, Any]]:
    """The verdicts as tensors; a row without an answer has an empty label, or 0, and says so in `status`."""
    count = len(verdicts)
    status = {"name": "status", "datatype": "BYTES", "shape": [count], "data": [v.status for v in verdicts]}
    if schema.is_regression:
        values = [verdict.value or 0.0 for verdict in verdicts]
        return [{"name": "value", "datatype": "FP64", "shape": [count], "data": values}, status]
    names = [label.name for label in schema.labels]
    shares = [
        share
        for verdict in verdicts
        for share in ((verdict.probabilities or {}).get(name, 0.0) for name in names)
    ]
    labels = [verdict.label or "" for verdict in verdicts]
    return [
        {"name": "label", "datatype": "BYTES", "shape": [count], "data": labels},
        {"name": "probabilities", "datatype": "FP64", "shape": [count, len(names)], "data": shares},
        status,
    ]


def protocol_error(error: ConcordError) -> bytes:
    """`{"error": "message", "code": …, "field": …}`."""
    return orjson.dumps({"error": error.message, "code": error.code, "field": error.field})


def _columns(inputs: object, schema: TaskSchema) -> dict[str, list[Any]]:
    if not isinstance(inputs, list) or not inputs:
        raise InvalidInput(f"'inputs' must list one tensor per feature of {schema.task}.", field="inputs")
    features = {feature.name: feature for feature in schema.features}
    columns: dict[str, list[Any]] = {}
    for place, tensor in enumerate(inputs):
        name, data = _tensor(tensor, f"inputs[{place}]", features)
        if name in columns:
            raise InvalidInput(f"Tensor {name!r} is given twice.", field=f"inputs[{place}].name")
        columns[name] = data
    missing = next((name for name in features if name not in columns), None)
    if missing is not None:
        raise InvalidInput(f"The tensor {missing!r} is missing.", field=missing)
    lengths = {len(data) for data in columns.values()}
    if len(lengths) > 1:
        raise InvalidInput("All tensors must have the same number of rows.", field="inputs")
    return columns


def _tensor(tensor: object, where: str, features: Mapping[str, Feature]) -> tuple[str, list[Any]]:
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


def _wanted(outputs: object, schema: TaskSchema) -> frozenset[str] | None:
    if outputs is None:
        return None
    known = [output["name"] for output in _output_types(schema)]
    if not isinstance(outputs, list):
        raise InvalidInput("'outputs' must be a list of objects with a name.", field="outputs")
    for place, output in enumerate(outputs):
        if not isinstance(output, dict) or output.get("name") not in known:
            raise InvalidInput(f"Known outputs: {', '.join(known)}.", field=f"outputs[{place}].name")
    return frozenset(output["name"] for output in outputs) or None


def _output_types(schema: TaskSchema) -> list[dict[str, Any]]:
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


def _readiness(task: str | None, *, ready: bool) -> Response:
    body: dict[str, Any] = {"name": task, "ready": ready} if task else {"ready": ready}
    return json_response(body, 200 if ready else 503)
