"""The protocol's operations in the OpenAPI document: any number of rows, in tensors in any order."""

from collections.abc import Sequence
from typing import Any, Final

from concord.api.endpoint import REFERENCE, Operation
from concord.api.open_inference.datatypes import STATED
from concord.api.open_inference.tensors import DATATYPES
from concord.api.params import Schema
from concord.tasks.schema import TaskSchema

_TAG: Final = "open inference protocol"
_PARAMETERS: Final[Schema] = {"type": "object", "additionalProperties": True}
_NAME: Final[Schema] = {"type": "string"}
_DATATYPE: Final[Schema] = {"type": "string", "enum": sorted(DATATYPES)}
_SHAPE: Final[Schema] = {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 0}}
_DATA: Final[Schema] = {
    "type": "array",
    "items": {},
    "description": "Row-major, flat or nested as `shape` says.",
}
_COMPONENTS: Final[dict[str, Schema]] = {
    "ErrorV2": {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {"type": "string"},
            "code": {"type": "string"},
            "field": {"type": ["string", "null"]},
        },
    },
}
_TENSORS: Final[dict[str, Schema]] = {
    "InputTensor": {
        "type": "object",
        "required": ["name", "shape", "datatype"],
        "properties": {
            "name": _NAME,
            "shape": _SHAPE | {"maxItems": 2},
            "datatype": _DATATYPE,
            "parameters": _PARAMETERS,
            "data": _DATA,
        },
    },
    "RequestedOutput": {
        "type": "object",
        "required": ["name"],
        "properties": {"name": _NAME, "parameters": _PARAMETERS},
    },
    "InferenceRequest": {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": {"type": "string"},
            "parameters": _PARAMETERS,
            "inputs": {
                "type": "array",
                "minItems": 1,
                "items": {"$ref": REFERENCE.format(model="InputTensor")},
            },
            "outputs": {"type": "array", "items": {"$ref": REFERENCE.format(model="RequestedOutput")}},
        },
    },
    "OutputTensor": {
        "type": "object",
        "required": ["name", "shape", "datatype"],
        "properties": {
            "name": _NAME,
            "shape": _SHAPE,
            "datatype": _DATATYPE,
            "parameters": _PARAMETERS,
            "data": _DATA,
        },
    },
    "InferenceResponse": {
        "type": "object",
        "required": ["model_name", "model_version", "id", "outputs"],
        "properties": {
            "model_name": {"type": "string"},
            "model_version": {"type": "string"},
            "id": {"type": "string"},
            "parameters": _PARAMETERS,
            "outputs": {"type": "array", "items": {"$ref": REFERENCE.format(model="OutputTensor")}},
        },
    },
}


def describe_metadata(
    summary: str, *, name: str = "", errors: Sequence[int] = (), statuses: Sequence[int] = (200,)
) -> Operation:
    """An operation that answers health or metadata."""
    return Operation(
        summary,
        name=name,
        tag=_TAG,
        errors=errors,
        statuses=statuses,
        refusal="ErrorV2",
        components=_COMPONENTS,
    )


def describe_infer(schema: TaskSchema) -> Operation:
    """Inference by one task."""
    return Operation(
        f"{schema.title}: the same by the Open Inference Protocol",
        {"$ref": REFERENCE.format(model="InferenceResponse")},
        tag=_TAG,
        description=_describe_inputs(schema),
        errors=(429, 503),
        body={
            "$ref": REFERENCE.format(model="InferenceRequest"),
            "example": {"inputs": _make_example(schema)},
        },
        refusal="ErrorV2",
        components=_COMPONENTS | _TENSORS,
    )


def _describe_inputs(schema: TaskSchema) -> str:
    each = ", ".join(f"{feature.name} ({STATED[feature.kind]})" for feature in schema.features)
    alone = all(feature.kind != "choice" for feature in schema.features)
    one = (
        f" Or one tensor of any name and shape [rows, {len(schema.features)}], in this order."
        if alone
        else ""
    )
    return f"One tensor per feature, of shape [rows] or [rows, 1], in any order: {each}.{one}"


def _make_example(schema: TaskSchema) -> list[dict[str, Any]]:
    return [
        {"name": feature.name, "shape": [1], "datatype": STATED[feature.kind], "data": [feature.example]}
        for feature in schema.features
    ]
