"""The stores of desired versions: one suite that both pass, and what only one of them does."""

import json
import threading

import pytest

from concord.errors import ConfigurationError, Conflict, ServiceAway
from concord.kubernetes.cluster import Cluster
from concord.kubernetes.names import Target
from concord.rollout.desired import open_versions_store
from concord.rollout.desired.configmap import ConfigMapVersionsStore
from concord.rollout.desired.folder import FolderVersionsStore
from concord.rollout.desired.store import version_number
from concord.settings import Settings
from concord.types.models import DesiredVersions
from tests.unit.ledger.fake_api_server import FakeApiServer

KNN, TREE = "iris.knn", "iris.decision_tree"
NOTHING = DesiredVersions()


@pytest.fixture
def server(tmp_path, monkeypatch):
    fake = FakeApiServer()
    fake.put("concord-models")
    spec, metadata = {"replicas": 1, "template": {}}, {"generation": 1}
    fake.put("concord-iris-knn", resource="deployments", metadata=metadata, spec=spec)
    monkeypatch.setenv("KUBECONFIG", str(fake.kubeconfig(tmp_path / "kubeconfig")))
    yield fake
    fake.close()


@pytest.fixture
def configmap_store(server):
    return ConfigMapVersionsStore(Cluster.connect("concord"), Target("concord", "concord"))


@pytest.fixture(params=["configmap", "folder"])
def store(request, tmp_path):
    if request.param == "folder":
        return FolderVersionsStore(tmp_path / "home" / "versions")
    return request.getfixturevalue("configmap_store")


# What both do


def test_a_store_is_empty_at_first(store):
    assert store.read_all() == {}


def test_what_was_written_is_read(store):
    store.write(KNN, NOTHING, DesiredVersions("8", "9"))
    store.write(TREE, NOTHING, DesiredVersions(challenger="models:/iris.decision_tree/3"))
    assert store.read_all() == {
        KNN: DesiredVersions("8", "9"),
        TREE: DesiredVersions(None, "models:/iris.decision_tree/3"),
    }


def test_writing_no_versions_removes_them(store):
    store.write(KNN, NOTHING, DesiredVersions("8"))
    store.write(KNN, DesiredVersions("8"), NOTHING)
    assert store.read_all() == {}


def test_a_write_that_expects_other_versions_is_refused(store):
    store.write(KNN, NOTHING, DesiredVersions("8"))
    for expected in (NOTHING, DesiredVersions("7"), DesiredVersions("8", "9")):
        with pytest.raises(Conflict, match=r'The desired versions of iris\.knn are {"champion": "8"} by now'):
            store.write(KNN, expected, DesiredVersions("6"))
    assert store.read_all() == {KNN: DesiredVersions("8")}


def test_writing_the_same_versions_again_is_no_conflict(store):
    store.write(KNN, NOTHING, DesiredVersions("8"))
    store.write(KNN, DesiredVersions("8"), DesiredVersions("8"))
    assert store.read_all() == {KNN: DesiredVersions("8")}


def test_of_concurrent_writes_one_wins_and_no_other_nodes_versions_are_lost(store):
    accepted, refused = [], []

    def write(version):
        try:
            store.write(KNN, NOTHING, DesiredVersions(version))
            accepted.append(version)
        except Conflict:
            refused.append(version)

    def beside(node):
        store.write(f"iris.node_{node}", NOTHING, DesiredVersions(str(node)))

    threads = [threading.Thread(target=write, args=(str(version),)) for version in range(1, 7)]
    threads += [threading.Thread(target=beside, args=(node,)) for node in range(1, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(accepted), len(refused)) == (1, 5)
    others = {f"iris.node_{node}": DesiredVersions(str(node)) for node in (1, 2, 3)}
    assert store.read_all() == {KNN: DesiredVersions(accepted[0])} | others


def test_a_node_is_restarted_and_its_progress_is_read(store):
    store.check(KNN)
    store.restart(KNN)
    assert isinstance(store.is_restarted(KNN), bool)


# What only one of them does


def test_a_file_of_another_form_is_empty_and_the_next_write_replaces_it(tmp_path):
    for text in ("{", '["8"]', '{"champion": 8}', "\udcff"):
        (tmp_path / KNN).write_bytes(text.encode("utf-8", "surrogateescape"))
        store = FolderVersionsStore(tmp_path)
        assert store.read_all() == {}
        store.write(KNN, NOTHING, DesiredVersions("8"))
        assert json.loads((tmp_path / KNN).read_text()) == {"champion": "8"}


@pytest.mark.parametrize("name", ["../iris.knn", "iris/knn", ".lock", "", "a" * 200])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path, name):
    store = FolderVersionsStore(tmp_path / "versions")
    for step in (lambda: store.check(name), lambda: store.write(name, NOTHING, DesiredVersions("8"))):
        with pytest.raises(ConfigurationError, match="name of a file"):
            step()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "versions").write_text("a file")
    with pytest.raises(ServiceAway, match="versions does not serve"):
        FolderVersionsStore(tmp_path / "versions").write(KNN, NOTHING, DesiredVersions("8"))


def test_a_restart_is_seen_until_all_pods_are_new(server, configmap_store):
    def deploy(**status):
        server.remove("concord-iris-knn", resource="deployments")
        metadata = {"generation": 2}
        spec = {"replicas": 2, "template": {}}
        server.put("concord-iris-knn", resource="deployments", metadata=metadata, spec=spec, status=status)

    deploy(observedGeneration=1, replicas=2, updatedReplicas=2, availableReplicas=2)
    assert not configmap_store.is_restarted(KNN)
    deploy(observedGeneration=2, replicas=3, updatedReplicas=1, availableReplicas=3)
    assert not configmap_store.is_restarted(KNN)
    deploy(observedGeneration=2, replicas=2, updatedReplicas=2, availableReplicas=2)
    assert configmap_store.is_restarted(KNN)


def test_a_cluster_that_does_not_serve_is_named(server, configmap_store):
    server.fault = "down"
    with pytest.raises(ServiceAway):
        configmap_store.read_all()


@pytest.mark.parametrize(
    ("reference", "version"),
    [
        ("8", "8"),
        ("models:/iris.knn/8", "8"),
        ("@champion", None),
        ("models:/iris.knn@champion", None),
        ("0", None),
        (None, None),
    ],
)
def test_a_reference_names_a_number_or_an_alias(reference, version):
    assert version_number(reference) == version


def test_a_laptop_has_a_folder_and_a_pod_a_configmap(server, tmp_path):
    assert isinstance(open_versions_store(Settings(home=tmp_path)), FolderVersionsStore)
    store = open_versions_store(Settings(home=tmp_path, deployment="models/blue-concord"))
    assert isinstance(store, ConfigMapVersionsStore)
    assert store.target == Target("models", "blue-concord")


def test_a_deployment_of_another_form_is_named(monkeypatch):
    monkeypatch.setenv("CONCORD_DEPLOYMENT", "concord")
    with pytest.raises(ConfigurationError, match=r"CONCORD_DEPLOYMENT: .*NAMESPACE/FULLNAME"):
        Settings.read()


def test_only_a_registry_that_speaks_http_is_asked(monkeypatch):
    for url, registry in (
        ("http://mlflow:5000/", "http://mlflow:5000"),
        ("sqlite:///x.db", None),
        ("", None),
    ):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
        assert Settings.read().registry == registry
