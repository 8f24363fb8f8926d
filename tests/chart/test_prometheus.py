"""The release's own Prometheus: whom it asks, by which names it knows them, and what it is made of."""

import json
import re
import shutil
import subprocess

import pytest
import yaml

from tests.chart import rendering
from tests.chart.test_rules import FILES, GROUPS, needs_promtool
from tests.chart.test_values import refusal_of

NAME = "concord-prometheus"
OFF = {"monitoring": {"prometheus": {"enabled": False}}}


def settings(**values):
    return {"monitoring": {"prometheus": values}}


@pytest.fixture
def files(render, of_kind):
    """Its ConfigMap's files, under some values and for some release."""

    def make(values=None, **release):
        (name, data), *others = (
            (name, one["data"])
            for name, one in of_kind(render(values, **release), "ConfigMap").items()
            if "prometheus.yml" in one.get("data", {})
        )
        assert (name.endswith("-prometheus"), others) == (True, [])
        return data

    return make


@pytest.fixture
def pod(render, of_kind):
    """Its pod template, under some values."""

    def make(values=None):
        return of_kind(render(values), "Deployment")[NAME]["spec"]["template"]

    return make


def found(objects, namespace="concord"):
    """What the API server's answer tells of each port of each pod, and of init steps without one."""
    for one in objects:
        if one["kind"] not in {"Deployment", "StatefulSet", "Job", "CronJob"} or rendering.is_hook(one):
            continue
        job = one["spec"].get("jobTemplate", one)["spec"]
        template = job["template"]
        labels = {
            f"__meta_kubernetes_pod_label_{re.sub('[^a-zA-Z0-9_]', '_', name)}": value
            for name, value in template["metadata"]["labels"].items()
        }
        spec = template["spec"]
        for container in spec["containers"] + spec.get("initContainers", []):
            for port in container.get("ports", [{}]):
                yield labels | {
                    "__address__": f"10.0.0.1:{port.get('containerPort', '')}",
                    "__metrics_path__": "/metrics",
                    "__meta_kubernetes_namespace": namespace,
                    "__meta_kubernetes_pod_name": f"{one['metadata']['name']}-7",
                    "__meta_kubernetes_pod_phase": "Running",
                    "__meta_kubernetes_pod_container_port_name": port.get("name", ""),
                }


def relabelled(target, rules):
    """A target's labels after the rules, as Prometheus applies them; None if it is dropped."""
    target = dict(target)
    for rule in rules:
        value = ";".join(target.get(name, "") for name in rule["source_labels"])
        is_match = re.fullmatch(rule.get("regex", "(.*)"), value, re.DOTALL) is not None
        match rule.get("action", "replace"):
            case "keep" if not is_match:
                return None
            case "drop" if is_match:
                return None
            case "replace" if is_match:
                target[rule["target_label"]] = rule.get("replacement", value)
    return {name: value for name, value in target.items() if value and not name.startswith("__")}


def targets(files, objects, **changed):
    (job,) = yaml.safe_load(files["prometheus.yml"])["scrape_configs"]
    answers = (relabelled(target | changed, job["relabel_configs"]) for target in found(objects))
    return [one for one in answers if one is not None]


def test_it_is_there_by_default_and_gone_by_one_value(render, of_kind):
    kinds = ("ConfigMap", "Service", "Deployment", "ServiceAccount", "Role", "RoleBinding")
    assert all(NAME in of_kind(render(), kind) for kind in kinds)
    assert "prometheus" not in json.dumps([one for one in render(OFF) if one["kind"] != "Deployment"])
    assert NAME not in of_kind(render(OFF), "Deployment")


def test_its_image_is_one_of_prometheus_3_by_tag_and_digest(pod):
    (container,) = pod()["spec"]["containers"]
    assert re.fullmatch(r"prom/prometheus:v3\.\d+\.\d+@sha256:[0-9a-f]{64}", container["image"])


def test_an_image_that_was_loaded_or_is_a_mirrors_has_its_name_only(pod):
    loaded = settings(image={"tag": "v2.42.0", "digest": "", "registry": "mirror.example.com"})
    (container,) = pod(loaded)["spec"]["containers"]
    assert container["image"] == "mirror.example.com/prom/prometheus:v2.42.0"


def test_the_page_knows_where_it_is_and_only_where_it_is(render, of_kind):
    def told(values):
        (container,) = of_kind(render(values), "Deployment")["concord-page"]["spec"]["template"]["spec"][
            "containers"
        ]
        return {one["name"]: one["value"] for one in container["env"]}.get("CONCORD_PROMETHEUS")

    assert told({}) == "http://concord-prometheus:9090"
    assert told(OFF) is None


def test_it_asks_all_that_serve_metrics_at_the_port_that_does_and_nobody_else(files, render, of_kind):
    """Whatever else the release has: the pages' own ports, the database, Jobs and the steps before a node."""
    seen = targets(files("everything"), render("everything"))
    nodes = [
        one
        for one in of_kind(render("everything"), "Deployment").values()
        if one["metadata"]["labels"]["app.kubernetes.io/component"] == "node"
    ]
    assert sorted(one["component"] for one in seen) == sorted(
        ["node"] * len(nodes) + ["consensus", "prometheus", "page", "mlflow"]
    )
    knn = {"namespace": "concord", "pod": "concord-iris-knn-7", "component": "node", "task": "iris"}
    assert knn | {"node": "knn"} in seen
    # These two have metrics with labels `task` and `node` of their own, which are not to be renamed.
    assert {"namespace": "concord", "pod": "concord-consensus-7", "component": "consensus"} in seen


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_has_ended_is_not_asked(files, render, phase):
    assert targets(files(), render(), __meta_kubernetes_pod_phase=phase) == []


SELECTED = "app.kubernetes.io/name=concord,app.kubernetes.io/instance=mine"


def test_it_looks_for_the_pods_of_its_own_release_in_its_own_namespace(files):
    native = settings(discovery="kubernetes")
    (job,) = yaml.safe_load(files(native, name="mine", namespace="there")["prometheus.yml"])["scrape_configs"]
    (discovery,) = job["kubernetes_sd_configs"]
    assert discovery["namespaces"] == {"own_namespace": True}
    assert discovery["selectors"] == [{"role": "pod", "label": SELECTED}]


def test_so_does_the_container_beside_it(render, of_kind):
    made = of_kind(render({}, name="mine", namespace="there"), "Deployment")["mine-concord-prometheus"]
    (finder,) = made["spec"]["template"]["spec"]["initContainers"]
    assert finder["restartPolicy"] == "Always"
    assert finder["args"][1:] == ["/targets", "there", SELECTED, "10"]
    assert finder["args"][0].strip() == (rendering.CHART / "files/find_pods.py").read_text("utf-8").strip()


def test_only_the_container_that_asks_the_api_server_has_a_token(pod):
    spec = pod()["spec"]
    assert spec["automountServiceAccountToken"] is False
    (finder,), (prometheus,) = spec["initContainers"], spec["containers"]
    assert "token" in {one["name"] for one in finder["volumeMounts"]}
    assert "token" not in {one["name"] for one in prometheus["volumeMounts"]}


def test_a_prometheus_that_asks_itself_has_the_token_and_nobody_beside_it(pod, files):
    native = settings(discovery="kubernetes")
    spec = pod(native)["spec"]
    assert (spec["serviceAccountName"], spec["automountServiceAccountToken"]) == (NAME, True)
    assert "initContainers" not in spec
    jobs = [yaml.safe_load(files(one)["prometheus.yml"])["scrape_configs"][0] for one in (native, {})]
    assert jobs[0]["relabel_configs"] == jobs[1]["relabel_configs"]


def test_it_records_and_alerts_by_the_charts_files(files):
    made = files()
    assert set(made) == {"prometheus.yml"} | {f"rules.{path.name}" for path in FILES}
    assert yaml.safe_load(made["prometheus.yml"])["rule_files"] == ["rules.*.yaml"]
    read = [yaml.safe_load(made[f"rules.{path.name}"])["groups"] for path in FILES]
    assert [group for groups in read for group in groups] == GROUPS


def test_its_alerts_link_their_runbooks_where_the_repository_is_read(files):
    values = {"monitoring": {"rules": {"runbooks": "https://git.example.com/concord/"}}}
    text = files(values)["rules.nodes.yaml"]
    assert "runbook_url: https://git.example.com/concord/docs/runbooks.md#a-node-is-down" in text


def test_other_rules_targets_or_alertmanagers_make_another_pod_and_nothing_else_does(pod):
    def digest(values=None):
        return pod(values)["metadata"]["annotations"]["concord.dev/config-digest"]

    runbooks = {"monitoring": {"rules": {"runbooks": "https://git.example.com/concord"}}}
    others = [digest(one) for one in (settings(interval="30s"), settings(alertmanagers=["a:9093"]), runbooks)]
    assert len({digest(), *others}) == 4
    assert digest() == digest({"page": {"enabled": False}})


def test_what_is_kept_is_bounded_by_time_and_by_size(pod):
    spec = pod(settings(retention="30d", retentionSize="9GB", size="10Gi"))["spec"]
    (container,) = spec["containers"]
    assert "--storage.tsdb.retention.time=30d" in container["args"]
    assert "--storage.tsdb.retention.size=9GB" in container["args"]
    assert {"name": "data", "emptyDir": {"sizeLimit": "10Gi"}} in spec["volumes"]


def test_a_volume_is_kept_as_the_others_are(render, of_kind, pod):
    assert NAME not in of_kind(render(), "PersistentVolumeClaim")
    claim = of_kind(render("everything"), "PersistentVolumeClaim")[NAME]
    assert claim["spec"]["storageClassName"] == "fast"
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    volumes = pod("everything")["spec"]["volumes"]
    assert {"name": "data", "persistentVolumeClaim": {"claimName": NAME}} in volumes


def test_nothing_of_it_can_be_stopped_or_deleted_over_http(pod):
    (container,) = pod("everything")["spec"]["containers"]
    assert not {"--web.enable-lifecycle", "--web.enable-admin-api"} & set(container["args"])


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ("interval", "15"),
        ("retention", "two weeks"),
        ("retentionSize", "4Gi"),
        ("alertmanagers", ["http://alertmanager:9093"]),
        ("externalUrl", "prometheus.example.com"),
        ("image", {"repository": "Prometheus"}),
        ("discovery", "dns"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(render, value, wrong):
    assert f"/monitoring/prometheus/{value}" in refusal_of(render, settings(**{value: wrong}))


def test_a_misspelt_value_is_refused(render):
    assert "retentions" in refusal_of(render, settings(retentions="15d"))


@needs_promtool
@pytest.mark.parametrize("values", ["defaults", "everything"])
def test_prometheus_reads_its_files(files, tmp_path, values):
    for name, text in files(values).items():
        (tmp_path / name).write_text(text, "utf-8")
    command = [shutil.which("promtool"), "check", "config", str(tmp_path / "prometheus.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.findall(r"(\d+) rules found", done.stdout)
    assert sum(map(int, found)) == sum(len(group["rules"]) for group in GROUPS)
