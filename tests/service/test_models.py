"""Versions by the API: challenge, promotion, watch and rollback, and what is recorded of them."""

import contextlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from click.testing import CliRunner

from concord.cli import main
from concord.client import Client
from concord.errors import Refused, ServiceAway
from concord.types.models import DesiredVersions
from tests.service.conftest import serving, starting
from tests.service.fake_mlflow import FakeMlflow
from tests.service.following import FollowingNode, naming
from tests.service.labelling import Caller, ask, label, write_tokens
from tests.service.stack import IRIS, iris_nodes, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.guard]

MODEL = "iris.knn"
SCHEMA = json.dumps(IRIS.to_json())


def registry():
    """A registry with versions 6 to 9, of which 7 is served and 9 passed its gate."""
    fake = FakeMlflow()
    for version in ("6", "7", "8", "9"):
        fake.register(MODEL, version, schema=SCHEMA, digest="0" * 64)
    fake.models[MODEL]["aliases"] = {"champion": "7", "challenger": "9"}
    fake.metrics["run7"] = {"accuracy": 0.9, "log_loss": 0.2}
    return fake


class World:
    """A stack whose node `knn` serves its desired versions, and an operator of it."""

    def __init__(self, stack, mlflow, client):
        self.stack, self.mlflow, self.client = stack, mlflow, client

    def model(self):
        return next(model for model in self.client.models() if model.name == MODEL)

    def entry(self):
        path = self.stack.home / "versions" / MODEL
        return json.loads(path.read_text()) if path.exists() else {}

    def desired(self):
        """The desired versions, without the digests of their files."""
        return {role: version for role, version in self.entry().items() if not role.endswith("_digest")}

    def do(self, action, version=None, why="to see", **more):
        return self.client.appoint(MODEL, action, version, why, **more)

    def post(self, action, body):
        headers = Caller(self.stack, "operator").headers
        return self.stack.http.post(f"/v1/models/{MODEL}/{action}", json=body, headers=headers)

    def settle_down(self):
        """Waits until the node serves the desired versions."""
        wait_until(lambda: not self.model().rolling)

    def events(self):
        height = self.client.ledger()["height"]
        blocks = [self.client.block(number) for number in range(1, height + 1)]
        return [body for block in blocks for body in block["events"].values() if body["kind"] == "appoint"]


@contextlib.contextmanager
def opened(start, home):
    """A stack whose node `knn` serves its desired versions, beside a registry."""
    mlflow = registry()
    node = FollowingNode(home / "versions", "knn", naming(v6=0, v7=2, v8=2, v9=1))
    others = iris_nodes(logistic_regression=2, decision_tree=1)
    stack = start({"knn": node, **others}, home=home, registry=mlflow.url)
    write_tokens(stack.home, "operator", "crm")
    with Client(stack.url, token="secret-operator") as client:
        yield World(stack, mlflow, client)
    mlflow.close()


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch):
    # A node rolls until the ledger has taken note of its version.
    monkeypatch.setattr("concord.consensus.reconciler.CONTRADICTED_SECONDS", 0.3)
    monkeypatch.setattr("concord.consensus.node_clients.REFRESH_SECONDS", 0.1)


@pytest.fixture
def world(start_stack, tmp_path):
    with opened(start_stack, tmp_path / "home") as world:
        yield world


@pytest.fixture(scope="module")
def still_world(tmp_path_factory):
    """One for all tests that change nothing."""
    folder = tmp_path_factory.mktemp("still")
    with serving() as serve, starting(serve, folder) as start, opened(start, folder / "home") as world:
        yield world


def test_a_model_is_listed_with_what_is_served_wanted_and_registered(still_world):
    model = still_world.model()
    assert (model.champion, model.challenger, model.phase, model.rolling) == ("7", None, "serving", False)
    assert (model.wanted.champion, model.previous, model.since) == (None, None, None)
    assert [version.version for version in model.registry.versions] == ["9", "8", "7", "6"]
    seven = model.registry.versions[2]
    assert (seven.aliases, seven.metric, seven.value) == (["champion"], "accuracy", 0.9)


def test_a_challenger_is_tried_promoted_watched_and_taken_back(world):
    world.stack.nodes["knn"].follows = False
    model = world.do("challenge", "9", "It passed the gate.")
    assert (model.phase, model.rolling) == ("probation", True)
    world.stack.nodes["knn"].follows = True
    assert world.desired() == {"challenger": "9"}
    world.settle_down()
    assert (world.model().champion, world.model().challenger) == ("7", "9")
    model = world.do("promote", why="Better by 0.4 on 60 rounds.")
    assert world.desired() == {"champion": "9", "challenger": "7"}
    assert (model.phase, model.previous) == ("watch", "7")
    assert world.mlflow.aliases(MODEL) == {"champion": "9"}
    assert world.mlflow.tags(MODEL) == {"concord.previous": "7"}
    world.settle_down()
    model = world.do("rollback", why="It turned bad.")
    assert world.desired() == {"champion": "7"}
    assert (model.phase, model.previous) == ("serving", None)
    assert (world.mlflow.aliases(MODEL), world.mlflow.tags(MODEL)) == ({"champion": "7"}, {})
    world.settle_down()
    assert [
        (event["action"], event["version"], event["from"], event["by"], event["why"])
        for event in world.events()
    ] == [
        ("challenge", "9", "7", "operator", "It passed the gate."),
        ("promote", "9", "7", "operator", "Better by 0.4 on 60 rounds."),
        ("rollback", "7", "9", "operator", "It turned bad."),
    ]


# What is compared


def test_both_versions_are_compared_on_the_labelled_rounds_of_their_phase(world):
    (before,) = ask(world.stack)
    world.do("challenge", "9")
    world.settle_down()
    wait_until(lambda: ask_until_tried(world))
    crm = Caller(world.stack)
    tried = [id_ for _ in range(8) for id_ in ask(world.stack, 5)]
    # The truth is versicolor: 9 says so, 7 says virginica.
    assert crm.send(*[label(id_, "versicolor") for id_ in (before, *tried)]).status_code == 200
    comparison = world.client.compare(MODEL)
    assert (comparison.phase, comparison.score, comparison.rounds) == ("probation", "hit", 40)
    assert (comparison.champion.version, comparison.champion.score) == ("7", 0)
    assert (comparison.challenger.version, comparison.challenger.score) == ("9", 1)
    assert (comparison.difference, comparison.verdict) == (1, "better")
    assert 0 < comparison.low < comparison.high <= 1
    later = world.client.compare(MODEL, since="2999-01-01T00:00:00Z")
    assert (later.rounds, later.difference, later.verdict) == (0, None, "too_few")


def ask_until_tried(world):
    verdict = world.client.predict("iris", [IRIS.example]).verdicts[0]
    return next(vote for vote in verdict.votes if vote.node == "knn").challenger is not None


def test_features_that_were_forgotten_are_not_missed_by_a_comparison(world):
    world.do("challenge", "9")
    world.settle_down()
    wait_until(lambda: ask_until_tried(world))
    ids = ask(world.stack, 31)
    Caller(world.stack).send(*[label(id_, "virginica") for id_ in ids])
    world.stack.api.service.journal.forget(ids)
    comparison = world.client.compare(MODEL)
    assert (comparison.rounds, comparison.verdict) == (31, "worse")


def test_without_a_challenger_there_is_nothing_to_compare(still_world):
    with pytest.raises(Refused) as refused:
        still_world.client.compare(MODEL)
    assert (refused.value.answered, refused.value.code) == (409, "no_challenger")


# What is refused


@pytest.mark.parametrize(
    ("action", "body", "status", "field"),
    [
        ("challenge", {"why": "x"}, 422, "version"),
        ("challenge", {"why": "x", "version": 9}, 422, "version"),
        ("challenge", {"why": "x", "version": "champion"}, 422, "version"),
        ("challenge", {"why": "x", "version": "99"}, 404, "version"),
        ("challenge", {"why": "x", "version": "7"}, 409, "version"),
        ("challenge", {"version": "9"}, 422, "why"),
        ("challenge", {"version": "9", "why": "two\nlines"}, 422, "why"),
        ("challenge", {"version": "9", "why": "x" * 201}, 422, "why"),
        ("challenge", {"version": "9", "why": "x", "by": "me"}, 422, "by"),
        ("challenge", {"version": "9", "why": "x", "expect": {"champion": "7"}}, 422, "expect"),
        ("promote", {"why": "x", "expect": {"champion": 7, "challenger": None}}, 422, "expect.champion"),
        ("promote", {"why": "x"}, 409, "version"),
        ("rollback", {"why": "x", "version": "6"}, 422, "version"),
        ("rollback", {"why": "x"}, 409, None),
        ("dismiss", {"why": "x"}, 409, None),
        ("dismiss", [], 422, "body"),
    ],
)
def test_an_invalid_decision_is_refused_and_changes_nothing(still_world, action, body, status, field):
    response = still_world.post(action, body)
    assert (response.status_code, response.json()["error"]["field"]) == (status, field)
    assert (still_world.desired(), still_world.events()) == ({}, [])
    assert still_world.mlflow.aliases(MODEL) == {"champion": "7", "challenger": "9"}


def test_only_a_token_that_administers_decides(still_world):
    for name, status in ((None, 401), ("crm", 403)):
        headers = Caller(still_world.stack, name).headers
        body = {"version": "9", "why": "x"}
        answer = still_world.stack.http.post(f"/v1/models/{MODEL}/challenge", json=body, headers=headers)
        assert answer.status_code == status


def test_a_node_that_is_not_there_is_named(still_world):
    for name in ("iris.rose", "roses.knn", "knn", "%00.."):
        with pytest.raises(Refused) as refused:
            still_world.client.appoint(name, "dismiss", why="x")
        assert (refused.value.answered, refused.value.code) == (404, "unknown_model")


def test_a_decision_with_outdated_expectations_changes_nothing(world):
    world.do("challenge", "9", expect={"champion": "7", "challenger": None})
    with pytest.raises(Refused, match="champion 7 and challenger 9 by now") as refused:
        world.do("promote", "8", expect={"champion": "6", "challenger": None})
    assert (refused.value.answered, refused.value.field) == (409, "expect")
    assert world.desired() == {"challenger": "9"}
    assert len(world.events()) == 1


def test_a_second_challenger_waits_until_the_first_has_left(world):
    world.do("challenge", "9")
    with pytest.raises(Refused, match=r"Version 9 of iris\.knn is in probation; dismiss it first"):
        world.do("challenge", "8")


def test_a_version_with_another_schema_cannot_be_compared_and_does_not_challenge(world):
    other = IRIS.to_json() | {"description": "Another question.", "labels": IRIS.to_json()["labels"][:2]}
    world.mlflow.register(MODEL, "10", schema=json.dumps(other))
    world.mlflow.register(MODEL, "11")
    for version, words in (("10", "answers schema"), ("11", "carries no task's schema")):
        with pytest.raises(Refused, match=words):
            world.do("challenge", version)


# What happens twice, at once, or half


def test_the_same_call_again_changes_nothing_more(world):
    steps = [
        ("challenge", "9", {"champion": "7", "challenger": None}),
        ("promote", None, {"champion": "7", "challenger": "9"}),
        ("rollback", None, {"champion": "9", "challenger": "7"}),
        ("challenge", "8", {"champion": "7", "challenger": None}),
        ("dismiss", None, {"champion": "7", "challenger": "8"}),
    ]
    for action, version, expect in steps:
        world.do(action, version, expect=expect)
        once = world.desired(), world.mlflow.aliases(MODEL), world.mlflow.tags(MODEL), len(world.events())
        world.settle_down()
        world.do(action, version, expect=expect)
        again = world.desired(), world.mlflow.aliases(MODEL), world.mlflow.tags(MODEL), len(world.events())
        assert again == once, action
        world.settle_down()
    assert len(world.events()) == len(steps)


@pytest.mark.parametrize("step", ["set_alias", "write", "restart", "append"])
def test_a_decision_that_died_half_way_is_completed_by_the_same_call(world, monkeypatch, step):
    world.do("challenge", "9")
    world.settle_down()
    rollout = world.stack.api.service.rollout
    owner = {
        "set_alias": rollout._inventory.registry,
        "write": rollout._inventory.desired,
        "restart": rollout._inventory.desired,
        "append": rollout._settler,
    }[step]

    def die(*_args, **_kwargs):
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(owner, step, die)
        assert world.post("promote", {"why": "x"}).status_code == 500
    model = world.do("promote", why="x")
    assert (model.phase, model.wanted.champion, model.wanted.challenger) == ("watch", "9", "7")
    assert (world.mlflow.aliases(MODEL), world.mlflow.tags(MODEL)) == (
        {"champion": "9"},
        {"concord.previous": "7"},
    )
    assert [event["action"] for event in world.events()] == ["challenge", "promote"]


def test_of_two_calls_at_once_one_wins_and_the_other_is_refused(world):
    expect = {"champion": "7", "challenger": None}
    with ThreadPoolExecutor(2) as pool:
        answers = list(
            pool.map(
                lambda version: world.post("challenge", {"version": version, "why": "x", "expect": expect}),
                ("8", "9"),
            )
        )
    assert sorted(answer.status_code for answer in answers) == [202, 409]
    assert len(world.events()) == 1
    assert world.desired()["challenger"] == world.events()[0]["version"]


def test_desired_versions_that_somebody_else_wrote_in_between_stay(world, monkeypatch):
    store = world.stack.api.service.inventory.desired
    write = type(store).write

    def overtaken(name, expected, desired):
        write(store, name, expected, DesiredVersions("6"))
        write(store, name, expected, desired)

    monkeypatch.setattr(store, "write", overtaken)
    with pytest.raises(Refused, match="somebody else has changed them"):
        world.do("promote", "9")
    assert world.desired() == {"champion": "6"}
    # And the registry's alias says what is served, not what was to be.
    assert world.mlflow.aliases(MODEL)["champion"] == "6"
    assert world.events() == []


def test_a_challenge_that_was_faster_than_a_promotion_leaves_the_champions_alias(world, monkeypatch):
    store = world.stack.api.service.inventory.desired
    write = type(store).write

    def overtaken(name, expected, desired):
        write(store, name, expected, DesiredVersions(None, "8"))
        write(store, name, expected, desired)

    monkeypatch.setattr(store, "write", overtaken)
    with pytest.raises(Refused, match="somebody else has changed them"):
        world.do("promote", "9")
    assert world.mlflow.aliases(MODEL) == {"champion": "7", "challenger": "8"}


def test_a_conflict_is_answered_even_if_the_registry_is_away_by_then(world, monkeypatch):
    store = world.stack.api.service.inventory.desired
    write = type(store).write

    def overtaken(name, expected, desired):
        write(store, name, expected, DesiredVersions("6"))
        world.mlflow.fault = 503
        write(store, name, expected, desired)

    monkeypatch.setattr(store, "write", overtaken)
    with pytest.raises(Refused, match="somebody else has changed them") as refused:
        world.do("promote", "9")
    assert refused.value.answered == 409


def test_requests_that_wait_while_a_list_is_made_share_the_next_one(world, monkeypatch):
    inventory = world.stack.api.service.inventory
    reads, requests, held, go = [], [], threading.Event(), threading.Event()
    read_all, list_models = inventory.desired.read_all, inventory.list_models

    def counted():
        requests.append(1)
        return list_models()

    def slow():
        reads.append(1)
        held.set()
        assert go.wait(20)
        return read_all()

    monkeypatch.setattr(inventory, "list_models", counted)
    monkeypatch.setattr(inventory.desired, "read_all", slow)
    with ThreadPoolExecutor(6) as pool:
        first = pool.submit(lambda: world.stack.http.get("/v1/models").json())
        assert held.wait(20)
        others = [pool.submit(lambda: world.stack.http.get("/v1/models").json()) for _ in range(5)]
        wait_until(lambda: len(requests) == 6)
        go.set()
        lists = [future.result(20) for future in [first, *others]]
    assert len(reads) == 2
    assert all(models == lists[0] for models in lists)


# What is away


def test_without_mlflow_nothing_is_changed_and_it_is_named(world):
    world.mlflow.fault = 500
    for action, version in (("challenge", "9"), ("promote", "9"), ("dismiss", None)):
        with pytest.raises(Refused, match=r"The registry http://127\.0\.0\.1") as refused:
            world.do(action, version)
        assert refused.value.answered == 503
    model = world.model()
    assert (model.champion, model.registry) == ("7", None)
    assert "does not serve" in model.problem
    assert (world.desired(), world.events()) == ({}, [])


def test_without_a_registry_nodes_are_listed_and_nothing_is_brought_in(start_stack):
    stack = start_stack()
    write_tokens(stack.home, "operator")
    with Client(stack.url, token="secret-operator") as client:
        assert [model.champion for model in client.models()] == ["1"] * 4
        assert {model.registry for model in client.models()} == {None}
        with pytest.raises(Refused, match="MLFLOW_TRACKING_URI") as refused:
            client.appoint(MODEL, "challenge", "9", "x")
    assert (refused.value.answered, refused.value.code) == (409, "no_registry")


def test_where_desired_versions_cannot_be_read_what_nodes_serve_is_listed_and_compared(world, monkeypatch):
    world.do("challenge", "9")
    world.settle_down()

    def away():
        raise ServiceAway("The cluster's API does not serve.")

    monkeypatch.setattr(world.stack.api.service.inventory.desired, "read_all", away)
    model = world.model()
    assert (model.champion, model.challenger, model.phase) == ("7", "9", "probation")
    assert (model.wanted.challenger, model.problem) == (None, "The cluster's API does not serve.")
    assert world.client.compare(MODEL).challenger.version == "9"
    with pytest.raises(Refused, match="The cluster's API does not serve"):
        world.do("promote")
    assert world.mlflow.aliases(MODEL)["champion"] == "7"


# What is packaged


def test_a_packaged_version_of_another_registry_is_no_challenger_and_can_be_rolled_back_to(world):
    world.mlflow.register(MODEL, "7", schema=SCHEMA, digest="f" * 64)
    model = world.do("promote", "9")
    assert world.desired() == {"champion": "9"}
    assert (model.phase, model.previous) == ("serving", "packaged")
    world.settle_down()
    model = world.do("rollback")
    assert (world.desired(), model.previous) == ({}, None)
    assert world.events()[-1]["version"] == "packaged"
    world.settle_down()
    assert world.model().champion == "7"


def test_a_version_that_only_the_registry_says_was_served_is_promoted_and_not_gone_back_to(world):
    """Whoever writes to MLflow may name any version there."""
    world.mlflow.models[MODEL]["tags"]["concord.previous"] = "6"
    assert world.model().previous == "6"
    with pytest.raises(Refused, match=r"does not know the file of version 6.*models promote iris\.knn 6"):
        world.do("rollback")
    world.do("promote", "6")
    assert world.desired() == {"champion": "6", "challenger": "7"}


# Which file is served


def swap(world, version, digest):
    """As whoever writes to MLflow does it; no digest: without the tag."""
    tags = {"digest": digest} if digest else {}
    world.mlflow.register(MODEL, version, schema=SCHEMA, **tags)


def test_desired_versions_and_events_name_the_files(world):
    for version in ("8", "9"):
        swap(world, version, version * 64)
    world.do("challenge", "9")
    assert world.entry() == {"challenger": "9", "challenger_digest": "9" * 64}
    world.settle_down()
    world.do("promote")
    assert (world.entry()["champion_digest"], world.entry()["challenger_digest"]) == ("9" * 64, "0" * 64)
    assert [event["digest"] for event in world.events()] == ["9" * 64] * 2


def test_a_new_version_that_is_served_is_a_newcomer_in_the_ledger(world):
    world.do("promote", "9")
    world.settle_down()
    blocks = [world.client.block(height) for height in range(1, world.client.ledger()["height"] + 1)]
    bodies = [body for block in blocks for body in block["events"].values() if body["kind"] == "promote"]
    assert [(body["version"], body["digest"], body["newcomer"]) for body in bodies] == [("9", "0" * 64, True)]


@pytest.mark.parametrize("action", ["challenge", "promote"])
def test_a_version_without_a_digest_is_refused_with_the_remedy(world, action):
    swap(world, "9", None)
    with pytest.raises(Refused, match=r"training register FILE\.onnx --as iris\.knn") as refused:
        world.do(action, "9")
    assert (refused.value.answered, refused.value.code, refused.value.field) == (409, "no_digest", "version")
    assert (world.entry(), world.events()) == ({}, [])


def test_a_challenger_that_was_changed_in_the_registry_is_not_promoted(world):
    world.do("challenge", "9")
    world.settle_down()
    swap(world, "9", "f" * 64)
    with pytest.raises(Refused, match="somebody has changed the registry") as refused:
        world.do("promote")
    assert (refused.value.answered, refused.value.code) == (409, "digest_changed")
    assert world.desired() == {"challenger": "9"}


def test_a_rollback_returns_to_the_file_that_was_served_whatever_the_registry_says(world):
    world.do("promote", "9")
    world.settle_down()
    swap(world, "7", "f" * 64)
    world.do("rollback")
    assert world.entry() == {"champion": "7", "champion_digest": "0" * 64}


def test_a_node_with_another_file_than_the_appointed_one_is_not_asked_and_says_both(world):
    """As a pod that somebody has put in the node's place states it."""
    world.do("promote", "9")
    world.settle_down()
    world.stack.nodes["knn"].digest = "f" * 64
    wait_until(lambda: node_view(world).status == "mismatched")
    assert node_view(world).reason == (
        "It serves version 9 with the file ffffffffffff; the ledger appointed version 9 with the file "
        "000000000000."
    )
    (verdict,) = world.client.predict("iris", [IRIS.example]).verdicts
    assert "knn" not in [vote.node for vote in verdict.votes if vote.outcome == "voted"]
    world.stack.nodes["knn"].digest = "0" * 64
    wait_until(lambda: node_view(world).status == "up")


def node_view(world):
    return next(node for node in world.client.nodes("iris") if node.node == "knn")


def test_an_alias_that_is_moved_in_the_registry_alone_changes_nothing(world):
    height = world.client.ledger()["height"]
    world.mlflow.models[MODEL]["aliases"]["champion"] = "8"
    assert (world.model().champion, world.entry(), world.client.ledger()["height"]) == ("7", {}, height)


# What is shown


def test_history_explanation_and_command_line_show_the_decisions(world):
    world.do("challenge", "9", "It passed the gate.")
    world.settle_down()
    world.do("promote", why="Better by 0.4 on 60 rounds.")
    world.settle_down()
    world.do("rollback", why="It turned [bad].")
    (id_,) = ask(world.stack)
    decisions = world.client.round(id_).explanation.decisions
    assert [(decision.node, decision.action, decision.why) for decision in decisions] == [
        ("knn", "challenge", "It passed the gate."),
        ("knn", "promote", "Better by 0.4 on 60 rounds."),
        ("knn", "rollback", "It turned [bad]."),
    ]
    history = [entry.reason for entry in world.client.history("iris", "knn").entries]
    assert "version 9 was promoted over 7, by operator: Better by 0.4 on 60 rounds." in history
    shown = run(world.stack, "explain", id_).output
    assert "Version 9 entered probation beside 7, by operator: It passed the gate." in shown
    height = world.client.ledger()["height"]
    shown = "".join(run(world.stack, "ledger", "show", str(number + 1)).output for number in range(height))
    assert "knn: version 7 came back instead of 9, by operator: It turned [bad]." in " ".join(shown.split())


def test_the_records_of_both_versions_go_on_through_promotion_and_rollback(world, monkeypatch):
    monkeypatch.setattr("concord.consensus.reconciler.CONTRADICTED_SECONDS", 0.3)
    crm = Caller(world.stack)

    def account():
        return world.client.ledger()["tasks"]["iris"]["accounts"]["knn"]

    world.do("challenge", "9")
    world.settle_down()
    wait_until(lambda: ask_until_tried(world))
    crm.send(*[label(id_) for id_ in ask(world.stack, 6)], query="?settled=true")
    wait_until(lambda: account().get("trial", {}).get("rounds") == 6)
    world.do("promote")
    wait_until(lambda: account()["version"] == "9")
    assert (account()["trial"]["version"], account()["trial"]["rounds"]) == ("7", 6)
    score = account()["trial"]["score"]
    world.do("rollback")
    wait_until(lambda: account()["version"] == "7")
    assert account()["score"] == score


def test_a_ledger_with_decisions_verifies_and_settles_again_alike(world):
    world.do("challenge", "9")
    world.settle_down()
    wait_until(lambda: ask_until_tried(world))
    ids = ask(world.stack, 5)
    Caller(world.stack).send(*[label(id_) for id_ in ids], query="?settled=true")
    world.do("promote")
    assert world.client.verify()["ok"] is True
    assert world.client.audit()["ok"] is True


def run(stack, *arguments):
    env = {"CONCORD_HOME": str(stack.home), "CONCORD_URL": stack.url, "COLUMNS": "120"}
    env["CONCORD_TOKEN"] = "secret-operator"
    return CliRunner(env=env).invoke(main, list(arguments), prog_name="concord")
