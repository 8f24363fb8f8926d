"""The way in from outside: Ingresses and HTTPRoutes for the API and the page, and what proxies are told."""

import json
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml

from tests.chart import rendering
from tests.chart.test_values import refusal_of
from tests.homes import SHIPPED

HOSTS = {"api": ["concord.example.com"], "page": ["page.example.com"]}
SMALL = {
    "tasks": {task: {"enabled": False} for task in SHIPPED if task != "iris"},
    "monitoring": {"prometheus": {"enabled": False}},
}
"""Less to render."""

GATEWAY = "sigs.k8s.io/gateway-api@v1.6.3"
"""Whose custom resources the routes are checked against."""


@pytest.fixture
def ingresses(render, of_kind):
    """Name → Ingress, under some values of `ingress`."""

    def make(values=None, **ingress):
        settings = SMALL | {"ingress": {"enabled": True, "hosts": HOSTS} | ingress}
        return of_kind(render(settings | (values or {})), "Ingress")

    return make


@pytest.fixture
def routes(render, of_kind):
    """Name → HTTPRoute, under some values of `httpRoute`."""

    def make(**route):
        settings = {"enabled": True, "hosts": HOSTS, "parentRefs": [{"name": "public"}]} | route
        return of_kind(render(SMALL | {"httpRoute": settings}), "HTTPRoute")

    return make


def backend(ingress):
    (rule,) = ingress["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    return rule["host"], path["path"], path["backend"]["service"]


def test_there_is_no_way_in_by_default(render, of_kind):
    assert of_kind(render(), "Ingress", "HTTPRoute", "BackendTLSPolicy") == {}


def test_each_host_leads_to_the_service_that_it_is_for(ingresses):
    found = {name: backend(one) for name, one in ingresses().items()}
    assert found == {
        "concord-consensus": (
            "concord.example.com",
            "/",
            {"name": "concord-consensus", "port": {"name": "http"}},
        ),
        "concord-page": ("page.example.com", "/", {"name": "concord-page", "port": {"name": "http"}}),
    }


def test_a_front_for_the_api_alone_has_none_for_the_page(ingresses):
    assert set(ingresses(hosts={"api": HOSTS["api"]})) == {"concord-consensus"}


def test_both_may_share_a_host_where_their_paths_differ(ingresses):
    one = {"api": ["example.com"], "page": ["example.com"]}
    made = ingresses({"consensus": {"rootPath": "/concord"}}, hosts=one)
    assert {backend(ingress)[:2] for ingress in made.values()} == {
        ("example.com", "/concord"),
        ("example.com", "/"),
    }


def test_cert_manager_makes_a_secret_for_each_so_that_they_do_not_share_one(ingresses):
    made = ingresses(tls={"clusterIssuer": "letsencrypt"})
    marks = {one["metadata"]["annotations"]["cert-manager.io/cluster-issuer"] for one in made.values()}
    names = sorted(one["spec"]["tls"][0]["secretName"] for one in made.values())
    assert (marks, names) == ({"letsencrypt"}, ["concord-consensus-ingress", "concord-page-ingress"])


def test_an_issuer_of_the_namespace_is_named_as_such(ingresses):
    made = ingresses(tls={"issuer": "ours"})
    assert {one["metadata"]["annotations"]["cert-manager.io/issuer"] for one in made.values()} == {"ours"}


def test_an_existing_secret_is_used_as_it_is(ingresses):
    for one in ingresses(tls={"existingSecret": "front"}).values():
        (tls,) = one["spec"]["tls"]
        assert (tls["secretName"], tls["hosts"]) == ("front", [backend(one)[0]])
        assert "annotations" not in one["metadata"]


def test_without_a_certificate_none_is_named(ingresses):
    assert not any("tls" in one["spec"] for one in ingresses().values())


def test_an_ingress_speaks_tls_to_pods_that_do_and_the_values_may_say_otherwise(ingresses):
    key = "nginx.ingress.kubernetes.io/backend-protocol"
    secured = {"consensus": {"tls": {"existingSecret": "concord-tls"}}}
    made = ingresses(secured)
    assert made["concord-consensus"]["metadata"]["annotations"][key] == "HTTPS"
    assert "annotations" not in made["concord-page"]["metadata"]
    other = ingresses(secured, annotations={key: "GRPCS"})
    assert other["concord-consensus"]["metadata"]["annotations"][key] == "GRPCS"


def test_a_visit_stays_with_one_of_several_pages(ingresses):
    made = ingresses({"page": {"replicas": 2}})
    assert made["concord-page"]["metadata"]["annotations"] == {
        "nginx.ingress.kubernetes.io/affinity": "cookie"
    }


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"ingress": {"enabled": True}}, "ingress.hosts names no host"),
        ({"httpRoute": {"enabled": True}}, "httpRoute.hosts names no host"),
        ({"httpRoute": {"enabled": True, "hosts": HOSTS}}, "httpRoute.parentRefs names no Gateway"),
        (
            {"ingress": {"enabled": True, "hosts": HOSTS}, "page": {"enabled": False}},
            "ingress.hosts.page leads to the page",
        ),
        (
            {"ingress": {"enabled": True, "hosts": {"api": ["a.example.com"], "page": ["a.example.com"]}}},
            "consensus.rootPath",
        ),
        (
            {
                "ingress": {
                    "enabled": True,
                    "hosts": HOSTS,
                    "tls": {"existingSecret": "front", "issuer": "ours"},
                }
            },
            "Leave one empty",
        ),
        (
            {
                "httpRoute": {"enabled": True, "hosts": HOSTS, "parentRefs": [{"name": "public"}]},
                "consensus": {"tls": {"existingSecret": "concord-tls"}},
            },
            "create configmap concord-ca --from-file=ca.crt",
        ),
        (
            {"ingress": {"enabled": True, "hosts": {"api": ["https://concord.example.com"]}}},
            "/ingress/hosts/api",
        ),
        ({"ingress": {"hosts": {"apis": []}}}, "apis"),
        ({"httpRoute": {"parentRefs": [{"gateway": "public"}]}}, "/httpRoute/parentRefs"),
    ],
)
def test_what_would_lead_nowhere_is_refused_by_its_name(render, settings, named):
    assert named in refusal_of(render, settings)


def test_a_route_is_attached_to_the_gateway_that_is_named(routes):
    parents = [{"name": "public", "namespace": "gateways", "sectionName": "https"}]
    made = routes(parentRefs=parents)
    assert set(made) == {"concord-consensus", "concord-page"}
    for name, one in made.items():
        (rule,) = one["spec"]["rules"]
        assert one["spec"]["parentRefs"] == parents
        assert rule["backendRefs"] == [{"name": name, "port": {"consensus": 3000, "page": 8501}[name[8:]]}]
    assert made["concord-page"]["spec"]["hostnames"] == HOSTS["page"]


def test_a_gateway_knows_how_to_ask_pods_that_speak_tls(render, of_kind):
    policy = of_kind(render("front"), "BackendTLSPolicy")["concord-consensus"]["spec"]
    assert policy["targetRefs"] == [{"group": "", "kind": "Service", "name": "concord-consensus"}]
    assert policy["validation"] == {
        "hostname": "concord-consensus",
        "caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "concord-ca"}],
    }


def test_pods_with_a_public_certificate_are_asked_by_what_every_system_knows(render, of_kind):
    route = {"enabled": True, "hosts": HOSTS, "parentRefs": [{"name": "public"}]}
    values = {"consensus": {"tls": {"existingSecret": "concord-tls", "privateCA": False}}, "httpRoute": route}
    policy = of_kind(render(values), "BackendTLSPolicy")["concord-consensus"]["spec"]
    assert policy["validation"] == {"hostname": "concord-consensus", "wellKnownCACertificates": "System"}


def test_the_service_answers_to_the_hosts_that_lead_to_it(render, of_kind):
    def hosts(values):
        (container,) = of_kind(render(values), "Deployment")["concord-consensus"]["spec"]["template"]["spec"][
            "containers"
        ]
        told = {one["name"]: one.get("value") for one in container["env"]}["CONCORD_HOSTS"]
        return [name for name in told.split(",") if name.endswith(".example.com")]

    assert hosts("front") == ["concord.example.com", "api.example.com"]
    off = {"ingress": {"enabled": False, "hosts": HOSTS}}
    assert hosts(off) == []


@pytest.mark.parametrize(("tls", "is_warned"), [({}, True), ({"existingSecret": "front"}, False)])
def test_the_notes_say_so_where_tokens_would_travel_readable(tls, is_warned):
    notes = rendering.texts({"ingress": {"enabled": True, "hosts": HOSTS, "tls": tls}})["NOTES.txt"]
    assert "The API is reached from outside at concord.example.com" in notes
    assert ("The Ingress has no certificate" in notes) is is_warned


@pytest.fixture(scope="session")
def gateway_schemas():
    """Kind → the Gateway API's own schema of its version v1, from its Go module."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go is not installed; it brings the Gateway API's schemas")
    command = [go, "mod", "download", "-json", GATEWAY]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    folder = Path(json.loads(done.stdout)["Dir"]) / "config" / "crd" / "standard"
    found = {}
    for plural in ("httproutes", "backendtlspolicies"):
        text = (folder / f"gateway.networking.k8s.io_{plural}.yaml").read_text("utf-8")
        (crd,) = (one for one in yaml.safe_load_all(text) if one)
        (version,) = (one for one in crd["spec"]["versions"] if one["name"] == "v1")
        found[crd["spec"]["names"]["kind"]] = closed(version["schema"]["openAPIV3Schema"])
    return found


def closed(schema):
    """The schema again, refusing what it doesn't name; the API server would drop that in silence."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(one) for key, one in schema.items()}
    if schema.get("type") == "object" and schema.get("properties"):
        found.setdefault("additionalProperties", False)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["HTTPRoute", "BackendTLSPolicy"])
def test_routes_are_valid_by_the_gateway_apis_own_schema(render, of_kind, gateway_schemas, kind):
    for one in of_kind(render("front"), kind).values():
        bare = {key: value for key, value in one.items() if key != "metadata"}
        jsonschema.validate(bare, gateway_schemas[kind])


@pytest.mark.slow
def test_that_schema_refuses_what_a_route_does_not_have(render, of_kind, gateway_schemas):
    route = of_kind(render("front"), "HTTPRoute")["concord-consensus"]
    del route["metadata"]
    route["spec"]["rules"][0]["backendRef"] = []
    with pytest.raises(jsonschema.ValidationError, match="backendRef"):
        jsonschema.validate(route, gateway_schemas["HTTPRoute"])
