"""Versions by the API: who is tried, promoted, watched, taken back, and what is written down of it."""

import json

import pytest

from concord.client import Client
from tests.service.fake_mlflow import FakeMlflow
from tests.service.following import FollowingNode, naming
from tests.service.labelling import write_tokens
from tests.service.stack import IRIS, iris_nodes, wait_until

MODEL = "iris.knn"
SCHEMA = json.dumps(IRIS.to_json())


@pytest.fixture
def mlflow():
    fake = FakeMlflow()
    for version in ("6", "7", "8", "9"):
        fake.register(MODEL, version, schema=SCHEMA, digest="0" * 64)
    fake.models[MODEL]["aliases"] = {"champion": "7", "challenger": "9"}
    fake.metrics["run7"] = {"accuracy": 0.9, "log_loss": 0.2}
    yield fake
    fake.close()


class World:
    """A stack whose node `knn` follows its entry, and an operator of it."""

    def __init__(self, stack, mlflow, client):
        self.stack, self.mlflow, self.client = stack, mlflow, client

    def model(self):
        return next(one for one in self.client.models() if one.name == MODEL)

    def entry(self):
        path = self.stack.home / "versions" / MODEL
        return json.loads(path.read_text()) if path.exists() else {}

    def do(self, action, version=None, why="to see", **more):
        return self.client.appoint(MODEL, action, version, why, **more)

    def settle_down(self):
        """Waits until the node serves what is wanted."""
        wait_until(lambda: not self.model().rolling)

    def events(self):
        height = self.client.ledger()["height"]
        blocks = [self.client.block(one) for one in range(1, height + 1)]
        return [body for block in blocks for body in block["events"].values() if body["kind"] == "appoint"]


@pytest.fixture
def world(start_stack, mlflow, tmp_path, monkeypatch):
    home = tmp_path / "home"
    monkeypatch.setattr("concord.members.REFRESH_SECONDS", 0.1)
    node = FollowingNode(home / "versions", "knn", naming(v6=0, v7=2, v8=2, v9=1))
    others = iris_nodes(logistic_regression=2, decision_tree=1)
    stack = start_stack({"knn": node, **others}, home=home, registry=mlflow.url)
    write_tokens(stack.home, "operator", "crm")
    with Client(stack.url, token="secret-operator") as client:
        yield World(stack, mlflow, client)


def test_a_model_is_listed_with_what_is_served_wanted_and_registered(world):
    found = world.model()
    assert (found.champion, found.challenger, found.phase, found.rolling) == ("7", None, "serving", False)
    assert (found.wanted.champion, found.previous, found.since) == (None, None, None)
    assert [one.version for one in found.registry.versions] == ["9", "8", "7", "6"]
    seven = found.registry.versions[2]
    assert (seven.aliases, seven.metric, seven.value) == (["champion"], "accuracy", 0.9)


def test_a_challenger_is_tried_promoted_watched_and_taken_back(world):
    found = world.do("challenge", "9", "It passed the gate.")
    assert (found.phase, found.rolling) == ("probation", True)
    assert world.entry() == {"challenger": "9"}
    world.settle_down()
    assert (world.model().champion, world.model().challenger) == ("7", "9")
    found = world.do("promote", why="Better by 0.4 on 60 rounds.")
    assert world.entry() == {"champion": "9", "challenger": "7"}
    assert (found.phase, found.previous) == ("watch", "7")
    assert world.mlflow.aliases(MODEL) == {"champion": "9"}
    assert world.mlflow.tags(MODEL) == {"concord.previous": "7"}
    world.settle_down()
    found = world.do("rollback", why="It turned bad.")
    assert world.entry() == {"champion": "7"}
    assert (found.phase, found.previous) == ("serving", None)
    assert (world.mlflow.aliases(MODEL), world.mlflow.tags(MODEL)) == ({"champion": "7"}, {})
    world.settle_down()
    assert [
        (one["action"], one["version"], one["from"], one["by"], one["why"]) for one in world.events()
    ] == [
        ("challenge", "9", "7", "operator", "It passed the gate."),
        ("promote", "9", "7", "operator", "Better by 0.4 on 60 rounds."),
        ("rollback", "7", "9", "operator", "It turned bad."),
    ]
