"""Grafana and its dashboards in the chart: off unless asked for, and provisioned as is documented."""

import json

import pytest
import yaml
from helm_python.chart import lint
from helm_python.errors import HelmError

from tests import dashboards
from tests.chart import rendering
from tests.chart.reachability import Endpoint, is_peer
from tests.chart.test_chart import is_valid
from tests.chart.test_dashboards import against_schema
from tests.chart.test_flows import component
from tests.chart.test_pods import against_restricted

FOUND = {"monitoring": {"dashboards": {"enabled": True}}}
SHOWN = {"monitoring": {"grafana": {"existingSecret": "concord-grafana"}}}
BOTH = {"monitoring": FOUND["monitoring"] | SHOWN["monitoring"]}
CLIENTS = [{"podSelector": {"matchLabels": {"concord.dev/client": "true"}}}]
CLIENT = Endpoint("concord", {"concord.dev/client": "true"}, {"kubernetes.io/metadata.name": "concord"})
CLIENT_SIDE = 262_144
"""Bytes that `kubectl apply` can remember of an object."""


def grafana(objects, of_kind):
    """Its pod's spec, and its container by itself."""
    template = of_kind(objects, "Deployment")["concord-grafana"]["spec"]["template"]
    (container,) = template["spec"]["containers"]
    return template, container


def provisioned(objects, of_kind):
    """The files of Grafana's provisioning folder, read."""
    data = of_kind(objects, "ConfigMap")["concord-grafana"]["data"]
    return {name: yaml.safe_load(text) for name, text in data.items()}


def of_dashboards(objects, of_kind):
    return {
        name: one for name, one in of_kind(objects, "ConfigMap").items() if name.startswith("concord-dash")
    }


def test_neither_is_there_unless_it_is_asked_for(render, of_kind):
    names = {one["metadata"]["name"] for one in render()}
    assert not [name for name in names if "grafana" in name or "dashboard" in name]


@pytest.mark.parametrize("values", [FOUND, SHOWN, BOTH], ids=["found", "shown", "both"])
def test_the_chart_lints_and_every_object_is_valid(render, values):
    report = lint(rendering.CHART, values, strict=True, kube_version="v1.34.0")
    assert report["errors"] == []
    assert [one for one in report["messages"] if one["severity"] > 1] == []
    ours = {"grafana", "dashboards"}
    for one in render(values):
        if one["metadata"]["labels"]["app.kubernetes.io/component"] in ours:
            assert is_valid(json.dumps(one), "1.34")


@pytest.mark.parametrize("values", [FOUND, SHOWN, BOTH], ids=["found", "shown", "both"])
def test_every_dashboard_is_in_a_configmap_as_it_is_in_its_file(render, of_kind, values):
    found = of_dashboards(render(values), of_kind)
    assert set(found) == {f"concord-dashboard-{path.stem}" for path in dashboards.FILES}
    for path in dashboards.FILES:
        ((name, text),) = found[f"concord-dashboard-{path.stem}"]["data"].items()
        assert (name, json.loads(text)) == (f"concord-{path.name}", dashboards.load(path))
        assert len(json.dumps(found[f"concord-dashboard-{path.stem}"])) < CLIENT_SIDE


def test_the_common_sidecar_finds_them_where_one_value_says_so(render, of_kind):
    for one in of_dashboards(render(FOUND), of_kind).values():
        assert one["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert one["metadata"]["annotations"] == {"grafana_folder": "Concord"}
    assert "concord-grafana" not in of_kind(render(FOUND), "Deployment")
    for one in of_dashboards(render(SHOWN), of_kind).values():
        assert "grafana_dashboard" not in one["metadata"]["labels"]
        assert "annotations" not in one["metadata"]


def test_another_sidecars_marks_are_the_values(render, of_kind):
    marks = {
        "enabled": True,
        "labels": {"boards": "yes"},
        "annotations": {"k8s-sidecar-target-directory": "/x"},
    }
    for one in of_dashboards(render({"monitoring": {"dashboards": marks}}), of_kind).values():
        assert one["metadata"]["labels"]["boards"] == "yes"
        assert one["metadata"]["annotations"]["k8s-sidecar-target-directory"] == "/x"


@pytest.mark.parametrize(
    ("file", "schema"),
    [("datasources.yaml", "datasources.schema.json"), ("dashboards.yaml", "providers.schema.json")],
)
def test_what_is_provisioned_is_as_grafana_documents_it(render, of_kind, file, schema):
    files = provisioned(render(SHOWN), of_kind)
    assert set(files) == {"datasources.yaml", "dashboards.yaml"}
    assert against_schema(files[file], schema) == []


def test_the_schemas_refuse_what_grafana_would_not_know(render, of_kind):
    files = provisioned(render(SHOWN), of_kind)
    files["datasources.yaml"]["datasources"][0]["jsonData"]["scrapeInterval"] = "15s"
    files["dashboards.yaml"]["providers"][0]["options"]["foldersFromFilesStructure"] = True
    del files["dashboards.yaml"]["providers"][0]["name"]
    (unknown,) = against_schema(files["datasources.yaml"], "datasources.schema.json")
    assert "'scrapeInterval' does not match" in unknown
    said = against_schema(files["dashboards.yaml"], "providers.schema.json")
    assert any("'name' is a required property" in one for one in said)
    assert any("False schema does not allow 'Concord'" in one for one in said)


def test_the_data_source_is_the_releases_own_prometheus_or_the_one_that_is_named(render, of_kind):
    def source(values, **options):
        objects = render({"monitoring": {"grafana": {"existingSecret": "mine"} | values}}, **options)
        (name,) = [name for name in of_kind(objects, "ConfigMap") if name.endswith("-grafana")]
        (one,) = yaml.safe_load(of_kind(objects, "ConfigMap")[name]["data"]["datasources.yaml"])[
            "datasources"
        ]
        return one["url"], one["jsonData"]["timeInterval"]

    assert source({}) == ("http://concord-prometheus:9090", "15s")
    assert source({}, name="mine")[0] == "http://mine-concord-prometheus:9090"
    elsewhere = {"prometheusUrl": "https://prometheus.example.com", "scrapeInterval": "1m"}
    assert source(elsewhere) == ("https://prometheus.example.com", "1m")


def test_a_grafana_with_nothing_to_show_is_refused_with_what_to_set(render):
    settings = SHOWN["monitoring"] | {"prometheus": {"enabled": False}}
    with pytest.raises(HelmError, match=r"Set monitoring\.prometheus\.enabled=true, or"):
        render({"monitoring": settings})
    settings["grafana"] = settings["grafana"] | {"prometheusUrl": "https://prometheus.example.com"}
    assert render({"monitoring": settings})


def test_the_data_source_is_the_service_of_the_chart(render, of_kind):
    objects = render(SHOWN)
    (source,) = provisioned(objects, of_kind)["datasources.yaml"]["datasources"]
    services = of_kind(objects, "Service")
    (port,) = services["concord-prometheus"]["spec"]["ports"]
    assert source["url"] == f"http://concord-prometheus:{port['port']}"


def test_every_dashboard_is_mounted_where_it_is_looked_for_and_one_is_the_home(render, of_kind):
    objects = render(SHOWN)
    template, container = grafana(objects, of_kind)
    (volume,) = [one for one in template["spec"]["volumes"] if one["name"] == "dashboards"]
    mounted = {one["configMap"]["name"] for one in volume["projected"]["sources"]}
    assert mounted == set(of_dashboards(objects, of_kind))
    (mount,) = [one for one in container["volumeMounts"] if one["name"] == "dashboards"]
    (provider,) = provisioned(objects, of_kind)["dashboards.yaml"]["providers"]
    assert provider["options"]["path"] == mount["mountPath"]
    env = {one["name"]: one.get("value") for one in container["env"]}
    files = {f"{mount['mountPath']}/concord-{path.name}" for path in dashboards.FILES}
    assert env["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] in files


def test_each_file_is_in_the_folder_in_which_grafana_reads_it(render, of_kind):
    template, container = grafana(render(SHOWN), of_kind)
    paths = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    files = {
        f"{paths[one['name']]}/{item['path']}"
        for one in template["spec"]["volumes"]
        for item in one.get("configMap", {}).get("items", [])
    }
    assert files == {
        f"/etc/grafana/provisioning/{name}/{name}.yaml" for name in ("datasources", "dashboards")
    }


def test_the_administrator_is_the_secrets(render, of_kind):
    _, container = grafana(render(SHOWN), of_kind)
    env = {one["name"]: one.get("valueFrom") for one in container["env"]}
    for name, key in (
        ("GF_SECURITY_ADMIN_USER", "admin-user"),
        ("GF_SECURITY_ADMIN_PASSWORD", "admin-password"),
    ):
        assert env[name] == {"secretKeyRef": {"name": "concord-grafana", "key": key}}
    assert not [one for one in render(SHOWN) if one["kind"] == "Secret"]


def test_the_pod_is_restricted_writes_to_volumes_only_and_asks_nobody_outside(render, of_kind):
    template, container = grafana(render(SHOWN), of_kind)
    spec = template["spec"]
    assert against_restricted(spec) == []
    assert (spec["securityContext"]["runAsUser"], spec["automountServiceAccountToken"]) == (472, False)
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    writable = {one["mountPath"] for one in container["volumeMounts"] if not one.get("readOnly")}
    assert writable == {"/tmp", "/var/lib/grafana"}
    assert {one["name"] for one in container["volumeMounts"]} == {one["name"] for one in spec["volumes"]}
    assert container["resources"]["limits"] == {"memory": "512Mi"}
    env = {one["name"]: one.get("value") for one in container["env"]}
    assert env["GF_PLUGINS_PREINSTALL_DISABLED"] == "true"
    assert env["GF_ANALYTICS_CHECK_FOR_UPDATES"] == env["GF_ANALYTICS_REPORTING_ENABLED"] == "false"


def test_its_probes_and_its_service_ask_the_port_that_it_has(render, of_kind):
    objects = render(SHOWN)
    _, container = grafana(objects, of_kind)
    assert {one["name"]: one["containerPort"] for one in container["ports"]} == {"http": 3000}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"] == {"path": "/api/health", "port": "http"}
    (port,) = of_kind(objects, "Service")["concord-grafana"]["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (3000, "http")


def test_its_image_is_the_official_one_of_one_version(render, of_kind):
    image = grafana(render(SHOWN), of_kind)[1]["image"]
    name, _, tag = image.partition(":")
    assert name == "grafana/grafana"
    assert tag.count(".") == 2


def test_another_data_source_makes_another_pod_and_another_dashboard_does_not(render, of_kind):
    def digest(**values):
        settings = {"grafana": {"existingSecret": "mine"} | values}
        return grafana(render({"monitoring": settings}), of_kind)[0]["metadata"]["annotations"]

    assert digest() != digest(prometheusUrl="https://prometheus.example.com")
    assert digest() == digest(rootUrl="https://grafana.example.com/")


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"grafana": {"existingSecret": "My Secret"}}, "/monitoring/grafana/existingSecret"),
        ({"grafana": {"existingSecrets": "mine"}}, "existingSecrets"),
        ({"grafana": {"prometheusUrl": "prometheus:9090"}}, "/monitoring/grafana/prometheusUrl"),
        ({"grafana": {"scrapeInterval": "often"}}, "/monitoring/grafana/scrapeInterval"),
        ({"dashboards": {"enabled": "yes"}}, "/monitoring/dashboards/enabled"),
        ({"dashboards": {"labels": {"grafana_dashboard": 1}}}, "/monitoring/dashboards/labels"),
        ({"dashboard": {"enabled": True}}, "dashboard"),
    ],
)
def test_a_misspelt_or_impossible_value_is_refused_by_its_name(render, values, named):
    with pytest.raises(HelmError, match=named):
        render({"monitoring": values})


def test_it_reaches_prometheus_and_names_and_nobody_reaches_it_but_whom_the_values_name(render, of_kind):
    def rules(grafana, **policy):
        values = {"monitoring": {"grafana": {"existingSecret": "mine"} | grafana}}
        objects = render(values | {"networkPolicy": {"enabled": True} | policy})
        return of_kind(objects, "NetworkPolicy")["concord-grafana"]["spec"]

    spec = rules({})
    dns, prometheus = spec["egress"]
    assert {one["port"] for one in dns["ports"]} == {53}
    assert prometheus["ports"] == [{"protocol": "TCP", "port": 9090}]
    (peer,) = prometheus["to"]
    assert is_peer(peer, component("prometheus"), "concord")
    assert not is_peer(peer, component("consensus"), "concord")
    assert spec["ingress"] == []
    (opened,) = rules({}, grafanaClients=CLIENTS)["ingress"]
    assert opened["ports"] == [{"protocol": "TCP", "port": 3000}]
    assert is_peer(opened["from"][0], CLIENT, "concord")
    _, elsewhere = rules({"prometheusUrl": "https://prometheus.example.com"})["egress"]
    assert {one["port"] for one in elsewhere["ports"]} == {80, 443, 9090}
    assert "to" not in elsewhere


def test_the_releases_own_prometheus_is_opened_for_grafana_where_it_is_what_it_shows(render, of_kind):
    def opened(grafana):
        values = {"monitoring": {"grafana": grafana}, "networkPolicy": {"enabled": True}}
        policy = of_kind(render(values), "NetworkPolicy")["concord-prometheus"]["spec"]
        return any(
            is_peer(peer, component("grafana"), "concord")
            for rule in policy["ingress"]
            for peer in rule["from"]
        )

    assert opened({"existingSecret": "mine"})
    assert not opened({})
    assert not opened({"existingSecret": "mine", "prometheusUrl": "https://prometheus.example.com"})
