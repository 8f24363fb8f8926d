"""How a Prometheus that is there already finds what serves metrics: operator's objects, and annotations."""

import pytest

PORTS = {"node": 3000, "consensus": 3000, "page": 9464, "mlflow": 9464}
"""Component → the port of its `/metrics`."""


def pods(objects):
    for one in objects:
        if one["kind"] == "Deployment":
            template = one["spec"]["template"]
            yield template["metadata"]["labels"]["app.kubernetes.io/component"], template


@pytest.mark.parametrize(
    ("kind", "setting", "endpoints", "named"),
    [
        ("ServiceMonitor", "serviceMonitor", "endpoints", "targetPort"),
        ("PodMonitor", "podMonitor", "podMetricsEndpoints", "port"),
    ],
)
def test_the_operators_objects_read_each_component_once_at_the_port_that_serves(
    render, of_kind, kind, setting, endpoints, named
):
    objects = render({"monitoring": {setting: {"enabled": True, "interval": "17s"}}})
    read = {}
    for monitor in of_kind(objects, kind).values():
        (chosen,) = monitor["spec"]["selector"]["matchExpressions"]
        (endpoint,) = monitor["spec"][endpoints]
        assert (endpoint["path"], endpoint["interval"]) == ("/metrics", "17s")
        for component in chosen["values"]:
            assert read.setdefault(component, endpoint[named]) is endpoint[named]
    assert read.keys() == PORTS.keys()
    seen = set()
    for component, template in pods(objects):
        if component in read:
            ports = {one["name"]: one["containerPort"] for one in template["spec"]["containers"][0]["ports"]}
            assert ports[read[component]] == PORTS[component]
            seen.add(component)
    assert seen == PORTS.keys()


def test_annotations_name_the_same_ports_and_go_by_one_value(render):
    def told(values=None):
        return {
            (component, template["metadata"].get("annotations", {}).get("prometheus.io/port"))
            for component, template in pods(render(values))
            if component in PORTS
        }

    assert told() == {(component, str(port)) for component, port in PORTS.items()}
    assert told({"monitoring": {"annotations": False}}) == {(component, None) for component in PORTS}


@pytest.mark.parametrize(
    ("kind", "setting", "endpoints"),
    [
        ("ServiceMonitor", "serviceMonitor", "endpoints"),
        ("PodMonitor", "podMonitor", "podMetricsEndpoints"),
    ],
)
def test_the_operators_objects_ask_a_service_with_a_certificate_by_tls(
    render, of_kind, kind, setting, endpoints
):
    values = {
        "consensus": {"tls": {"existingSecret": "concord-tls"}},
        "monitoring": {setting: {"enabled": True}},
    }
    asked = {}
    for monitor in of_kind(render(values), kind).values():
        (chosen,) = monitor["spec"]["selector"]["matchExpressions"]
        (endpoint,) = monitor["spec"][endpoints]
        asked |= dict.fromkeys(chosen["values"], (endpoint.get("scheme"), endpoint.get("tlsConfig")))
    authority = {
        "ca": {"secret": {"name": "concord-tls", "key": "ca.crt"}},
        "serverName": "concord-consensus",
    }
    assert asked == dict.fromkeys(PORTS, (None, None)) | {"consensus": ("https", authority)}
