"""The table of flows, and proof that the NetworkPolicies admit exactly these, on both sides."""

from itertools import product

import pytest

from tests.chart.reachability import EGRESS, INGRESS, Endpoint, admits

COMPONENTS = (
    *("node", "consensus", "page", "mlflow", "journal"),
    *("training", "upkeep", "benchmark", "archiver", "prometheus", "grafana", "test"),
)


def pod(namespace, **labels):
    space = {"kubernetes.io/metadata.name": namespace}
    return Endpoint(namespace, labels, space)


def component(name):
    labels = {"app.kubernetes.io/name": "concord", "app.kubernetes.io/instance": "concord"}
    return pod("concord", **labels, **{"app.kubernetes.io/component": name})


INSIDE = {name: component(name) for name in COMPONENTS}
OUTSIDE = {
    "client": pod("concord", **{"concord.dev/client": "true"}),
    "monitoring": pod("monitoring"),
    "dns": pod("kube-system", **{"k8s-app": "kube-dns"}),
    # A cache of names on each worker, at an address of its own.
    "name cache": Endpoint(address="169.254.20.10"),
    "neighbour": pod("concord", app="other"),
    "stranger": pod("other", **{"concord.dev/client": "true"}),
    # An address that is no pod: the API server, a database, a registry, somebody outside the cluster.
    "address": Endpoint(address="203.0.113.7"),
}
PORTS = {
    ("TCP", port) for port in (22, 53, 80, 443, 3000, 3306, 5000, 5432, 6443, 8501, 9090, 9093, 9464)
} | {("UDP", 53)}

DNS = {("UDP", 53), ("TCP", 53)}
API_SERVER = {("TCP", 443), ("TCP", 6443)}
DATABASES = {("TCP", 3306), ("TCP", 5432)}

# Who calls whom where everything is enabled, and with the journal in the cluster.
TABLE = {
    ("page", "consensus"): {("TCP", 3000)},
    ("test", "consensus"): {("TCP", 3000)},
    ("client", "consensus"): {("TCP", 3000)},
    ("consensus", "node"): {("TCP", 3000)},
    ("consensus", "journal"): {("TCP", 3306)},
    ("archiver", "journal"): {("TCP", 3306)},
    ("benchmark", "journal"): {("TCP", 3306)},
    ("benchmark", "mlflow"): {("TCP", 5000)},
    ("benchmark", "consensus"): {("TCP", 3000)},
    ("node", "mlflow"): {("TCP", 5000)},
    ("training", "mlflow"): {("TCP", 5000)},
    ("training", "consensus"): {("TCP", 3000)},
    ("upkeep", "consensus"): {("TCP", 3000)},
    ("upkeep", "mlflow"): {("TCP", 5000)},
    ("consensus", "mlflow"): {("TCP", 5000)},
    ("page", "mlflow"): {("TCP", 5000)},
    ("prometheus", "node"): {("TCP", 3000)},
    ("prometheus", "consensus"): {("TCP", 3000)},
    ("prometheus", "page"): {("TCP", 9464)},
    ("prometheus", "mlflow"): {("TCP", 9464)},
    ("page", "prometheus"): {("TCP", 9090)},
    ("grafana", "prometheus"): {("TCP", 9090)},
    ("monitoring", "node"): {("TCP", 3000)},
    ("monitoring", "consensus"): {("TCP", 3000)},
    ("monitoring", "page"): {("TCP", 9464)},
    ("monitoring", "mlflow"): {("TCP", 9464)},
    **{
        (name, where): DNS
        for name in COMPONENTS
        for where in ("dns", "name cache")
        if name not in {"mlflow", "journal", "prometheus"}
    },
    **{(name, "address"): API_SERVER for name in ("consensus", "archiver", "prometheus")},
}
# The API server is no pod that a selector could name, so its ports are open to every address, pods too.
ANYWHERE = {"consensus", "archiver", "prometheus"}


def flows(policies, direction):
    """(from, to) → ports, as this direction's policies have it."""
    found = {}
    for (name, ours), (other_name, other) in product(INSIDE.items(), (INSIDE | OUTSIDE).items()):
        ports = {port for port in PORTS if admits(policies, ours, direction, other, port)}
        if ports:
            found[(name, other_name) if direction == EGRESS else (other_name, name)] = ports
    return found


@pytest.fixture
def policies(render, of_kind):
    def make(**values):
        objects = render(values)
        return list(of_kind(objects, "NetworkPolicy").values())

    return make


UNWATCHED = {"prometheus": {"enabled": False}}
BENCHMARK = {"enabled": True, "task": "iris"}
STUDY = {"study": {"existingSecret": "concord-study"}}


EVERYTHING = {
    "journal": {"kind": "mariadb", "mariadb": {"existingSecret": "concord-journal"}},
    "ledger": {"archive": {"enabled": True}},
    "training": {"enabled": True, "data": {"iris": {"source": "journal"}}},
    "consensus": {"tokens": {"existingSecret": "concord-tokens"}},
    "upkeep": {"enabled": True, "existingSecret": "concord-upkeep"},
    "benchmark": BENCHMARK | {"data": {"source": "journal"}},
    "monitoring": {"grafana": {"existingSecret": "concord-grafana"}},
}
"""Values with which there is every component of the table."""


@pytest.fixture
def everything(policies):
    return policies(**EVERYTHING)


def test_they_are_there_by_default_and_gone_by_one_value(render, of_kind):
    assert of_kind(render(), "NetworkPolicy")
    assert of_kind(render({"networkPolicy": {"enabled": False}}), "NetworkPolicy") == {}


def test_every_component_has_a_policy_for_both_directions(everything):
    selected = {
        one["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for one in everything
    }
    assert selected == set(COMPONENTS)
    assert all(one["spec"]["policyTypes"] == ["Ingress", "Egress"] for one in everything)


def test_what_may_come_in_is_the_table(everything):
    assert flows(everything, INGRESS) == {
        (source, target): ports for (source, target), ports in TABLE.items() if target in INSIDE
    }


def test_what_may_go_out_is_the_table(everything):
    found = flows(everything, EGRESS)
    for name, other in product(ANYWHERE, INSIDE | OUTSIDE):
        ports = found.pop((name, other)) - API_SERVER
        if ports:
            found[name, other] = ports
    inside = {key: ports for key, ports in TABLE.items() if key[0] in INSIDE and key[1] != "address"}
    assert found == inside


def test_a_flow_between_components_is_admitted_by_both_or_by_none(everything):
    out, into = flows(everything, EGRESS), flows(everything, INGRESS)
    both = {
        pair: out.get(pair, set()) & into.get(pair, set())
        for pair in product(INSIDE, INSIDE)
        if out.get(pair, set()) & into.get(pair, set())
    }
    assert both == {pair: ports for pair, ports in TABLE.items() if set(pair) <= set(INSIDE)}


def test_nobody_reaches_the_api_server_where_the_ledger_is_in_files(policies):
    found = flows_of_policies(policies(ledger={"store": "files"}, monitoring=UNWATCHED))
    assert not any(ports & API_SERVER for ports in found.values())


def test_a_service_that_orders_versions_reaches_the_api_server_all_the_same(policies):
    found = flows_of_policies(
        policies(
            ledger={"store": "files"},
            consensus={"tokens": {"existingSecret": "concord-tokens"}},
            monitoring=UNWATCHED,
        )
    )
    assert {pair for pair, ports in found.items() if ports & API_SERVER and pair[1] == "address"} == {
        ("consensus", "address")
    }


def test_a_service_that_orders_no_versions_reaches_no_registry(policies):
    assert ("consensus", "mlflow") not in flows(policies(), INGRESS)


def test_upkeep_reaches_a_registry_elsewhere_at_its_ports_only(policies):
    found = flows_of_policies(
        policies(
            mlflow={"enabled": False, "trackingUri": "https://mlflow.example.com"},
            consensus={"tokens": {"existingSecret": "concord-tokens"}},
            upkeep={"enabled": True, "existingSecret": "concord-upkeep"},
        )
    )
    assert found["upkeep", "address"] == {("TCP", 80), ("TCP", 443), ("TCP", 5000)}


def test_a_benchmark_of_generated_rows_does_not_reach_the_service(policies):
    found = flows(policies(benchmark=BENCHMARK | STUDY), INGRESS)
    assert ("benchmark", "consensus") not in found
    assert found["benchmark", "mlflow"] == {("TCP", 5000)}


@pytest.mark.parametrize(
    ("data", "address"), [({}, set()), ({"iris": {"existingSecret": "mine"}}, DATABASES)]
)
def test_training_reaches_what_its_rows_ask_for(data, address, policies):
    found = flows_of_policies(policies(training={"enabled": True, "data": data}))
    assert ("TCP", 3000) not in found.get(("training", "consensus"), set())
    assert found.get(("training", "address"), set()) == address


def test_a_study_elsewhere_opens_the_ports_of_databases_only(policies):
    found = flows_of_policies(policies(benchmark=BENCHMARK | STUDY))
    assert found["benchmark", "address"] == DATABASES


def test_a_study_is_reached_where_the_values_say(policies):
    block = {"ipBlock": {"cidr": "10.0.0.7/32"}}
    made = policies(
        benchmark=BENCHMARK | STUDY,
        networkPolicy={"study": {"to": [block], "ports": [9999]}},
    )
    (spec,) = (one["spec"] for one in made if one["metadata"]["name"] == "concord-benchmark")
    assert {"to": [block], "ports": [{"protocol": "TCP", "port": 9999}]} in spec["egress"]


def flows_of_policies(policies):
    selected = {one["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for one in policies}
    return {pair: ports for pair, ports in flows(policies, EGRESS).items() if pair[0] in selected}


def test_without_a_registry_nodes_reach_nothing(policies):
    found = flows_of_policies(policies(mlflow={"enabled": False}))
    assert "node" not in {source for source, _ in found}


def test_a_journal_and_a_registry_elsewhere_open_their_ports_only(policies):
    found = flows_of_policies(
        policies(
            journal={"kind": "url", "url": {"existingSecret": "concord-journal"}},
            mlflow={"enabled": False, "trackingUri": "https://mlflow.example.com"},
        )
    )
    assert found["consensus", "address"] == API_SERVER | {("TCP", 3306), ("TCP", 5432)}
    assert found["node", "address"] == {("TCP", 80), ("TCP", 443), ("TCP", 5000)}
    assert found["page", "address"] == {("TCP", 80), ("TCP", 443), ("TCP", 5000)}


def test_the_page_reaches_who_signs_people_in_and_no_registry_that_is_not_there(policies):
    assert ("page", "address") not in flows_of_policies(policies(mlflow={"enabled": False}))
    found = flows_of_policies(
        policies(mlflow={"enabled": False}, page={"signIn": {"existingSecret": "concord-page"}})
    )
    assert found["page", "address"] == {("TCP", 443)}


OPENED = {"consensus": 3000, "page": 8501, "mlflow": 5000, "prometheus": 9090, "grafana": 3000}
"""Component → the port that a Service from outside leads to."""

NOBODYS = {"name cache", "neighbour", "stranger", "address", "dns"}
"""Who may call nothing of ours where nothing is opened."""


def opened(policies):
    """Which ports somebody from outside the cluster reaches."""
    selected = {one["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for one in policies}
    found = flows(policies, INGRESS)
    return {what: ports for (who, what), ports in found.items() if who == "address" and what in selected}


def test_nobody_from_outside_reaches_a_pod_by_default(everything):
    found = flows(everything, INGRESS)
    assert {pair for pair in found if pair[0] in NOBODYS} == set()


@pytest.mark.parametrize("kind", ["NodePort", "LoadBalancer"])
def test_a_service_that_opens_a_port_to_the_outside_admits_it_and_no_other(policies, kind):
    service = {"service": {"type": kind}}
    grafana = service | {"existingSecret": "concord-grafana"}
    values = dict.fromkeys(("consensus", "page", "mlflow"), service)
    found = opened(policies(**values, monitoring={"prometheus": service, "grafana": grafana}))
    assert found == {what: {("TCP", port)} for what, port in OPENED.items()}


@pytest.mark.parametrize("front", ["ingress", "httpRoute"])
@pytest.mark.parametrize("what", ["api", "page"])
def test_a_host_admits_callers_at_the_port_that_it_leads_to(policies, front, what):
    settings = {"enabled": True, "hosts": {what: ["concord.example.com"]}}
    if front == "httpRoute":
        settings["parentRefs"] = [{"name": "public"}]
    component = {"api": "consensus", "page": "page"}[what]
    assert opened(policies(**{front: settings})) == {component: {("TCP", OPENED[component])}}


def test_the_values_leave_the_way_in_to_a_controllers_pods(policies):
    controller = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "other"}}}]
    made = policies(
        ingress={"enabled": True, "hosts": {"api": ["concord.example.com"]}},
        networkPolicy={"ingress": controller},
    )
    assert opened(made) == {}
    assert flows(made, INGRESS)["stranger", "consensus"] == {("TCP", 3000)}


def test_the_page_and_mlflow_are_opened_for_whom_the_values_name(policies):
    ingress = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "other"}}}]
    found = flows(policies(networkPolicy={"pageClients": ingress, "mlflowClients": ingress}), "Ingress")
    assert found["stranger", "page"] == {("TCP", 8501)}
    assert found["stranger", "mlflow"] == {("TCP", 5000)}
    assert ("stranger", "consensus") not in found


def test_metrics_are_closed_where_nobody_reads_them(policies):
    found = flows(policies(monitoring={"annotations": False} | UNWATCHED), INGRESS)
    assert ("client", "consensus") in found
    assert not {("monitoring", "consensus"), ("monitoring", "node")} & set(found)
    inside = policies(monitoring=UNWATCHED)
    assert "concord-prometheus" not in {one["metadata"]["name"] for one in inside}
    assert ("page", "prometheus") not in flows_of_policies(inside)


def test_the_releases_own_prometheus_is_opened_for_the_page_and_whom_the_values_name(policies):
    strangers = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "other"}}}]
    found = flows(policies(networkPolicy={"prometheusClients": strangers}), INGRESS)
    assert {who for who, what in found if what == "prometheus"} == {"page", "stranger"}
    # No peers at all would be everybody.
    alone = flows(policies(page={"enabled": False}), INGRESS)
    assert not {who for who, what in alone if what == "prometheus"}


def test_an_alertmanager_opens_its_port_and_names_only_where_there_is_one(policies):
    told = {"prometheus": {"alertmanagers": ["alertmanager:9093"]}}
    assert flows_of_policies(policies())["prometheus", "address"] == API_SERVER
    found = flows_of_policies(policies(monitoring=told))
    assert found["prometheus", "address"] == API_SERVER | {("TCP", 9093)}
    assert found["prometheus", "dns"] >= DNS
