"""A file that was made elsewhere keeps the contract of a node, or is refused with what to change."""

import pytest
from onnx import TensorProto, helper

from concord.errors import TrainingError
from concord.tasks.schema import Feature, Label, TaskSchema, Value
from training.registry.contract import check_graph

FEATURES = (Feature("x", "number", 0.5), Feature("y", "number", 1.5))
CLASSES = TaskSchema("flower", "Flower", "Which.", FEATURES, (Label("a", "A."), Label("b", "B.")))
NUMBER = TaskSchema("size", "Size", "How large.", FEATURES, value=Value("size", "m", "0.01", 1.0, "{value}"))


def graph(operator="Softmax", kind=TensorProto.FLOAT, columns=2, rows=None, output="probabilities"):
    """A graph of one operator."""
    return helper.make_model(
        helper.make_graph(
            [helper.make_node(operator, ["rows"], [output])],
            "made",
            [helper.make_tensor_value_info("rows", kind, [rows, columns])],
            [helper.make_tensor_value_info(output, kind, [rows, columns])],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=9,
    ).SerializeToString()


def zipmap():
    """As skl2onnx makes a classifier unless it is told otherwise."""
    names = helper.make_node(
        "ZipMap", ["shares"], ["probabilities"], domain="ai.onnx.ml", classlabels_strings=["a", "b"]
    )
    kind = helper.make_sequence_type_proto(
        helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    )
    return helper.make_model(
        helper.make_graph(
            [helper.make_node("Softmax", ["rows"], ["shares"]), names],
            "made",
            [helper.make_tensor_value_info("rows", TensorProto.FLOAT, [None, 2])],
            [helper.make_value_info("probabilities", kind)],
        ),
        opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)],
        ir_version=9,
    ).SerializeToString()


def below_zero():
    """Answers every row with -0.5 and 1.5."""
    shares = helper.make_tensor("shares", TensorProto.FLOAT, [1, 2], [-0.5, 1.5])
    nodes = [
        helper.make_node("Mul", ["rows", "none"], ["zeros"]),
        helper.make_node("Add", ["zeros", "shares"], ["probabilities"]),
    ]
    return helper.make_model(
        helper.make_graph(
            nodes,
            "made",
            [helper.make_tensor_value_info("rows", TensorProto.FLOAT, [None, 2])],
            [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])],
            [shares, helper.make_tensor("none", TensorProto.FLOAT, [1], [0.0])],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=9,
    ).SerializeToString()


def test_a_file_that_keeps_the_contract_passes():
    check_graph("flower.mine", CLASSES, graph())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (zipmap(), r"list of maps \(zipmap\)\. Convert it with .*'zipmap': False"),
        (
            graph(kind=TensorProto.DOUBLE),
            r"takes tensor\(double\), where a node gives float32.*FloatTensorType",
        ),
        (graph(columns=3), r"takes rows of shape \[None, 3\], where \(any number, 2\)"),
        (graph(rows=1), r"takes rows of shape \[1, 2\], where \(any number, 2\)"),
        (graph(output="answers"), "outputs 'answers' of .*, where 'probabilities' of"),
        (graph("Identity"), "do not sum up to 1, or with shares below 0. Give probabilities"),
        (graph("Log"), "do not sum up to 1"),
        (b"no graph", "no graph that onnxruntime can run"),
    ],
    ids=["zipmap", "float64", "columns", "rows", "output", "scores", "logarithms", "bytes"],
)
def test_a_file_that_breaks_it_is_refused_with_its_name_and_the_remedy(data, words):
    with pytest.raises(TrainingError, match=rf"flower\.mine: its ONNX file .*{words}"):
        check_graph("flower.mine", CLASSES, data)


def test_a_value_of_another_shape_is_refused():
    with pytest.raises(TrainingError, match=r"two rows in shape \(2, 2\), not with .* of shape \(2, 1\)"):
        check_graph("size.mine", NUMBER, graph("Identity", output="value"))


def test_shares_below_0_are_refused_though_they_sum_up_to_1():
    with pytest.raises(TrainingError, match="shares below 0"):
        check_graph("flower.mine", CLASSES, below_zero())
