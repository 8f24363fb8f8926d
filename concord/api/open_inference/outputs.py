"""Writes verdicts as output tensors, in JSON or as bytes behind it, as a request asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from concord.api.open_inference.datatypes import BYTES, STATED, pack
from concord.api.open_inference.tensors import JSON_LENGTH_HEADER, read_parameters
from concord.errors import InvalidInput
from concord.http.request import Response
from concord.tasks.schema import TaskSchema
from concord.types.answers import Verdict

VERSION: Final = "1"
"""The one version of a task; its nodes' models have versions of their own, which each verdict names."""

_CONTENT_TYPES: Final = {BYTES: "str", "FP64": "np", "INT64": "np"}
"""Names of the codecs of MLServer that decode a tensor of each datatype."""


@dataclass(frozen=True, slots=True)
class OutputRequest:
    """The outputs that a request asks for, in its order: name → whether as bytes."""

    is_binary: Mapping[str, bool]


def describe_model(task: str, schema: TaskSchema) -> dict[str, Any]:
    """What the protocol calls a model's metadata."""
    return {
        "name": task,
        "versions": [VERSION],
        "platform": "concord",
        "inputs": [_describe_tensor(feature.name, STATED[feature.kind], [-1]) for feature in schema.features],
        "outputs": _list_outputs(schema),
    }


def read_output_request(outputs: object, parameters: Mapping[str, Any], schema: TaskSchema) -> OutputRequest:
    """Reads the member `outputs` of a request; absent or empty, it asks for all of them.

    Args:
        outputs: Any JSON value.
        parameters: The request's own, which may ask for bytes unless an output says otherwise.
        schema: The task's.

    Raises:
        InvalidInput: It is no list of outputs of this task.
    """
    names = [output["name"] for output in _list_outputs(schema)]
    binary = _read_flag(parameters, "binary_data_output", "parameters", default=False)
    if outputs is None or outputs == []:
        return OutputRequest(dict.fromkeys(names, binary))
    if not isinstance(outputs, list):
        raise InvalidInput("'outputs' must be a list of objects with a name.", field="outputs")
    if len(outputs) > len(names):
        raise InvalidInput(f"There are {len(names)} outputs: {', '.join(names)}.", field="outputs")
    is_binary: dict[str, bool] = {}
    for index, output in enumerate(outputs):
        if not isinstance(output, dict) or output.get("name") not in names:
            raise InvalidInput(f"Known outputs: {', '.join(names)}.", field=f"outputs[{index}].name")
        where = f"outputs[{index}].parameters"
        own = read_parameters(output, where)
        is_binary[output["name"]] = _read_flag(own, "binary_data", where, default=binary)
    return OutputRequest(is_binary)


def write_outputs(
    verdicts: Sequence[Verdict], schema: TaskSchema, request: OutputRequest
) -> tuple[list[dict[str, Any]], bytes]:
    """The verdicts as tensors, and the bytes of those that are binary.

    A row without an answer has an empty label, or 0, and says so in `status`.
    """
    outputs: list[dict[str, Any]] = []
    parts: list[bytes] = []
    described = {output["name"]: output for output in _list_outputs(schema)}
    for name, is_binary in request.is_binary.items():
        output = described[name]
        elements = _elements(name, verdicts, schema)
        output["shape"][0] = len(verdicts)
        if is_binary:
            parts.append(pack(output["datatype"], elements))
            output["parameters"]["binary_data_size"] = len(parts[-1])
        else:
            output["data"] = elements
        outputs.append(output)
    return outputs, b"".join(parts)


def pack_response(head: Mapping[str, Any], binary: bytes) -> Response:
    """The answer: JSON, with the bytes of binary tensors behind it if there are any."""
    document = orjson.dumps(head)
    if not binary:
        return Response(document)
    length = {JSON_LENGTH_HEADER: str(len(document))}
    return Response(document + binary, media_type="application/octet-stream", headers=length)


def _elements(name: str, verdicts: Sequence[Verdict], schema: TaskSchema) -> list[Any]:
    if name == "status":
        return [verdict.status for verdict in verdicts]
    if name == "value":
        return [verdict.value or 0.0 for verdict in verdicts]
    if name == "label":
        return [verdict.label or "" for verdict in verdicts]
    return [
        (verdict.probabilities or {}).get(label.name, 0.0) for verdict in verdicts for label in schema.labels
    ]


def _list_outputs(schema: TaskSchema) -> list[dict[str, Any]]:
    status = _describe_tensor("status", BYTES, [-1])
    if schema.is_regression:
        return [_describe_tensor("value", "FP64", [-1]), status]
    return [
        _describe_tensor("label", BYTES, [-1]),
        _describe_tensor("probabilities", "FP64", [-1, len(schema.labels)]),
        status,
    ]


def _describe_tensor(name: str, datatype: str, shape: list[int]) -> dict[str, Any]:
    parameters = {"content_type": _CONTENT_TYPES[datatype]}
    return {"name": name, "datatype": datatype, "shape": shape, "parameters": parameters}


def _read_flag(parameters: Mapping[str, Any], name: str, where: str, *, default: bool) -> bool:
    flag = parameters.get(name)
    if flag is None:
        return default
    if not isinstance(flag, bool):
        raise InvalidInput(f"'{name}' must be true or false.", field=f"{where}.{name}")
    return flag
