"""A promotion in a cluster: the entry, on the state that was read, and the Deployment's restart."""

import json
import threading

import pytest

from concord.cli.rollout import Rollout, Target
from concord.cluster import Cluster
from concord.errors import ConfigurationError, Conflict, NotAllowed, ServiceAway
from tests.unit.ledger.fake_api_server import FakeApiServer

TARGET = Target("concord", "concord")
READY = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}


@pytest.fixture
def server():
    fake = FakeApiServer()
    fake.put("concord-models")
    deploy(fake, READY)
    yield fake
    fake.close()


@pytest.fixture
def rollout(server, tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path / "kubeconfig")))
    cluster = Cluster.connect("concord")
    yield Rollout(cluster, TARGET, "iris.random_forest", pause=lambda _: None)
    cluster.close()


def deploy(fake, status):
    name = "concord-iris-random-forest"
    fake.objects.pop(("concord", "deployments", name), None)
    fake.put(
        name,
        resource="deployments",
        metadata={"name": name, "generation": 1},
        spec={"replicas": 1, "template": {}},
        status=status,
    )


def entries(fake):
    data = fake.object("concord-models").get("data") or {}
    return {model: json.loads(text) for model, text in data.items()}


def to(version):
    return lambda entry: entry | {"champion": version}


@pytest.mark.parametrize(
    ("release", "fullname"), [("concord", "concord"), ("my-concord", "my-concord"), ("blue", "blue-concord")]
)
def test_names_are_the_charts(release, fullname):
    target = Target.of("models", release)
    assert target == Target("models", fullname)
    assert target.deployment("iris.random_forest") == f"{fullname}-iris-random-forest"


def test_a_pod_is_told_by_a_variable(monkeypatch):
    monkeypatch.setenv("CONCORD_DEPLOYMENT", "models/blue-concord")
    assert Target.of(None, "concord") == Target("models", "blue-concord")


def test_a_variable_of_another_form_is_named(monkeypatch):
    monkeypatch.setenv("CONCORD_DEPLOYMENT", "concord")
    with pytest.raises(ConfigurationError, match="CONCORD_DEPLOYMENT is NAMESPACE/FULLNAME"):
        Target.of(None, "concord")


def test_a_laptop_has_no_target(monkeypatch):
    monkeypatch.delenv("CONCORD_DEPLOYMENT", raising=False)
    assert Target.of(None, "concord") is None


def test_an_entry_is_written_into_a_configmap_without_data(server, rollout):
    assert rollout.write(to("8"))
    assert entries(server) == {"iris.random_forest": {"champion": "8"}}


def test_what_is_there_already_is_not_written_again(server, rollout):
    rollout.write(to("8"))
    assert not rollout.write(to("8"))
    assert len([write for write in server.writes if write[1] == "update"]) == 1


def test_an_empty_entry_is_taken_away(server, rollout):
    rollout.write(to("8"))
    rollout.write(lambda _: {})
    assert entries(server) == {}


def test_an_entry_that_is_no_json_is_mended(server, rollout):
    server.object("concord-models")["data"] = {"iris.random_forest": "8"}
    rollout.write(to("8"))
    assert entries(server) == {"iris.random_forest": {"champion": "8"}}


def test_twenty_promotions_at_once_lose_none(server, rollout, tmp_path):
    names = [f"iris.node_{place}" for place in range(20)]
    cluster = Cluster.connect("concord")
    waits = threading.Event()

    def promote(name):
        Rollout(cluster, TARGET, name, pause=waits.wait).write(to("8"))

    threads = [threading.Thread(target=promote, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cluster.close()
    assert sorted(entries(server)) == sorted(names)


def test_a_missing_configmap_names_the_chart(server, rollout):
    server.remove("concord-models")
    with pytest.raises(ConfigurationError, match=r"no ConfigMap concord-models .* chart makes it"):
        rollout.check()


def test_a_missing_deployment_names_the_node(server, rollout):
    server.remove("concord-iris-random-forest", resource="deployments")
    with pytest.raises(ConfigurationError, match=r"no Deployment concord-iris-random-forest"):
        rollout.check()


def test_missing_rights_are_said(server, rollout):
    server.forbidden.add(("update", "configmaps"))
    with pytest.raises(NotAllowed, match="does not allow to update configmaps"):
        rollout.write(to("8"))


def test_one_that_writes_in_a_loop_ends_it(server, rollout, monkeypatch):
    monkeypatch.setattr(
        rollout._cluster, "replace", lambda *_: (_ for _ in ()).throw(Conflict("Another one."))
    )
    with pytest.raises(Conflict, match="changes all the time"):
        rollout.write(to("8"))


def test_a_restart_is_an_annotation_of_the_template(server, rollout):
    rollout.restart()
    made = server.object("concord-iris-random-forest", resource="deployments")
    assert list(made["spec"]["template"]["metadata"]["annotations"]) == ["kubectl.kubernetes.io/restartedAt"]


@pytest.mark.parametrize(
    "status",
    [
        READY | {"observedGeneration": 0},
        READY | {"updatedReplicas": 0},
        READY | {"replicas": 2},
        READY | {"availableReplicas": 0},
        {},
    ],
    ids=["unseen", "old pod", "old and new pod", "not ready", "nothing yet"],
)
def test_a_rollout_that_is_not_through_is_waited_for(server, rollout, status):
    deploy(server, status)
    heard = []

    def tell(words):
        heard.append(words)
        deploy(server, READY)

    rollout.wait(60, tell)
    assert len(heard) == 1


def test_a_rollout_that_hangs_says_where_to_look_and_how_to_go_back(server, rollout):
    deploy(server, READY | {"replicas": 2, "updatedReplicas": 1})
    with pytest.raises(ServiceAway, match=r"1 of 1 pods are new, 1 old .*kubectl logs.*rollback iris"):
        rollout.wait(-1, lambda _: None)
