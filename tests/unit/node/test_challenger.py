"""A challenger answers beside the champion, and whatever ails it costs the champion nothing."""

import json
from dataclasses import replace

import httpx
import numpy as np
import pytest

from concord.errors import ConfigurationError
from concord.node.app import NodeApi, load
from concord.node.challenger import SLOW_CALLS, Challenger
from concord.observability.logs import AccessLog
from concord.tasks.schema import Feature, Label, TaskSchema
from concord.types.nodes import CHALLENGER_HEADER, ROWS_TYPE, SCHEMA_HEADER, NodeInfo

SCHEMA = TaskSchema(
    "coin",
    "Coin",
    "Which side is up.",
    (Feature("weight", "number", 1.0),),
    (Label("head", "Head."), Label("tail", "Tail.")),
)


class Model:
    """Answers one label always; `fault` is raised instead if there is one."""

    def __init__(self, version, vote, schema=SCHEMA, fault=None):
        self.schema, self.vote, self.fault = schema, vote, fault
        self.info = NodeInfo("coin.flip", version, "run", "0" * 64, schema.digest, schema.to_json())
        self.tag = f"coin.flip/{version}"

    def answer(self, rows):
        if self.fault:
            raise self.fault
        return np.tile(np.array(self.vote, "<f4"), (len(rows), 1))


@pytest.fixture
def node():
    """A node's client, with a challenger that is made for it."""

    def node(model):
        champion = Model("1", [1, 0])
        app = NodeApi(champion, AccessLog(enabled=False), Challenger(model, champion.info)).application
        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")

    return node


@pytest.fixture
def ask():
    import asyncio

    def ask(client, *calls):
        async def all_of_them():
            async with client:
                return [await getattr(client, method)(path, **options) for method, path, options in calls]

        return asyncio.run(all_of_them())

    return ask


RAW = ("post", "/v1/votes", {
    "content": np.ones((3, 1), "<f4").tobytes(),
    "headers": {"content-type": ROWS_TYPE, SCHEMA_HEADER: SCHEMA.digest},
})  # fmt: skip
JSON = ("post", "/v1/votes", {"json": {"rows": [{"weight": 1.0}]}})
INFO = ("get", "/info", {})


def test_raw_votes_are_the_champions_and_then_the_challengers(node, ask):
    (answer,) = ask(node(Model("2", [0, 1])), RAW)
    assert answer.headers[CHALLENGER_HEADER] == "coin.flip/2"
    assert np.frombuffer(answer.content, "<f4").reshape(6, 2).argmax(axis=1).tolist() == [0, 0, 0, 1, 1, 1]


def test_json_votes_name_both(node, ask):
    (answer,) = ask(node(Model("2", [0, 1])), JSON)
    body = answer.json()
    assert (body["votes"][0]["label"], body["challenger"]["votes"][0]["label"]) == ("head", "tail")
    assert body["challenger"]["model"] == "coin.flip/2"


def test_one_that_fails_is_dropped_and_shown_and_the_champion_answers(node, ask):
    votes, info = ask(node(Model("2", [0, 1], fault=RuntimeError("secret"))), RAW, INFO)
    assert CHALLENGER_HEADER not in votes.headers
    assert len(votes.content) == 3 * 2 * 4
    assert info.json()["challenger"]["dropped"] == "It failed: RuntimeError."


def test_one_of_another_schema_is_never_asked(node, ask):
    other = replace(SCHEMA, features=(Feature("size", "number", 1.0),))
    votes, info = ask(node(Model("2", [0, 1], other)), RAW, INFO)
    assert CHALLENGER_HEADER not in votes.headers
    assert "answers schema" in info.json()["challenger"]["dropped"]


def test_one_that_is_slow_again_and_again_is_dropped(node, ask, monkeypatch):
    monkeypatch.setattr("concord.node.challenger.SLOW_SECONDS", -1.0)
    *votes, info = ask(node(Model("2", [0, 1])), *[RAW] * (SLOW_CALLS + 1), INFO)
    assert [CHALLENGER_HEADER in vote.headers for vote in votes] == [True] * SLOW_CALLS + [False]
    assert "calls in a row" in info.json()["challenger"]["dropped"]


@pytest.fixture
def fetched(tmp_path, monkeypatch):
    """A folder of fetched versions, whose ONNX files are stood in for."""

    class Stored(Model):
        def __init__(self, folder):
            stated = json.loads((folder / "info.json").read_text())
            super().__init__(stated["version"], [1, 0])
            self.info = replace(self.info, model=stated["model"])
            if stated["version"] == "broken":
                raise ConfigurationError("Its digest differs.")

    monkeypatch.setattr("concord.node.app.OnnxModel", Stored)

    def fetched(**versions):
        for role, (model, version) in versions.items():
            (tmp_path / role).mkdir()
            (tmp_path / role / "info.json").write_text(json.dumps({"model": model, "version": version}))
        return tmp_path

    return fetched


def info_of(api, ask):
    client = httpx.AsyncClient(transport=httpx.ASGITransport(api.application), base_url="http://localhost")
    return ask(client, INFO)[0].json()


def test_a_fetched_champion_wins_over_the_packaged_one(fetched, ask):
    folder = fetched(champion=("coin.flip", "8"), challenger=("coin.flip", "9"))
    info = info_of(load("coin.flip", folder, lambda _: pytest.fail("asked for")), ask)
    assert (info["version"], info["challenger"]["version"]) == ("8", "9")


def test_without_a_fetched_champion_the_packaged_one_is_served(fetched, ask, tmp_path):
    folder = fetched(packaged=("coin.flip", "7"))
    assert info_of(load("coin.flip", folder, lambda _: tmp_path / "packaged"), ask)["version"] == "7"


def test_a_fetched_champion_of_another_node_is_refused(fetched):
    with pytest.raises(ConfigurationError, match=r"holds coin\.toss, and CONCORD_NODE=coin\.flip"):
        load("coin.flip", fetched(champion=("coin.toss", "8")), lambda _: pytest.fail("asked for"))


def test_a_challenger_that_cannot_be_loaded_is_shown_and_dropped(fetched, ask):
    folder = fetched(champion=("coin.flip", "8"), challenger=("coin.flip", "broken"))
    info = info_of(load("coin.flip", folder, lambda _: pytest.fail("asked for")), ask)
    assert info["challenger"]["dropped"] == "Its digest differs."


def test_a_challenger_that_could_not_be_fetched_is_shown(fetched, ask):
    folder = fetched(champion=("coin.flip", "8"))
    (folder / "challenger").mkdir()
    (folder / "challenger" / "refused").write_text("coin.flip has no version 77.")
    info = info_of(load("coin.flip", folder, lambda _: pytest.fail("asked for")), ask)
    assert info["challenger"]["dropped"] == "coin.flip has no version 77."
