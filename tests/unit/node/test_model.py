"""A model folder that cannot be served is refused in a sentence, whatever onnxruntime makes of it."""

import hashlib
import json
from dataclasses import asdict

import onnx
import pytest
from onnx import TensorProto, helper

from concord.errors import ConfigurationError
from concord.node.app import load
from concord.node.model import OnnxModel
from concord.tasks.schema import Feature, Label, TaskSchema
from concord.types.nodes import NodeInfo

SCHEMA = TaskSchema(
    "coin",
    "Coin",
    "Which side is up.",
    (Feature("weight", "number", 1.0),),
    (Label("head", "Head."), Label("tail", "Tail.")),
)


def graph(columns):
    """One that hands its input on as its answer."""
    shape = ["rows", columns]
    body = helper.make_graph(
        [helper.make_node("Concat", ["x", "x"], ["probabilities"], axis=1)],
        "coin",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["rows", 2 * columns])],
    )
    made = helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(onnx.ModelProto.SerializeToString(made))


@pytest.fixture
def folder(tmp_path):
    def folder(name, data):
        info = NodeInfo(
            "coin.flip", "1", "run", hashlib.sha256(data).hexdigest(), SCHEMA.digest, SCHEMA.to_json()
        )
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.onnx").write_bytes(data)
        (tmp_path / name / "info.json").write_text(json.dumps(asdict(info)))
        return tmp_path / name

    return folder


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"no graph", "no graph that can be run here"), (graph(3), "does not answer the schema's example")],
    ids=["no graph", "other columns"],
)
def test_what_breaks_the_contract_is_refused(folder, data, words):
    with pytest.raises(ConfigurationError, match=words):
        OnnxModel(folder("model", data))


def test_a_challenger_whose_graph_cannot_be_run_costs_no_champion(folder, tmp_path):
    folder("challenger", b"no graph")
    node = load("coin.flip", tmp_path, lambda _name: folder("packaged", graph(1)))
    assert "no graph that can be run here" in node._challenger.info.dropped


@pytest.mark.parametrize("profile", [None, b'{"rows": 1}'])
def test_a_node_hands_out_the_profile_of_its_models_folder(folder, tmp_path, profile):
    packaged = folder("packaged", graph(1))
    if profile is not None:
        (packaged / "profile.json").write_bytes(profile)
    assert load("coin.flip", tmp_path, lambda _name: packaged)._profile == profile
