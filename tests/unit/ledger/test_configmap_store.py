"""The ledger in ConfigMaps: what is special to it, against a server that refuses what a real one refuses."""

import json
import threading
import time

import pytest

from concord.errors import ConfigurationError, LedgerBroken, LedgerConflict, LedgerError, LedgerUnavailable
from concord.kubernetes import cluster as module
from concord.kubernetes.cluster import Cluster
from concord.ledger import events
from concord.ledger.configmap_store import ConfigMapStore
from concord.ledger.ledger import Ledger
from tests.unit.ledger.conformance import MemoryArchive, StoreSuite
from tests.unit.ledger.fake_api_server import FakeApiServer

HEAD = "concord-ledger"
OPEN = [events.params("iris", "seed"), events.open_account("iris", "knn", 10**9, 920000)]


@pytest.fixture
def server():
    fake = FakeApiServer()
    yield fake
    fake.close()


@pytest.fixture
def connect(server, tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path / "kubeconfig")))
    made = []

    def connect():
        made.append(Cluster.connect())
        return made[-1]

    yield connect
    for store in made:
        store.close()


@pytest.fixture
def make(connect):
    return lambda: ConfigMapStore(HEAD, connect)


class TestConfigMapStore(StoreSuite):
    """It passes the suite of all stores."""


class TestConfigMapStoreAsTheChartMakesIt(StoreSuite):
    """The same where the chart rendered the head's ConfigMap, without a head."""

    @pytest.fixture(autouse=True)
    def _rendered(self, server):
        server.put(HEAD, metadata={"labels": {"app.kubernetes.io/managed-by": "Helm"}})

    def test_what_helm_and_others_wrote_on_the_head_outlives_swaps(self, server, make):
        labels = {"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": "blue"}
        annotations = {"helm.sh/resource-policy": "keep", "meta.helm.sh/release-name": "blue"}
        server.put(HEAD, metadata={"labels": labels, "annotations": annotations}, data={"note": "mine"})
        store = make()
        store.swap_head(b"two", store.swap_head(b"one", None))
        document = server.object(HEAD)
        assert (document["metadata"]["labels"], document["metadata"]["annotations"]) == (labels, annotations)
        assert document["data"] == {"note": "mine", "head.json": "two"}

    def test_a_label_that_somebody_adds_is_a_conflict_once_and_stays(self, server, make):
        ledger = Ledger(make(), sleep=lambda _seconds: None)
        ledger.append(OPEN)
        document = server.object(HEAD)
        server.put(HEAD, metadata=document["metadata"] | {"labels": {"team": "a"}}, data=document["data"])
        ledger.append([events.deposit("iris", "knn", 1, "k")])
        assert server.object(HEAD)["metadata"]["labels"] == {"team": "a"}
        assert ledger.head().height == 2


def test_a_segment_is_immutable_labelled_and_named_after_its_head(server, make):
    server.put(HEAD, metadata={"labels": {"app.kubernetes.io/instance": "blue"}})
    store = make()
    store.read_head()
    store.write_segment("ledger-1-35-0123abcd", b"\x00")
    document = server.object("concord-ledger-1-35-0123abcd")
    assert document["immutable"] is True
    assert document["metadata"]["labels"] == {
        "app.kubernetes.io/name": "concord",
        "app.kubernetes.io/instance": "blue",
        "app.kubernetes.io/component": "ledger",
        "app.kubernetes.io/part-of": "concord",
        "app.kubernetes.io/managed-by": "concord",
        "concord.dev/ledger": HEAD,
    }


def test_two_ledgers_share_a_namespace_and_see_their_own_segments_alone(connect):
    blue, green = ConfigMapStore("blue-ledger", connect), ConfigMapStore("green-ledger", connect)
    blue.write_segment("ledger-1-2-00000000", b"blue")
    green.write_segment("ledger-1-2-00000000", b"green")
    assert (blue.list_segments(), blue.read_segment("ledger-1-2-00000000")) == (
        ["ledger-1-2-00000000"],
        b"blue",
    )


def test_segments_are_listed_over_several_pages_without_their_contents(server, make):
    server.page = 2
    for first in range(1, 6):
        make().write_segment(f"ledger-{first}-{first}-00000000", bytes(100_000))
    assert len(make().list_segments()) == 5
    assert max(size for verb, _, _, size in server.calls if verb == "list") < 5000


def test_a_look_at_a_head_that_has_not_changed_transfers_no_head(server, make):
    store = make()
    store.swap_head(b"x" * 60_000, None)
    store.read_head()
    assert store.read_head()[0] == b"x" * 60_000
    assert [size < 2000 for verb, _, name, size in server.calls if name == HEAD][-2:] == [True, True]


def test_a_head_deleted_from_outside_is_no_head_and_is_created_anew(server, make):
    ledger = Ledger(make(), limit=2000)
    ledger.append(OPEN)
    noted = [(block.height, block.hash, block.data) for block in ledger.blocks()]
    server.remove(HEAD)
    with pytest.raises(LedgerBroken, match="gone"):
        ledger.head()
    assert Ledger(make()).rebuild(noted).height == 1


def test_a_swap_on_a_head_that_was_deleted_is_a_conflict(server, make):
    store = make()
    revision = store.swap_head(b"one", None)
    server.remove(HEAD)
    with pytest.raises(LedgerConflict):
        store.swap_head(b"two", revision)


@pytest.mark.parametrize("fault", ["lost", "reset"])
def test_a_swap_that_was_carried_out_and_not_answered_lands_once(server, make, fault):
    ledger = Ledger(make())
    ledger.append(OPEN)
    paid = [events.deposit("iris", "knn", 5, "once")]
    server.fault, server.fault_verbs = fault, {"update"}
    with pytest.raises(LedgerUnavailable):
        ledger.append(paid)
    server.lift()
    assert ledger.append(paid).height == 2
    assert ledger.head().state.task("iris").balances == {"knn": 10**9 + 5}
    assert [verb for _, verb, _ in server.writes] == ["create", "update"]


def test_a_first_swap_that_was_not_answered_lands_once(server, make):
    server.fault, server.fault_verbs = "lost", {"create"}
    ledger = Ledger(make())
    with pytest.raises(LedgerUnavailable):
        ledger.append(OPEN)
    server.lift()
    assert (ledger.append(OPEN).height, len(server.writes)) == (1, 1)


@pytest.mark.parametrize("fault", ["lost", "reset"])
def test_a_segment_whose_creation_was_not_answered_is_written_again_harmlessly(server, make, fault):
    ledger = Ledger(make(), limit=1500)
    ledger.append(OPEN)
    for i in range(3):
        ledger.append([events.deposit("iris", "knn", 1, f"k{i}")])
        server.fault, server.fault_verbs = fault, {"create"}
        try:
            ledger.append([events.deposit("iris", "knn", 1, f"faulty{i}")])
        except LedgerUnavailable:
            server.lift()
            ledger.append([events.deposit("iris", "knn", 1, f"faulty{i}")])
        server.lift()
    report = Ledger(make()).verify()
    assert (report.ok, report.height) == (True, 7)


@pytest.mark.parametrize("fault", ["down", 500, 503, 429])
def test_an_api_server_that_does_not_serve_is_said_so_and_tried_once(server, make, fault):
    server.fault = fault
    with pytest.raises(LedgerUnavailable, match="does not serve"):
        make().read_head()
    assert len(server.calls) == (0 if fault == "down" else 1)


def test_an_api_server_that_hangs_is_given_up_after_a_bounded_time(server, make, monkeypatch):
    monkeypatch.setattr(module, "READ_SECONDS", 0.2)
    server.fault = "hang"
    began = time.monotonic()
    with pytest.raises(LedgerUnavailable, match="Timeout"):
        make().read_head()
    assert time.monotonic() - began < 2


def test_what_the_account_may_not_do_is_said_with_its_name_and_the_verb(server, make):
    server.forbidden.add(("delete", "configmaps"))
    ledger = Ledger(make(), archive=MemoryArchive(), limit=1500)
    ledger.append(OPEN)
    for i in range(20):
        ledger.append([events.deposit("iris", "knn", 1, f"k{i}")])
    with pytest.raises(LedgerError, match=r"serviceaccount:concord:tester.*cannot delete"):
        ledger.archive(keep=1)
    assert ledger.verify().ok


def test_a_namespace_that_is_not_there_is_named(server, monkeypatch, tmp_path):
    monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path / "other", namespace="nowhere")))
    with pytest.raises(LedgerError, match="no namespace nowhere"):
        ConfigMapStore(HEAD, Cluster.connect).swap_head(b"one", None)


def test_without_a_way_to_a_cluster_it_says_how_to_give_one(monkeypatch, tmp_path):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(ConfigurationError, match="KUBECONFIG"):
        ConfigMapStore(HEAD, Cluster.connect).read_head()


def test_a_pods_token_is_read_again_when_it_is_exchanged(server, monkeypatch, tmp_path):
    import datetime as dt

    from kubernetes.client import Configuration
    from kubernetes.config.incluster_config import InClusterConfigLoader

    token, certificate = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text("first")
    certificate.write_text("certificate")
    environment = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(server.port)}
    loader = InClusterConfigLoader(str(token), str(certificate), environ=environment)
    loader._token_refresh_period = dt.timedelta(0)
    configuration = Configuration()
    loader.load_and_set(configuration)
    # The fake server speaks no TLS, and the hook sets the address each time.
    loader.host, configuration.host = server.url, server.url
    loader.ssl_ca_cert = configuration.ssl_ca_cert = None
    cluster = Cluster(configuration, "concord")
    cluster.get("configmaps", HEAD)
    token.write_text("second")
    cluster.get("configmaps", HEAD)
    cluster.close()
    assert [token.lower() for token in server.tokens] == ["bearer first", "bearer second"]


def test_what_several_writers_append_at_once_lands_once_each(server, make):
    Ledger(make()).append(OPEN)

    def write(number):
        # A small limit makes the writers seal, and lose segments to one another.
        ledger = Ledger(make(), limit=3000)
        for i in range(8):
            for _ in range(2):
                ledger.append([events.deposit("iris", "knn", 1, f"{number}-{i}")])

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ledger = Ledger(make())
    written = sorted(key for block in ledger.blocks(2) for key in block.events)
    assert written == sorted(f"deposit:{number}-{i}" for number in range(4) for i in range(8))
    assert ledger.head().state.task("iris").balances == {"knn": 10**9 + 32}
    assert ledger.verify().ok


def test_a_patch_merges_and_answers_with_the_object(server, connect):
    server.put("concord-iris-knn", resource="deployments", spec={"replicas": 1, "paused": True})
    document = connect().patch(
        "deployments", "concord-iris-knn", {"spec": {"paused": None, "extra": {"a": "b"}}}
    )
    assert document["spec"] == {"replicas": 1, "extra": {"a": "b"}}
    assert json.dumps(server.object("concord-iris-knn", resource="deployments")["spec"]) == json.dumps(
        document["spec"]
    )
