"""Tensors become rows, whatever the order, the nesting and the part of the body that they come in."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from concord.api.open_inference.datatypes import pack
from concord.api.open_inference.inputs import read_request
from concord.api.open_inference.tensors import BinaryPart
from concord.errors import InvalidInput
from tests.service.stack import AMOUNT, IRIS

NUMBERS = {name: [value, value + 1] for name, value in IRIS.example.items()}


def tensor(name, data, datatype="FP64", shape=None, **members):
    return {"name": name, "shape": shape or [len(data)], "datatype": datatype, "data": data, **members}


def read(*inputs, schema=IRIS, binary=None, **members):
    document = {"inputs": list(inputs), **members}
    return asyncio.run(read_request(document, BinaryPart(binary), schema, most_rows=1000))


def test_tensors_come_in_any_order():
    inference = read(*(tensor(name, data) for name, data in reversed(NUMBERS.items())))
    assert inference.rows()[1] == {name: data[1] for name, data in NUMBERS.items()}


@pytest.mark.parametrize("nested", [False, True])
def test_one_tensor_of_all_features_is_in_the_schemas_order(nested):
    rows = [[column[row] for column in NUMBERS.values()] for row in range(2)]
    data = rows if nested else [number for row in rows for number in row]
    inference = read(tensor("input-0", data, "FP32", [2, 4]))
    assert inference.columns == NUMBERS


def test_one_binary_tensor_of_all_features_is_in_the_schemas_order():
    rows = np.array(list(NUMBERS.values()), "<f8").T.copy()
    document = {"name": "x", "shape": [2, 4], "datatype": "FP64", "parameters": {"binary_data_size": 64}}
    assert read(document, binary=rows.tobytes()).columns == NUMBERS


def test_one_tensor_of_a_task_of_one_feature_needs_no_name():
    schema = replace(IRIS, features=IRIS.features[:1])
    named, unnamed = (
        read(tensor(name, [1.0], shape=[1, 1]), schema=schema) for name in ("sepal_length", "x")
    )
    assert named.columns == unnamed.columns == {"sepal_length": [1.0]}


def test_one_tensor_is_for_numbers_only():
    with pytest.raises(InvalidInput, match="region is a choice") as caught:
        read(tensor("x", [[40, 0]], "INT64", [1, 2]), schema=AMOUNT)
    assert caught.value.field == "inputs[0].shape"
    with pytest.raises(InvalidInput, match="The features come as"):
        read(tensor("x", [["a"] * 4], "BYTES", [1, 4]))


def test_binary_tensors_are_taken_in_their_order_beside_those_in_json():
    age, region = pack("INT8", [40]), pack("BYTES", ["Corse"])
    described = [
        {
            "name": "region",
            "shape": [1],
            "datatype": "BYTES",
            "parameters": {"binary_data_size": len(region)},
        },
        {"name": "age", "shape": [1, 1], "datatype": "INT8", "parameters": {"binary_data_size": 1}},
    ]
    both = read(*described, schema=AMOUNT, binary=region + age)
    one = read(described[0], tensor("age", [40], "UINT16"), schema=AMOUNT, binary=region)
    assert both.rows() == one.rows() == [{"region": "Corse", "age": 40}]


@pytest.mark.parametrize(
    ("size", "binary", "field"),
    [
        (4, b"\0" * 4, "inputs[0].parameters.binary_data_size"),
        (9, b"\0" * 8, "inputs[0].parameters.binary_data_size"),
        (-8, b"\0" * 8, "inputs[0].parameters.binary_data_size"),
        ("8", b"\0" * 8, "inputs[0].parameters.binary_data_size"),
        (8, None, "inputs[0].parameters.binary_data_size"),
        (8, b"\0" * 9, "inputs"),
    ],
)
def test_bytes_that_do_not_fit_are_refused(size, binary, field):
    schema = replace(IRIS, features=IRIS.features[:1])
    document = {"name": "x", "shape": [1, 1], "datatype": "FP64", "parameters": {"binary_data_size": size}}
    with pytest.raises(InvalidInput) as caught:
        read(document, schema=schema, binary=binary)
    assert caught.value.field == field


def test_a_tensor_has_its_data_once():
    schema = replace(IRIS, features=IRIS.features[:1])
    both = tensor("x", [1.0], shape=[1, 1], parameters={"binary_data_size": 8})
    with pytest.raises(InvalidInput, match="not both"):
        read(both, schema=schema, binary=b"\0" * 8)


def test_outputs_are_asked_for_by_name_in_their_order():
    inputs = [tensor(name, data) for name, data in NUMBERS.items()]
    asked = [{"name": "status", "unknown": 1}, {"name": "label", "parameters": {"binary_data": True}}]
    assert list(read(*inputs, outputs=asked).outputs.is_binary.items()) == [
        ("status", False),
        ("label", True),
    ]
    for everything in (None, []):
        assert list(read(*inputs, outputs=everything).outputs.is_binary) == [
            "label",
            "probabilities",
            "status",
        ]
