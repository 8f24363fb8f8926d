"""Every datatype is read from JSON and from bytes, and what it cannot hold is refused."""

import math

import numpy as np
import pytest

from concord.api.open_inference.datatypes import BYTES, NUMERIC, pack, read_elements, unpack
from concord.errors import InvalidInput

NUMPY = {
    "BOOL": np.bool_,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
    **{f"INT{bits}": np.dtype(f"i{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": np.dtype(f"u{bits // 8}") for bits in (8, 16, 32, 64)},
}


def test_the_numeric_datatypes_are_those_of_the_protocol():
    assert NUMPY.keys() == NUMERIC


@pytest.mark.parametrize("datatype", NUMPY)
def test_bytes_of_a_numeric_datatype_are_its_numbers(datatype):
    numbers = np.array([0, 1, 1], NUMPY[datatype])
    assert unpack(datatype, numbers.tobytes(), 3, "here") == [0, 1, 1]
    assert pack(datatype, [0, 1, 1]) == numbers.tobytes()


@pytest.mark.parametrize("datatype", [name for name in NUMPY if "INT" in name])
def test_a_whole_number_beyond_its_datatype_is_refused(datatype):
    limits = np.iinfo(NUMPY[datatype])
    low, high = int(limits.min), int(limits.max)
    assert read_elements(datatype, [low, high], "here") == [low, high]
    assert unpack(datatype, np.array([low, high], NUMPY[datatype]).tobytes(), 2, "here") == [low, high]
    for beyond in (low - 1, high + 1, 1.0, True, "1", None, [1]):
        with pytest.raises(InvalidInput, match="whole numbers"):
            read_elements(datatype, [beyond], "here")


def test_a_boolean_is_one_or_zero_only_where_the_datatype_says_so():
    assert read_elements("BOOL", [True, False], "here") == [1, 0]
    for other in (1, "true", None):
        with pytest.raises(InvalidInput, match="true or false"):
            read_elements("BOOL", [other], "here")
    with pytest.raises(InvalidInput, match="0 or 1"):
        unpack("BOOL", b"\2", 1, "here")


@pytest.mark.parametrize("number", [0.7, 0.1, 6.1, 1e-7, 3.4e38, 16_777_217.0])
def test_an_fp32_is_the_shortest_decimal_that_it_stands_for(number):
    single = np.float32(number)
    shortest = float(str(single))
    assert unpack("FP32", single.tobytes(), 1, "here") == [shortest]
    assert (
        read_elements("FP32", [float(single)], "here")
        == read_elements("FP32", [number], "here")
        == [shortest]
    )
    assert np.float32(shortest) == single


@pytest.mark.parametrize("elements", [[1e300, 0.5], ["0.7"], [None, 0.5], [True], [2], []])
def test_what_is_no_fp32_is_left_to_the_feature_to_refuse(elements):
    assert read_elements("FP32", elements, "here") == elements


def test_a_binary_nan_stays_one_that_a_feature_refuses():
    (number,) = unpack("FP32", np.float32("nan").tobytes(), 1, "here")
    assert math.isnan(number)


def test_texts_are_read_as_they_were_packed():
    texts = ["Corse", "", "Côte d’Azur"]
    assert unpack(BYTES, pack(BYTES, texts), 3, "here") == texts


@pytest.mark.parametrize(
    ("data", "count"),
    [
        (b"\1\0\0\0a", 2),
        (b"\1\0\0\0a\1", 1),
        (b"\2\0\0\0a", 1),
        (b"\xff\xff\xff\xffa", 1),
        (b"", 1),
        (b"\1\0\0\0a" * 2, 1),
    ],
)
def test_texts_of_another_number_or_length_are_refused(data, count):
    with pytest.raises(InvalidInput, match="texts"):
        unpack(BYTES, data, count, "here")


def test_texts_are_utf_8():
    with pytest.raises(InvalidInput, match="UTF-8"):
        unpack(BYTES, b"\1\0\0\0\xff", 1, "here")


@pytest.mark.parametrize("count", [0, 2, 1 << 80])
def test_bytes_of_another_number_of_elements_are_refused(count):
    with pytest.raises(InvalidInput, match=f"{count} elements of FP32"):
        unpack("FP32", b"\0" * 4, count, "here")


def test_a_whole_number_among_fp32_changes_no_other():
    assert read_elements("FP32", [0.699999988079071, 2, None], "data") == [0.7, 2, None]
