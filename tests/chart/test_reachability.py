"""The evaluator of NetworkPolicies: as Kubernetes has it, as another one finds, and against flows seen."""

import json
import os
import re
import shutil
import subprocess
from itertools import product

import pytest

from tests.chart.reachability import (
    EGRESS,
    INGRESS,
    Endpoint,
    admits,
    compare,
    endpoint_of,
    is_admitted,
    seen_flows,
)
from tests.chart.test_flows import EVERYTHING, INSIDE, OUTSIDE, PORTS, TABLE
from tests.homes import cache_folder


@pytest.fixture
def everything(render, of_kind):
    """The policies of a release that has every component."""
    return list(of_kind(render(EVERYTHING), "NetworkPolicy").values())


def test_flows_that_were_seen_are_compared_with_the_policies_both_ways(everything):
    seen = [("page", "consensus", ("TCP", 3000)), ("neighbour", "consensus", ("TCP", 3000))]
    wanted = [("page", "consensus", ("TCP", 3000)), ("consensus", "node", ("TCP", 3000))]
    found = compare(everything, seen, INSIDE | OUTSIDE, wanted)
    assert found.refused == {("neighbour", "consensus", ("TCP", 3000))}
    assert found.unseen == {("consensus", "node", ("TCP", 3000))}


def a_pod(name, address, namespace="concord", **spec):
    labels = {
        "app.kubernetes.io/name": "concord",
        "app.kubernetes.io/instance": "concord",
        "app.kubernetes.io/component": name,
    }
    metadata = {"name": f"concord-{name}-7", "namespace": namespace, "labels": labels}
    return {"metadata": metadata, "spec": spec, "status": {"podIP": address}}


SPACES = [{"metadata": {"name": "concord", "labels": {"kubernetes.io/metadata.name": "concord"}}}]


def test_connections_by_address_become_flows_between_pods_and_addresses(everything):
    pods = [a_pod("page", "10.1.0.1"), a_pod("consensus", "10.1.0.2"), a_pod("node", "10.1.0.3")]
    connections = [
        ("10.1.0.1", "10.1.0.2", "TCP", 3000),
        ("10.1.0.1", "10.1.0.3", "TCP", 3000),
        ("10.1.0.2", "172.18.0.2", "TCP", 6443),
    ]
    seen, endpoints = seen_flows(connections, pods, SPACES)
    assert ("concord/concord-consensus-7", "172.18.0.2", ("TCP", 6443)) in seen
    assert compare(everything, seen, endpoints).refused == {
        ("concord/concord-page-7", "concord/concord-node-7", ("TCP", 3000))
    }


def test_a_pod_in_its_workers_network_is_that_address(everything):
    pods = [a_pod("page", "172.18.0.2", hostNetwork=True), a_pod("consensus", "10.1.0.2")]
    seen, endpoints = seen_flows([("172.18.0.2", "10.1.0.2", "TCP", 3000)], pods, SPACES)
    assert compare(everything, seen, endpoints).refused == {
        ("172.18.0.2", "concord/concord-consensus-7", ("TCP", 3000))
    }


def test_probes_of_the_pods_own_worker_pass_and_those_of_another_do_not(everything):
    pod = a_pod("consensus", "10.1.0.2")
    pod["status"]["hostIP"] = "172.18.0.3"
    connections = [(f"172.18.0.{worker}", "10.1.0.2", "TCP", 3000) for worker in (3, 4)]
    seen, endpoints = seen_flows(connections, [pod], SPACES)
    assert compare(everything, seen, endpoints).refused == {
        ("172.18.0.4", "concord/concord-consensus-7", ("TCP", 3000))
    }


def test_a_worker_probes_from_its_address_within_the_pods_network(everything):
    pod = a_pod("consensus", "10.1.0.2")
    pod["status"]["hostIP"] = "172.18.0.3"
    address = {"type": "InternalIP", "address": "172.18.0.3"}
    worker = {"spec": {"podCIDR": "10.1.0.0/24"}, "status": {"addresses": [address]}}
    flows = [("10.1.0.1", "10.1.0.2", "TCP", 3000), ("10.1.1.1", "10.1.0.2", "TCP", 3000)]
    seen, endpoints = seen_flows(flows, [pod], SPACES, [worker])
    assert compare(everything, seen, endpoints).refused == {
        ("10.1.1.1", "concord/concord-consensus-7", ("TCP", 3000))
    }


def test_every_flow_of_the_table_passes_where_it_is_seen(everything):
    seen = {(*pair, port) for pair, ports in TABLE.items() for port in ports}
    assert compare(everything, seen, INSIDE | OUTSIDE).refused == set()


def test_a_flow_needs_both_sides(everything):
    """The page may send nothing to a node, though a policy of the page's alone would let it be asked."""
    only = [one for one in everything if one["metadata"]["name"] == "concord-page"]
    assert not is_admitted(only, INSIDE["page"], INSIDE["node"], ("TCP", 3000))
    assert is_admitted(only, INSIDE["consensus"], INSIDE["node"], ("TCP", 3000))
    assert not is_admitted(only, INSIDE["node"], INSIDE["page"], ("TCP", 8501))


def test_a_pod_reaches_itself_whatever_its_policies_say(everything):
    assert is_admitted(everything, INSIDE["prometheus"], INSIDE["prometheus"], ("TCP", 9090))


def test_a_block_of_addresses_holds_its_exceptions_not():
    block = {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}
    rule = {"to": [{"ipBlock": block}], "ports": [{"protocol": "TCP", "port": 80, "endPort": 90}]}
    metadata = {"name": "one", "namespace": "concord"}
    spec = {"podSelector": {}, "policyTypes": ["Egress"], "egress": [rule]}
    policy = {"metadata": metadata, "spec": spec}

    def reaches(address, port):
        return admits([policy], INSIDE["page"], EGRESS, Endpoint(address=address), ("TCP", port))

    found = [reaches("10.0.0.1", 85), reaches("10.1.0.1", 85), reaches("10.0.0.1", 91)]
    assert found == [True, False, False]


def test_expressions_and_named_ports_are_read_as_kubernetes_reads_them():
    chosen = {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["other"]}]}
    rule = {"from": [{"podSelector": chosen}], "ports": [{"port": "http"}]}
    spec = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [rule]}
    policy = {"metadata": {"name": "one", "namespace": "concord"}, "spec": spec}
    served = {
        "metadata": {"namespace": "concord"},
        "spec": {"containers": [{"ports": [{"name": "http", "containerPort": 3000}]}]},
    }
    ours = endpoint_of(served, {"concord": {"kubernetes.io/metadata.name": "concord"}})

    def is_reached(who, port):
        return admits([policy], ours, INGRESS, OUTSIDE[who], ("TCP", port))

    assert [is_reached("client", 3000), is_reached("neighbour", 3000), is_reached("client", 80)] == [
        True,
        False,
        False,
    ]


CYCLONUS = "github.com/mattfenwick/cyclonus/cmd/cyclonus@v0.5.6"
"""Another evaluator of NetworkPolicies, which ours is compared with."""


@pytest.fixture(scope="session")
def cyclonus():
    """The other evaluator's program, built from its Go module once a machine."""
    if shutil.which("go") is None:
        pytest.skip("Go is not installed; it builds another evaluator of NetworkPolicies")
    folder = cache_folder().parent / CYCLONUS.rpartition("/")[2].replace("@", "-")
    command = ["go", "install", "-trimpath", CYCLONUS]
    subprocess.run(
        command,
        env=os.environ | {"GOBIN": str(folder), "CGO_ENABLED": "0"},
        check=True,
        capture_output=True,
    )
    return folder / "cyclonus"


def traffic(sender, receiver, port):
    """A question to it."""

    def peer(endpoint, address):
        pod = {"PodLabels": endpoint.labels, "NamespaceLabels": endpoint.space}
        inside = {"Internal": pod | {"Namespace": endpoint.namespace}} if endpoint.namespace else {}
        return inside | {"IP": endpoint.address or address}

    ends = {"Source": peer(sender, "10.1.0.1"), "Destination": peer(receiver, "10.1.0.2")}
    return ends | {"Protocol": port[0], "ResolvedPort": port[1], "ResolvedPortName": ""}


@pytest.mark.slow
@pytest.mark.parametrize("values", ["defaults", "mariadb", "url", "everything", "front"])
def test_another_evaluator_finds_the_same(cyclonus, render, of_kind, tmp_path, values):
    """Every pair of pods and addresses at every port, what may go out and what may come in."""
    policies = list(of_kind(render(values), "NetworkPolicy").values())
    questions = [
        (sender, receiver, port)
        for sender, receiver in product((INSIDE | OUTSIDE).values(), repeat=2)
        for port in sorted(PORTS)
        if sender != receiver
    ]
    listed = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicyList", "metadata": {}}
    (tmp_path / "policies.json").write_text(json.dumps(listed | {"items": policies}), "utf-8")
    (tmp_path / "traffic.json").write_text(json.dumps([traffic(*one) for one in questions]), "utf-8")
    command = [cyclonus, "analyze", "--mode", "query-traffic", "--policy-path", tmp_path / "policies.json"]
    command += ["--traffic-path", tmp_path / "traffic.json"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    _, *answers = answer.split("Is traffic allowed?")
    for direction, at, other in ((EGRESS, 0, 1), (INGRESS, 1, 0)):
        # What no policy selects has no line of its own, and is admitted.
        said = [set(re.findall(rf"\| {direction} +\| (Allow|Deny)", one)) for one in answers]
        found = ["Allow" in one or not one for one in said]
        ours = [admits(policies, one[at], direction, one[other], one[2]) for one in questions]
        differing = [one for one, theirs, mine in zip(questions, found, ours, strict=True) if theirs != mine]
        assert differing == []
