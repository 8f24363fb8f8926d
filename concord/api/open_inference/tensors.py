"""Reads one input tensor: JSON, flat or nested, or bytes behind the JSON part of the body."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from concord.api.open_inference.datatypes import BYTES, NUMERIC, read_elements, unpack
from concord.errors import InvalidInput

JSON_LENGTH_HEADER: Final = "inference-header-content-length"
"""Bytes of a body's JSON part, which binary tensors follow."""

DATATYPES: Final = frozenset({*NUMERIC, BYTES})

MOST_RANK: Final = 2
"""Dimensions of a tensor: rows, and features or 1."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input tensor; `elements` are flat and row-major, `where` is its place for errors."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    elements: list[Any]
    where: str


class BinaryPart:
    """The bytes behind the JSON part of a body, taken tensor by tensor.

    Args:
        data: All of them; None where the request does not say that there are any.
    """

    def __init__(self, data: bytes | None) -> None:
        self._data, self._taken = data, 0

    def take(self, size: object, where: str) -> bytes:
        """The next tensor's bytes.

        Raises:
            InvalidInput: There are not as many.
        """
        if self._data is None:
            raise InvalidInput(
                "Binary tensors need the header 'Inference-Header-Content-Length', "
                "the length of the JSON part.",
                field=where,
            )
        left = len(self._data) - self._taken
        if type(size) is not int or not 0 <= size <= left:
            raise InvalidInput(
                f"'binary_data_size' is a whole number of bytes, of which {left} are left.", field=where
            )
        begin, self._taken = self._taken, self._taken + size
        return self._data[begin : self._taken]

    def check_empty(self) -> None:
        """Refuses bytes that no tensor has taken."""
        left = len(self._data or b"") - self._taken
        if left:
            raise InvalidInput(
                f"{left} bytes behind the JSON part belong to no tensor; "
                "'binary_data_size' in a tensor's parameters says how many are its own.",
                field="inputs",
            )


def read_tensor(document: object, where: str, binary: BinaryPart) -> Tensor:
    """Reads one element of `inputs`; members that the protocol does not name are ignored.

    Args:
        document: Any JSON value.
        where: Its place, such as `inputs[2]`.
        binary: The bytes behind the JSON part; those of the tensors before it are taken.

    Raises:
        InvalidInput: It is no tensor.
    """
    if not isinstance(document, dict):
        raise InvalidInput("A tensor is an object with name, shape, datatype and data.", field=where)
    name, datatype = document.get("name"), document.get("datatype")
    if not isinstance(name, str):
        raise InvalidInput("'name' must be text.", field=f"{where}.name")
    if not isinstance(datatype, str) or datatype not in DATATYPES:
        raise InvalidInput(
            f"'datatype' must be one of {', '.join(sorted(DATATYPES))}.", field=f"{where}.datatype"
        )
    size = read_parameters(document, f"{where}.parameters").get("binary_data_size")
    shape = _read_shape(document.get("shape"), f"{where}.shape")
    data = document.get("data")
    if size is None:
        elements = read_elements(datatype, _flatten(data, shape, where), f"{where}.data")
    elif data is not None:
        raise InvalidInput("A tensor has 'data' or 'binary_data_size', not both.", field=f"{where}.data")
    else:
        place = f"{where}.parameters.binary_data_size"
        elements = unpack(datatype, binary.take(size, place), math.prod(shape), place)
    return Tensor(name, datatype, shape, elements, where)


def read_parameters(holder: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """The member `parameters`; empty where it is absent or null.

    Raises:
        InvalidInput: It is no object.
    """
    parameters = holder.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise InvalidInput("'parameters' must be an object.", field=where)
    return parameters


def _read_shape(shape: object, where: str) -> tuple[int, ...]:
    if not isinstance(shape, list) or not 1 <= len(shape) <= MOST_RANK:
        raise InvalidInput("'shape' must be [rows] or [rows, columns].", field=where)
    if any(type(size) is not int or size < 0 for size in shape):
        raise InvalidInput("'shape' must hold whole numbers.", field=where)
    return tuple(shape)


def _flatten(data: object, shape: tuple[int, ...], where: str) -> list[Any]:
    """The elements of data that is flat, or nested as the shape says."""
    if not isinstance(data, list):
        raise InvalidInput(
            "'data' must be a list of elements, or 'binary_data_size' in 'parameters' say how many bytes "
            "behind the JSON part are the tensor's.",
            field=f"{where}.data",
        )
    if not any(isinstance(element, list) for element in data):
        if len(data) != math.prod(shape):
            raise InvalidInput(
                f"'shape' {list(shape)} does not fit 'data', which has {len(data)} elements.",
                field=f"{where}.shape",
            )
        return data
    columns = shape[1] if len(shape) == MOST_RANK else None
    if len(data) != shape[0] or any(not isinstance(row, list) or len(row) != columns for row in data):
        raise InvalidInput(
            f"'data' is nested otherwise than 'shape' {list(shape)} says.", field=f"{where}.data"
        )
    return [element for row in data for element in row]
