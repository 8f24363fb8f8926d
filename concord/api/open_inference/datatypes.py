"""The protocol's datatypes: what their elements look like in JSON and in bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson

from concord.errors import InvalidInput
from concord.tasks.schema import FLOAT32_MAX

BYTES: Final = "BYTES"
"""Texts here: UTF-8, in binary tensors each behind its length as four little-endian bytes."""

BOOL: Final = "BOOL"
"""Booleans; a number's feature reads them as 1 and 0, since the datatype says what they are."""

_LENGTH_BYTES: Final = 4

_CODES: Final = {
    "INT8": "<i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "UINT8": "<u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
    BOOL: "<u1",
}
_FIXED: Final[Mapping[str, np.dtype[Any]]] = {name: np.dtype(code) for name, code in _CODES.items()}

NUMERIC: Final = frozenset(_FIXED)
"""Datatypes of a number or a whole number."""

TAKEN: Final[Mapping[str, frozenset[str]]] = {
    "number": NUMERIC,
    "integer": NUMERIC,
    "choice": frozenset({BYTES}),
}
"""Datatypes that a feature of each kind may come in."""

STATED: Final = {"number": "FP64", "integer": "INT64", "choice": BYTES}
"""The datatype that a model's metadata names for each kind."""


@dataclass(frozen=True, slots=True)
class _Range:
    low: int
    high: int


_RANGES: Final = {
    name: _Range(int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    for name, dtype in _FIXED.items()
    if "INT" in name
}


def read_elements(datatype: str, elements: Sequence[Any], where: str) -> list[Any]:
    """Elements that came as JSON. Those of floats and texts are checked by the feature that they are for.

    Raises:
        InvalidInput: An element is none of the datatype.
    """
    if datatype == BOOL:
        if any(type(element) is not bool for element in elements):
            raise InvalidInput("BOOL data are true or false.", field=where)
        return [int(element) for element in elements]
    limits = _RANGES.get(datatype)
    if limits is not None and not all(
        type(element) is int and limits.low <= element <= limits.high for element in elements
    ):
        raise InvalidInput(
            f"{datatype} data are whole numbers from {limits.low} to {limits.high}.", field=where
        )
    return _shorten(elements) if datatype == "FP32" else list(elements)


def unpack(datatype: str, data: bytes, count: int, where: str) -> list[Any]:
    """Elements that came as bytes.

    Args:
        datatype: A datatype of the protocol.
        data: The tensor's bytes, little-endian and row-major.
        count: How many elements the shape states.
        where: The field that an error names.

    Raises:
        InvalidInput: The bytes are not as many elements of the datatype.
    """
    if datatype == BYTES:
        return _unpack_texts(data, count, where)
    dtype = _FIXED[datatype]
    if len(data) != count * dtype.itemsize:
        raise InvalidInput(
            f"{count} elements of {datatype} are {count * dtype.itemsize} bytes, not {len(data)}.",
            field=where,
        )
    array = np.frombuffer(data, dtype)
    if datatype == "FP32" and np.isfinite(array).all():
        return _shortest(array)
    elements: list[Any] = array.tolist()
    if datatype == BOOL and any(element > 1 for element in elements):
        raise InvalidInput("BOOL data are bytes of 0 or 1.", field=where)
    return _shorten(elements) if datatype == "FP32" else elements


def pack(datatype: str, elements: Sequence[Any]) -> bytes:
    """Elements as the bytes of a binary tensor."""
    if datatype != BYTES:
        return np.asarray(elements, _FIXED[datatype]).tobytes()
    texts = [element.encode() for element in elements]
    return b"".join(part for text in texts for part in (len(text).to_bytes(_LENGTH_BYTES, "little"), text))


def _shorten(elements: Sequence[Any]) -> list[Any]:
    """Elements of FP32, each float as the shortest decimal that it stands for, if it is finite as FP32.

    The FP32 next to 0.7 is a bit below it, and a feature whose minimum is 0.7 is not meant to refuse it.
    """
    if elements and set(map(type, elements)) == {float}:
        array = np.array(elements)
        if (np.abs(array) <= FLOAT32_MAX).all():
            # Nearly always, and in a fraction of the time.
            return _shortest(array.astype(np.float32))
    shortened = list(elements)
    # JSON may write 2.0 as 2, and what is no number at all is refused by the feature.
    places = [at for at, it in enumerate(shortened) if type(it) is float and abs(it) <= FLOAT32_MAX]
    floats = np.array([shortened[place] for place in places], np.float32)
    for place, element in zip(places, _shortest(floats), strict=True):
        shortened[place] = element
    return shortened


def _shortest(array: npt.NDArray[np.float32]) -> list[float]:
    elements: list[float] = orjson.loads(orjson.dumps(array, option=orjson.OPT_SERIALIZE_NUMPY))
    return elements


def _unpack_texts(data: bytes, count: int, where: str) -> list[str]:
    texts, begin = [], 0
    # The bytes bound the loop, whatever the shape states.
    while begin + _LENGTH_BYTES <= len(data):
        length = int.from_bytes(data[begin : begin + _LENGTH_BYTES], "little")
        begin += _LENGTH_BYTES
        texts.append(data[begin : begin + length])
        begin += length
    if begin != len(data) or len(texts) != count:
        raise InvalidInput(
            f"The bytes are not {count} texts, each behind its length in four bytes.", field=where
        )
    try:
        return [text.decode() for text in texts]
    except UnicodeDecodeError as error:
        raise InvalidInput("BYTES data are texts in UTF-8.", field=where) from error
