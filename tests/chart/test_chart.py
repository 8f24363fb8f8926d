"""The chart as a whole: it lints, every object is valid, and `k8s/` is what it renders to."""

import ast
import json
from functools import cache

import pytest
import yaml
from helm_python.chart import lint
from kubernetes_validate import validate

import concord
from tests.chart import rendering
from tests.homes import SHIPPED

VERSIONS = ("1.31", "1.32", "1.33", "1.34")
CUSTOM = {"ServiceMonitor", "PodMonitor", "PrometheusRule", "HTTPRoute", "BackendTLSPolicy"}


@cache
def known_nodes(root):
    """Shipped task → its nodes, read from training/tasks without importing scikit-learn for it."""
    found = {}
    for path in (root / "training" / "tasks" / f"{task}.py" for task in SHIPPED):
        calls = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
        (task,) = [call for call in calls if getattr(call.func, "id", "") == "Task"]
        (nodes,) = [word.value for word in task.keywords if word.arg == "nodes"]
        found[path.stem] = {ast.literal_eval(key) for key in nodes.keys}
    return found


@cache
def is_valid(text, version):
    """Objects that many renderings share are checked once."""
    validate(json.loads(text), version, strict=True)
    return True


def shape(manifest):
    """A Deployment and a Service of one node are checked for all: the others differ in names only."""
    if manifest["metadata"]["labels"]["app.kubernetes.io/component"] != "node":
        return manifest["kind"], manifest["metadata"]["name"]
    spec = manifest.get("spec", {})
    return manifest["kind"], "node", tuple(sorted(spec)), len(json.dumps(spec.get("template", {}))) // 400


def test_the_chart_lints_under_every_set_of_values(sets):
    for values in sets.values():
        report = lint(rendering.CHART, values, strict=True, kube_version="v1.34.0")
        assert report["errors"] == []
        assert [one for one in report["messages"] if one["severity"] > 1] == []


@pytest.mark.parametrize(
    "version", [*(pytest.param(one, marks=pytest.mark.slow) for one in VERSIONS[:-1]), VERSIONS[-1]]
)
def test_every_object_is_valid_for_kubernetes(objects, version):
    standing_for = {shape(one): one for one in objects if one["kind"] not in CUSTOM}
    assert all(is_valid(json.dumps(one), version) for one in standing_for.values())


def test_only_the_prometheus_operators_and_the_gateway_apis_kinds_are_not_checked(objects):
    groups = {one["apiVersion"].partition("/")[0] for one in objects if one["kind"] in CUSTOM}
    assert groups <= {"monitoring.coreos.com", "gateway.networking.k8s.io"}


@pytest.mark.parametrize("file", ["concord.yaml", "overlays/iris/concord.yaml"])
def test_k8s_is_the_charts_rendering(file):
    committed = (rendering.ROOT / "k8s" / file).read_text("utf-8")
    assert committed == rendering.k8s(file), "run `make k8s`"


@pytest.mark.parametrize("file", ["concord.yaml", "overlays/iris/concord.yaml"])
def test_k8s_holds_the_charts_objects_without_hooks_and_helms_marks(render, file):
    def bare(manifest):
        metadata = manifest["metadata"]
        for marks in (metadata.get("labels", {}), metadata.get("annotations", {})):
            for mark in ("helm.sh/chart", "helm.sh/resource-policy", "app.kubernetes.io/managed-by"):
                marks.pop(mark, None)
        return {**manifest, "metadata": {k: v for k, v in metadata.items() if v}}

    namespace, values = rendering.K8S[file]
    text = (rendering.ROOT / "k8s" / file).read_text("utf-8")
    first, *others = yaml.safe_load_all(text)
    assert (first["kind"], first["metadata"]["name"]) == ("Namespace", namespace)
    assert first["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "restricted"}
    assert others == [bare(one) for one in render(values, namespace=namespace) if not rendering.is_hook(one)]


def test_every_object_names_its_namespace_and_carries_the_recommended_labels(render):
    wanted = {
        f"app.kubernetes.io/{name}"
        for name in ("name", "instance", "component", "version", "part-of", "managed-by")
    }
    for one in render("everything", namespace="elsewhere"):
        assert one["metadata"]["namespace"] == "elsewhere"
        assert wanted <= set(one["metadata"]["labels"])


def test_the_overlay_is_kustomized_from_a_rendering_of_its_own():
    overlay = yaml.safe_load((rendering.ROOT / "k8s/overlays/iris/kustomization.yaml").read_text("utf-8"))
    assert overlay["resources"] == ["concord.yaml"]


def test_the_chart_runs_the_images_of_this_version():
    assert rendering.chart().metadata["appVersion"] == concord.__version__


def test_the_charts_tasks_and_nodes_are_those_of_training():
    tasks = rendering.chart().values["tasks"]
    known = known_nodes(rendering.ROOT)
    assert {name: set(task["nodes"]) for name, task in tasks.items()} == known
    assert sum(len(nodes) for nodes in known.values()) == 16


def test_the_schema_knows_the_charts_tasks_and_nodes():
    tasks = rendering.chart().schema["properties"]["tasks"]["properties"]
    known = known_nodes(rendering.ROOT)
    assert {name: set(task["properties"]["nodes"]["properties"]) for name, task in tasks.items()} == known


def test_kinds_ports_are_on_this_machine_only_and_are_those_of_the_values():
    cluster = yaml.safe_load((rendering.ROOT / "kind-config.yaml").read_text("utf-8"))
    values = yaml.safe_load((rendering.CHART / "values-kind.yaml").read_text("utf-8"))
    assert [node["role"] for node in cluster["nodes"]] == ["control-plane", "worker", "worker"]
    assert not any("image" in node for node in cluster["nodes"])
    ports = cluster["nodes"][0]["extraPortMappings"]
    assert {port["listenAddress"] for port in ports} == {"127.0.0.1"}
    services = [component["service"]["nodePort"] for component in values.values()]
    assert [port["containerPort"] for port in ports] == services
    rendering.manifests(values)
