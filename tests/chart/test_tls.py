"""The consensus service's certificate: who serves it, who checks it, and where its key is."""

import shutil
import subprocess

import pytest
import yaml

from tests.chart import rendering
from tests.chart.test_prometheus import found, relabelled

TLS = {"consensus": {"tls": {"existingSecret": "concord-tls"}}}
PUBLIC = {"consensus": {"tls": {"existingSecret": "concord-tls", "privateCA": False}}}


def pod_of(objects, name):
    (spec,) = (spec for who, spec in rendering.pod_specs(objects) if who.startswith(name))
    return spec


def environment(spec):
    return {one["name"]: one.get("value") for one in spec["containers"][0].get("env", [])}


def keys_of(spec):
    """Key → folder, of what a pod mounts of the certificate's Secret."""
    mounts = {one["name"]: one for one in spec["containers"][0].get("volumeMounts", [])}
    return {
        item["key"]: mounts[volume["name"]]["mountPath"]
        for volume in spec.get("volumes", [])
        if volume.get("secret", {}).get("secretName") == "concord-tls"
        for item in volume["secret"]["items"]
    }


def test_there_is_no_certificate_by_default(render):
    assert all(not keys_of(spec) for _, spec in rendering.pod_specs(render()))
    assert "CONCORD_TLS_CERT" not in environment(pod_of(render(), "concord-consensus"))


def test_the_service_reads_the_certificate_of_the_secret_that_is_named(render):
    spec = pod_of(render(TLS), "concord-consensus")
    told, keys = environment(spec), keys_of(spec)
    assert told["CONCORD_TLS_CERT"] == f"{keys['tls.crt']}/tls.crt"
    assert told["CONCORD_TLS_KEY"] == f"{keys['tls.key']}/tls.key"


def test_it_is_mounted_as_a_folder_so_that_a_renewed_one_reaches_the_pod(render):
    for _, spec in rendering.pod_specs(render("front")):
        for mount in spec["containers"][0].get("volumeMounts", []):
            if mount["name"] in {"tls", "authority"}:
                assert (mount["readOnly"], "subPath" in mount) == (True, False)


def test_the_key_is_in_the_services_pod_and_in_no_other(render):
    having = {name for name, spec in rendering.pod_specs(render("front")) if "tls.key" in keys_of(spec)}
    assert having == {"concord-consensus"}


def test_probes_ask_by_tls_and_say_so_to_proxies(render, of_kind):
    spec = pod_of(render(TLS), "concord-consensus")
    probes = [
        spec["containers"][0][kind]["httpGet"] for kind in ("startupProbe", "livenessProbe", "readinessProbe")
    ]
    (port,) = of_kind(render(TLS), "Service")["concord-consensus"]["spec"]["ports"]
    assert ({one["scheme"] for one in probes}, port["appProtocol"]) == ({"HTTPS"}, "https")


def test_other_pods_are_probed_as_before(render):
    with_it, without = dict(rendering.pod_specs(render(TLS))), dict(rendering.pod_specs(render()))
    for name in ("concord-iris-knn", "concord-mlflow"):
        assert with_it[name] == without[name]


@pytest.mark.parametrize("name", ["concord-page", "concord-upkeep", "concord-training", "concord-benchmark"])
def test_callers_ask_by_tls_and_know_the_authority(render, name):
    spec = pod_of(render("front"), name)
    told = environment(spec)
    assert told["CONCORD_URL"] == "https://concord-consensus:3000"
    assert keys_of(spec) == {"ca.crt": told["CONCORD_CA"].removesuffix("/ca.crt")}


def test_so_does_helm_test(render):
    spec = pod_of(render(TLS), "concord-test")
    assert "https://concord-consensus:3000" in spec["containers"][0]["args"]
    assert environment(spec)["CONCORD_CA"] == f"{keys_of(spec)['ca.crt']}/ca.crt"


def test_training_that_calls_nobody_knows_no_authority(render):
    spec = pod_of(render(TLS | {"training": {"enabled": True}}), "concord-training")
    assert (keys_of(spec), environment(spec).get("CONCORD_CA")) == ({}, None)


def test_a_public_certificate_needs_no_authority(render):
    for _, spec in rendering.pod_specs(render(PUBLIC | {"page": {"replicas": 2}})):
        assert "ca.crt" not in keys_of(spec)
        assert "CONCORD_CA" not in environment(spec)


def test_the_notes_say_how_it_is_asked_from_another_machine():
    notes = rendering.texts(TLS)["NOTES.txt"]
    assert "CONCORD_URL=https://localhost:7400 concord tasks" in notes
    assert "export CONCORD_CA=$PWD/concord-ca.crt" in notes
    assert "CONCORD_CA" not in rendering.texts(PUBLIC)["NOTES.txt"]


def config(objects, of_kind):
    (job,) = yaml.safe_load(of_kind(objects, "ConfigMap")["concord-prometheus"]["data"]["prometheus.yml"])[
        "scrape_configs"
    ]
    return job


def test_prometheus_asks_the_service_alone_by_tls(render, of_kind):
    job = config(render(TLS), of_kind)
    rules = [*job["relabel_configs"], {"source_labels": ["__scheme__"], "target_label": "scheme"}]
    asked = [relabelled(target | {"__scheme__": "http"}, rules) for target in found(render(TLS))]
    schemes = {one["component"]: one["scheme"] for one in asked if one is not None}
    plain = dict.fromkeys(("node", "prometheus", "page", "mlflow"), "http")
    assert schemes == plain | {"consensus": "https"}


def test_prometheus_checks_the_certificate_by_the_services_name(render, of_kind):
    spec = pod_of(render(TLS), "concord-prometheus")
    assert config(render(TLS), of_kind)["tls_config"] == {
        "server_name": "concord-consensus",
        "ca_file": f"{keys_of(spec)['ca.crt']}/ca.crt",
    }


def test_other_prometheuses_are_told_the_scheme(render, of_kind):
    deployments = of_kind(render(TLS), "Deployment")
    annotations = {
        name: one["spec"]["template"]["metadata"].get("annotations", {}).get("prometheus.io/scheme")
        for name, one in deployments.items()
    }
    assert {name for name, scheme in annotations.items() if scheme} == {"concord-consensus"}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not on the PATH")
def test_promtool_reads_the_file(render, of_kind, tmp_path):
    job = config(render(TLS), of_kind)
    text = yaml.safe_dump({"scrape_configs": [job]}).replace("/etc/concord-ca", str(tmp_path))
    (tmp_path / "ca.crt").write_text("", "utf-8")
    (tmp_path / "prometheus.yml").write_text(text, "utf-8")
    command = [shutil.which("promtool"), "check", "config", str(tmp_path / "prometheus.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
