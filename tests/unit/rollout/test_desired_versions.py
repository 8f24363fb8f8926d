"""Entries in a ConfigMap and in a folder: one suite that both pass, and what is each one's own."""

import json
import threading

import pytest

from concord.errors import ConfigurationError, Conflict, ServiceAway
from concord.kubernetes.api import Cluster
from concord.kubernetes.names import Target
from concord.rollout.desired import NOTHING, ConfigMapEntries, Entry, FolderEntries, number, open_entries
from concord.settings import Settings
from tests.unit.ledger.fake_api_server import FakeApiServer

KNN, TREE = "iris.knn", "iris.decision_tree"


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
def in_a_configmap(server):
    return ConfigMapEntries(Cluster.connect("concord"), Target("concord", "concord"))


@pytest.fixture(params=["configmap", "folder"])
def entries(request, tmp_path):
    if request.param == "folder":
        return FolderEntries(tmp_path / "home" / "versions")
    return request.getfixturevalue("in_a_configmap")


# What both do


def test_there_is_none_at_first(entries):
    assert entries.all() == {}


def test_what_was_written_is_there(entries):
    entries.write(KNN, NOTHING, Entry("8", "9"))
    entries.write(TREE, NOTHING, Entry(challenger="models:/iris.decision_tree/3"))
    assert entries.all() == {KNN: Entry("8", "9"), TREE: Entry(None, "models:/iris.decision_tree/3")}


def test_an_entry_that_names_nothing_is_taken_away(entries):
    entries.write(KNN, NOTHING, Entry("8"))
    entries.write(KNN, Entry("8"), NOTHING)
    assert entries.all() == {}


def test_another_entry_than_was_seen_stays(entries):
    entries.write(KNN, NOTHING, Entry("8"))
    for seen in (NOTHING, Entry("7"), Entry("8", "9")):
        with pytest.raises(Conflict, match=r'The entry of iris\.knn is {"champion": "8"} by now'):
            entries.write(KNN, seen, Entry("6"))
    assert entries.all() == {KNN: Entry("8")}


def test_the_same_entry_again_is_no_conflict(entries):
    entries.write(KNN, NOTHING, Entry("8"))
    entries.write(KNN, Entry("8"), Entry("8"))
    assert entries.all() == {KNN: Entry("8")}


def test_of_many_at_once_one_wins_and_no_other_node_loses_its_entry(entries):
    won, lost = [], []

    def write(version):
        try:
            entries.write(KNN, NOTHING, Entry(version))
            won.append(version)
        except Conflict:
            lost.append(version)

    def beside(node):
        entries.write(f"iris.node_{node}", NOTHING, Entry(str(node)))

    threads = [threading.Thread(target=write, args=(str(one),)) for one in range(1, 7)]
    threads += [threading.Thread(target=beside, args=(one,)) for one in range(1, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 5)
    assert entries.all() == {KNN: Entry(won[0])} | {f"iris.node_{one}": Entry(str(one)) for one in (1, 2, 3)}


def test_a_node_is_told_to_read_its_entry(entries):
    entries.check(KNN)
    entries.restart(KNN)
    assert isinstance(entries.progress(KNN)[0], bool)


# What is each one's own


def test_a_file_that_is_no_entry_is_mended(tmp_path):
    for text in ("{", '["8"]', '{"champion": 8}', "\udcff"):
        (tmp_path / KNN).write_bytes(text.encode("utf-8", "surrogateescape"))
        entries = FolderEntries(tmp_path)
        assert entries.all() == {}
        entries.write(KNN, NOTHING, Entry("8"))
        assert json.loads((tmp_path / KNN).read_text()) == {"champion": "8"}


@pytest.mark.parametrize("name", ["../iris.knn", "iris/knn", ".lock", "", "a" * 200])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path, name):
    entries = FolderEntries(tmp_path / "versions")
    for step in (lambda: entries.check(name), lambda: entries.write(name, NOTHING, Entry("8"))):
        with pytest.raises(ConfigurationError, match="name of a file"):
            step()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "versions").write_text("a file")
    with pytest.raises(ServiceAway, match="versions does not serve"):
        FolderEntries(tmp_path / "versions").write(KNN, NOTHING, Entry("8"))


def test_a_restart_is_seen_until_all_pods_are_new(server, in_a_configmap):
    def deploy(**status):
        server.remove("concord-iris-knn", resource="deployments")
        metadata = {"generation": 2}
        spec = {"replicas": 2, "template": {}}
        server.put("concord-iris-knn", resource="deployments", metadata=metadata, spec=spec, status=status)

    deploy(observedGeneration=1, replicas=2, updatedReplicas=2, availableReplicas=2)
    assert in_a_configmap.progress(KNN) == (False, "0 of 2 pods are new, 2 old ones are left.")
    deploy(observedGeneration=2, replicas=3, updatedReplicas=1, availableReplicas=3)
    assert in_a_configmap.progress(KNN) == (False, "1 of 2 pods are new, 2 old ones are left.")
    deploy(observedGeneration=2, replicas=2, updatedReplicas=2, availableReplicas=2)
    assert in_a_configmap.progress(KNN)[0] is True


def test_a_cluster_that_is_away_is_said(server, in_a_configmap):
    server.fault = "down"
    with pytest.raises(ServiceAway):
        in_a_configmap.all()


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
    assert number(reference) == version


def test_a_laptop_has_a_folder_and_a_pod_a_configmap(server, tmp_path):
    assert isinstance(open_entries(Settings(home=tmp_path)), FolderEntries)
    found = open_entries(Settings(home=tmp_path, deployment="models/blue-concord"))
    assert isinstance(found, ConfigMapEntries)
    assert found.target == Target("models", "blue-concord")


def test_a_deployment_of_another_form_is_named(monkeypatch):
    monkeypatch.setenv("CONCORD_DEPLOYMENT", "concord")
    with pytest.raises(ConfigurationError, match=r"CONCORD_DEPLOYMENT: .*NAMESPACE/FULLNAME"):
        Settings.read()


def test_only_a_registry_that_speaks_http_is_asked(monkeypatch):
    for given, known in (("http://mlflow:5000/", "http://mlflow:5000"), ("sqlite:///x.db", None), ("", None)):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
        assert Settings.read().registry == known
