"""Turns a request's body into rows of named columns, and into the outputs that it asks for."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from concord.api.open_inference.datatypes import NUMERIC, TAKEN
from concord.api.open_inference.outputs import OutputRequest, read_output_request
from concord.api.open_inference.tensors import (
    JSON_LENGTH_HEADER,
    MOST_RANK,
    BinaryPart,
    Tensor,
    read_parameters,
    read_tensor,
)
from concord.api.params import whole_number
from concord.errors import InvalidInput, WrongMediaType
from concord.http.request import Request, parse_json
from concord.tasks.schema import Feature, TaskSchema
from concord.util.slices import turn_for

BYTES_AN_ELEMENT: Final = 16
"""What an element of a tensor counts for: some 0.1 µs to check it, as for so many bytes of JSON."""

SURPLUS_TENSORS: Final = 8
"""More tensors than features that are read, so that an error names the one that is wrong."""

_MEDIA_TYPES: Final = frozenset({"", "application/json", "application/octet-stream"})
"""Of a body. Triton's clients state none, or one that says nothing."""


@dataclass(frozen=True, slots=True)
class Inference:
    """A request for inference.

    Attributes:
        id: The caller's id for it; None where it states none.
        columns: Feature → one element a row, in the order of the rows.
        outputs: The outputs that it asks for, and how.
    """

    id: str | None
    columns: Mapping[str, Sequence[Any]]
    outputs: OutputRequest

    @property
    def row_count(self) -> int:
        """How many rows it has."""
        return len(next(iter(self.columns.values())))

    def rows(self) -> list[dict[str, Any]]:
        """The rows, each by the names of its columns."""
        return [
            dict(zip(self.columns, values, strict=True))
            for values in zip(*self.columns.values(), strict=True)
        ]


async def read_body(request: Request) -> tuple[object, BinaryPart]:
    """Reads a body: its JSON part, and the bytes of binary tensors behind it.

    Raises:
        WrongMediaType: It is declared as neither JSON nor binary tensors.
        CallerError: It is longer than allowed, or its JSON part is none.
        InvalidInput: The length of the JSON part is none.
    """
    if request.media_type not in _MEDIA_TYPES:
        raise WrongMediaType(
            "The body is JSON ('content-type: application/json'), or JSON and binary tensors "
            f"('application/octet-stream'), not {request.media_type[:60]!r}.",
            field="content-type",
        )
    stated, body = request.header(JSON_LENGTH_HEADER), await request.body()
    if stated is None:
        await turn_for(len(body))
        return parse_json(body), BinaryPart(None)
    length = whole_number(stated)
    if not 0 < length <= len(body):
        raise InvalidInput(
            f"The header is the length of the body's JSON part, from 1 to {len(body)} bytes.",
            field=JSON_LENGTH_HEADER,
        )
    await turn_for(length)
    return parse_json(body[:length]), BinaryPart(body[length:])


async def read_request(body: object, binary: BinaryPart, schema: TaskSchema, most_rows: int) -> Inference:
    """Reads the JSON part; members that the protocol does not name are ignored, null is an absent one.

    Args:
        body: Any JSON value.
        binary: The bytes behind it.
        schema: The task's.
        most_rows: Rows that a call takes; a tensor of more is not read.

    Raises:
        InvalidInput: A tensor is missing, unknown, of another type or length, or there are too many.
    """
    if not isinstance(body, dict):
        raise InvalidInput('The body must be an object with "inputs".', field="body")
    stated_id = body.get("id")
    if stated_id is not None and not isinstance(stated_id, str):
        raise InvalidInput("'id' must be text.", field="id")
    outputs = read_output_request(body.get("outputs"), read_parameters(body, "parameters"), schema)
    inputs = body.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise InvalidInput(f"'inputs' must list one tensor per feature of {schema.task}.", field="inputs")
    width = len(schema.features)
    if len(inputs) > width + SURPLUS_TENSORS:
        raise InvalidInput(
            f"There are {len(inputs)} tensors, and {schema.task} has {width} features.", field="inputs"
        )
    tensors = []
    for index, document in enumerate(inputs):
        where = f"inputs[{index}]"
        await turn_for(_check_size(document, where, most_rows, width) * BYTES_AN_ELEMENT)
        tensors.append(read_tensor(document, where, binary))
    binary.check_empty()
    columns = _split(tensors[0], schema) if _is_matrix(tensors, schema) else _read_columns(tensors, schema)
    return Inference(stated_id or None, columns, outputs)


def _check_size(document: object, where: str, most_rows: int, width: int) -> int:
    """How many elements a tensor has, or would have by its shape; more than a call's are not read."""
    if not isinstance(document, dict):
        return 0
    shape, data = document.get("shape"), document.get("data")
    sizes = shape[:MOST_RANK] if isinstance(shape, list) else []
    stated = math.prod([size for size in sizes if type(size) is int])
    count = max(stated, len(data) if isinstance(data, list) else 0)
    if count > most_rows * width:
        raise InvalidInput(
            f"A call takes {most_rows} rows, which are {most_rows * width} elements at most, not {count}; "
            "send several calls.",
            field=f"{where}.shape",
            code="too_many_rows",
        )
    return count


def _is_matrix(tensors: Sequence[Tensor], schema: TaskSchema) -> bool:
    """Whether it is the one tensor [rows, features] that most tutorials send, whatever its name."""
    first, width = tensors[0], len(schema.features)
    if len(tensors) > 1 or len(first.shape) != MOST_RANK or first.shape[1] != width:
        return False
    return width > 1 or first.name not in schema.names


def _split(tensor: Tensor, schema: TaskSchema) -> dict[str, list[Any]]:
    """The columns of one tensor, in the schema's order; only numbers share a datatype."""
    choice = next((feature.name for feature in schema.features if feature.kind == "choice"), None)
    if choice is not None:
        raise InvalidInput(
            f"One tensor for all features is for numbers, and {choice} is a choice; send a tensor a feature.",
            field=f"{tensor.where}.shape",
        )
    if tensor.datatype not in NUMERIC:
        raise InvalidInput(
            f"The features come as {', '.join(sorted(NUMERIC))}.", field=f"{tensor.where}.datatype"
        )
    width = len(schema.features)
    return {feature.name: tensor.elements[index::width] for index, feature in enumerate(schema.features)}


def _read_columns(tensors: Sequence[Tensor], schema: TaskSchema) -> dict[str, list[Any]]:
    features = {feature.name: feature for feature in schema.features}
    columns: dict[str, list[Any]] = {}
    for tensor in tensors:
        _check_column(tensor, features)
        if tensor.name in columns:
            raise InvalidInput(f"Tensor {tensor.name!r} is given twice.", field=f"{tensor.where}.name")
        columns[tensor.name] = tensor.elements
    missing = next((name for name in features if name not in columns), None)
    if missing is not None:
        raise InvalidInput(f"The tensor {missing!r} is missing.", field=missing)
    if len({len(elements) for elements in columns.values()}) > 1:
        raise InvalidInput("All tensors must have the same number of rows.", field="inputs")
    return columns


def _check_column(tensor: Tensor, features: Mapping[str, Feature]) -> None:
    feature = features.get(tensor.name)
    if feature is None:
        raise InvalidInput(
            f"Each tensor is named after a feature: {', '.join(features)}. One tensor of shape "
            f"[rows, {len(features)}] is taken where all of them are numbers.",
            field=f"{tensor.where}.name",
        )
    if tensor.datatype not in TAKEN[feature.kind]:
        raise InvalidInput(
            f"{feature.name} comes as {', '.join(sorted(TAKEN[feature.kind]))}.",
            field=f"{tensor.where}.datatype",
        )
    if len(tensor.shape) == MOST_RANK and tensor.shape[1] != 1:
        raise InvalidInput(
            f"The shape of {feature.name} must be [rows] or [rows, 1].", field=f"{tensor.where}.shape"
        )
