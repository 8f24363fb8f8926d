"""What NetworkPolicies admit, evaluated as Kubernetes does it, and the comparison with flows that were seen.

A pod that some policy selects for a direction may do what some rule of these admits, and nothing else; a flow
needs the sender's Egress and the receiver's Ingress. A rule without peers admits every address. Traffic
within a pod, and from the worker that it is on (the kubelet's probes, port-forward), is never refused.
"""

from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Final

EGRESS: Final = "Egress"
INGRESS: Final = "Ingress"

Port = tuple[str, int]
"""Protocol and number."""

SIGNS: Final = {
    "In": lambda value, values: value in values,
    "NotIn": lambda value, values: value not in values,
    "Exists": lambda value, _: value is not None,
    "DoesNotExist": lambda value, _: value is None,
}


@dataclass(frozen=True)
class Endpoint:
    """Who sends or receives: a pod, or an address that is no pod's.

    Attributes:
        namespace: Its name; empty for what is no pod.
        labels: The pod's labels.
        space: The namespace's labels.
        address: Its address, if it is known; what an `ipBlock` looks at.
        ports: The pod's named ports.
        worker: The address of the worker that it is on, if it is known.
    """

    namespace: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    space: dict[str, str] = field(default_factory=dict)
    address: str = ""
    ports: dict[str, int] = field(default_factory=dict)
    worker: str = ""


def selects(selector, labels):
    """Whether a label selector chooses these labels; an empty one chooses all."""
    assert set(selector) <= {"matchLabels", "matchExpressions"}, selector
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        SIGNS[one["operator"]](labels.get(one["key"]), one.get("values", []))
        for one in selector.get("matchExpressions", [])
    )


def is_peer(peer, endpoint, home):
    """Whether a peer of a policy in the namespace `home` is this endpoint."""
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        networks = [ip_network(one) for one in (block["cidr"], *block.get("except", []))]
        inside = [bool(endpoint.address) and ip_address(endpoint.address) in one for one in networks]
        return inside[0] and not any(inside[1:])
    if not endpoint.namespace:
        return False
    chosen = peer.get("namespaceSelector")
    is_near = selects(chosen, endpoint.space) if chosen is not None else endpoint.namespace == home
    return is_near and selects(peer.get("podSelector", {}), endpoint.labels)


def is_port(rule, port, receiver):
    """Whether a rule's ports hold this one; a rule without any holds all."""
    found = rule.get("ports", [{"protocol": port[0]}])
    return any(_covers(one, port, receiver) for one in found)


def _covers(one, port, receiver):
    first = one.get("port", port[1])
    first = receiver.ports.get(first) if isinstance(first, str) else first
    last = one.get("endPort", first)
    return one.get("protocol", "TCP") == port[0] and first is not None and first <= port[1] <= last


def admits(policies, endpoint, direction, other, port):
    """Whether an endpoint's policies let it talk to another (Egress), or be talked to by it (Ingress)."""
    ours = [
        one
        for one in policies
        if direction in one["spec"]["policyTypes"]
        and one["metadata"]["namespace"] == endpoint.namespace
        and selects(one["spec"]["podSelector"], endpoint.labels)
    ]
    if not ours:
        return True
    side, receiver = ("to", other) if direction == EGRESS else ("from", endpoint)
    return any(
        is_port(rule, port, receiver)
        and (
            not rule.get(side)
            or any(is_peer(peer, other, one["metadata"]["namespace"]) for peer in rule[side])
        )
        for one in ours
        for rule in one["spec"].get(direction.lower()) or []
    )


def is_admitted(policies, sender, receiver, port):
    """Whether a flow passes on both sides; to itself, and with its worker, a pod always may."""
    return (
        sender == receiver
        or (sender.address != "" and sender.address == receiver.worker)
        or (receiver.address != "" and receiver.address == sender.worker)
    ) or (
        admits(policies, sender, EGRESS, receiver, port) and admits(policies, receiver, INGRESS, sender, port)
    )


@dataclass(frozen=True)
class Differences:
    """How flows that were seen and what the policies admit differ.

    Attributes:
        refused: Flows that were seen and that the policies would refuse: enforced, they break something.
        unseen: Flows that are wanted and were not seen, so that the recording proves nothing about them.
    """

    refused: frozenset[tuple[str, str, Port]]
    unseen: frozenset[tuple[str, str, Port]]


def compare(policies, seen, endpoints, wanted=()):
    """Compares flows that were recorded on a cluster with what the policies admit, both ways.

    Args:
        policies: NetworkPolicies, as rendered or as the API server returns them.
        seen: Flows as (sender, receiver, (protocol, port)) by the names of `endpoints`.
        endpoints: Name → `Endpoint`, for every name in `seen`.
        wanted: Flows that the recording is to hold, such as the table's.
    """
    seen = frozenset(seen)
    return Differences(
        frozenset(
            (sender, receiver, port)
            for sender, receiver, port in seen
            if not is_admitted(policies, endpoints[sender], endpoints[receiver], port)
        ),
        frozenset(wanted) - seen,
    )


def endpoint_of(pod, spaces):
    """A pod of the API server's answer as an endpoint; `spaces` has the labels of each namespace."""
    metadata = pod["metadata"]
    ports = {
        one["name"]: one["containerPort"]
        for container in pod["spec"].get("containers", [])
        for one in container.get("ports", [])
        if "name" in one
    }
    return Endpoint(
        metadata["namespace"],
        metadata.get("labels", {}),
        spaces.get(metadata["namespace"], {}),
        pod.get("status", {}).get("podIP", ""),
        ports,
        pod.get("status", {}).get("hostIP", ""),
    )


def own_addresses(nodes):
    """A worker's address within its pods' network, which its kubelet probes from → the worker's address."""
    return {
        str(next(ip_network(one["spec"]["podCIDR"]).hosts())): address["address"]
        for one in nodes
        for address in one["status"]["addresses"]
        if address["type"] == "InternalIP"
    }


def seen_flows(connections, pods, namespaces, nodes=()):
    """Flows by names, and the endpoints of these names, from connections by address.

    Args:
        connections: (sender's address, receiver's address, protocol, port), as the kernel's connection table
            has them behind Services' addresses: `conntrack --dump`, the reply's side.
        pods: The API server's list of pods, of all namespaces, as taken while they were recorded.
        namespaces: Its list of namespaces.
        nodes: Its list of the cluster's nodes; without it what a worker's kubelet asks is somebody's outside.

    Returns:
        The set of (sender, receiver, (protocol, port)), and name → `Endpoint`. A pod is `NAMESPACE/POD`, an
        address that is no pod's is its own name: a worker's, the API server's, somebody's outside.
    """
    spaces = {one["metadata"]["name"]: one["metadata"].get("labels", {}) for one in namespaces}
    # Pods in a worker's own network share its address, and policies do not hold for them.
    ours = [one for one in pods if not one["spec"].get("hostNetwork")]
    named = {f"{one['metadata']['namespace']}/{one['metadata']['name']}": one for one in ours}
    endpoints = {name: endpoint_of(one, spaces) for name, one in named.items()}
    by_address = {one.address: name for name, one in endpoints.items() if one.address}
    by_address |= own_addresses(nodes)
    flows = {
        (by_address.get(sender, sender), by_address.get(receiver, receiver), (protocol, port))
        for sender, receiver, protocol, port in connections
    }
    for name in {name for sender, receiver, _ in flows for name in (sender, receiver)} - endpoints.keys():
        endpoints[name] = Endpoint(address=name)
    return flows, endpoints
