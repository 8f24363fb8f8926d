"""Pods: Pod Security's `restricted` profile, probes, drains, and how many of them there are."""

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.chart import rendering
from training.upkeep.limits import PREFIX, UpkeepLimits

ALLOWED_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}


@pytest.fixture
def asked_service():
    """Starts a service that answers every question with one verdict; yields (address, rows asked)."""
    started = []

    def start(verdict):
        rows = []

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self):
                self.answer({"schema": {"features": [{"name": "sepal_length", "example": 5.1}]}})

            def do_POST(self):
                rows.extend(json.loads(self.rfile.read(int(self.headers["content-length"])))["rows"])
                self.answer({"verdicts": [verdict]})

            def answer(self, document):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(document).encode())

            def log_message(self, *_):
                """Says nothing."""

        server = HTTPServer(("127.0.0.1", 0), Answers)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        started.append(server)
        return f"http://127.0.0.1:{server.server_port}", rows

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


def containers(spec):
    return spec["containers"] + spec.get("initContainers", [])


def against_restricted(spec):
    """What of a pod the Pod Security Standard `restricted` (v1.34) refuses; its rules one by one."""
    pod = spec.get("securityContext", {})
    found = [f"{key} is set" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    for volume in spec.get("volumes", []):
        found += [f"volume {kind}" for kind in set(volume) - {"name"} - ALLOWED_VOLUMES]
    if pod.get("sysctls") or pod.get("windowsOptions"):
        found.append("sysctls or windowsOptions")
    for container in containers(spec):
        own = container.get("securityContext", {})
        capabilities = own.get("capabilities", {})
        profile = own.get("seccompProfile", pod.get("seccompProfile", {})).get("type")
        rules = {
            "privileged": not own.get("privileged"),
            "allowPrivilegeEscalation": own.get("allowPrivilegeEscalation") is False,
            "capabilities.drop": "ALL" in capabilities.get("drop", []),
            "capabilities.add": set(capabilities.get("add", [])) <= {"NET_BIND_SERVICE"},
            "runAsNonRoot": own.get("runAsNonRoot", pod.get("runAsNonRoot")) is True,
            "runAsUser": own.get("runAsUser", pod.get("runAsUser")) != 0,
            "seccompProfile": profile in {"RuntimeDefault", "Localhost"},
            "procMount": own.get("procMount", "Default") == "Default",
            "seLinuxOptions": not own.get("seLinuxOptions", pod.get("seLinuxOptions")),
            "hostPort": not any(port.get("hostPort") for port in container.get("ports", [])),
            "hostProbe": "host" not in str(container.get("livenessProbe", {}).get("httpGet", {}).keys()),
        }
        found += [f"{container['name']}: {rule}" for rule, holds in rules.items() if not holds]
    return found


def test_every_pod_passes_the_restricted_profile(objects):
    refused = {name: against_restricted(spec) for name, spec in rendering.pod_specs(objects)}
    assert {name: rules for name, rules in refused.items() if rules} == {}


def test_the_check_sees_what_the_profile_refuses(render):
    _, spec = next(rendering.pod_specs(render()))
    spec["containers"][0]["securityContext"] = {"privileged": True}
    spec["volumes"].append({"name": "host", "hostPath": {"path": "/"}})
    assert len(against_restricted(spec)) == 4


def test_every_pod_is_a_number_and_writes_to_volumes_only(objects):
    for name, spec in rendering.pod_specs(objects):
        user = {"concord-journal": 999, "concord-prometheus": 65534, "concord-grafana": 472}.get(name, 1034)
        assert (spec["securityContext"]["runAsUser"], spec["securityContext"]["fsGroup"]) == (user, user)
        for container in containers(spec):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert "/tmp" in {mount["mountPath"] for mount in container.get("volumeMounts", [])} or (
                container["name"] in {"predict", "prometheus", "find-pods"}
            )


def test_every_mount_has_its_volume(objects):
    for _, spec in rendering.pod_specs(objects):
        mounted = {mount["name"] for one in containers(spec) for mount in one.get("volumeMounts", [])}
        assert mounted == {volume["name"] for volume in spec.get("volumes", [])}


def test_every_temporary_folder_has_a_bound(objects):
    for _, spec in rendering.pod_specs(objects):
        folders = [volume["emptyDir"] for volume in spec.get("volumes", []) if "emptyDir" in volume]
        assert all(folder.get("sizeLimit") for folder in folders)


def test_the_bounds_are_those_of_the_values(render):
    bounds = {"tmp": "11Mi", "models": "12Mi", "home": "13Mi", "database": "14Mi", "training": "15Mi"}
    values = {
        "scratch": bounds,
        "journal": {"kind": "mariadb", "mariadb": {"existingSecret": "concord-journal"}},
        "training": {"enabled": True},
    }
    found = {
        volume["emptyDir"]["sizeLimit"]
        for _, spec in rendering.pod_specs(render(values))
        for volume in spec.get("volumes", [])
        if "emptyDir" in volume
    }
    assert found == {*bounds.values(), "5Gi", "16Mi"}


def test_every_service_has_the_three_probes_and_they_ask_a_declared_port(objects, of_kind):
    for one in of_kind(objects, "Deployment", "StatefulSet").values():
        (container,) = one["spec"]["template"]["spec"]["containers"]
        ports = {port["name"] for port in container["ports"]}
        for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
            probe = container[kind]
            assert (probe.get("httpGet") or probe["tcpSocket"])["port"] in ports


@pytest.mark.parametrize(
    ("name", "live", "ready"),
    [
        ("concord-iris-knn", "/livez", "/readyz"),
        ("concord-consensus", "/livez", "/readyz"),
        ("concord-mlflow", "/health", "/health"),
        ("concord-page", "/_stcore/health", "/_stcore/health"),
        ("concord-prometheus", "/-/healthy", "/-/ready"),
    ],
)
def test_probes_ask_what_says_the_truth(render, of_kind, name, live, ready):
    (container,) = of_kind(render(), "Deployment")[name]["spec"]["template"]["spec"]["containers"]
    paths = [
        container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")
    ]
    assert paths == [live, live, ready]


def test_nodes_ask_for_50m_and_set_no_bound_on_processors(render, of_kind):
    for one in of_kind(render(), "Deployment").values():
        if one["metadata"]["labels"]["app.kubernetes.io/component"] == "node":
            for container in containers(one["spec"]["template"]["spec"]):
                assert container["resources"]["requests"]["cpu"] == "50m"
                assert set(container["resources"]["limits"]) == {"memory"}


def test_services_are_replaced_one_by_one_and_never_fewer(render, of_kind):
    never_fewer = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    strategies = {name: one["spec"]["strategy"] for name, one in of_kind(render("url"), "Deployment").items()}
    strategies.pop("concord-prometheus")
    assert all(strategy == never_fewer for strategy in strategies.values())


@pytest.mark.parametrize("name", ["concord-consensus", "concord-mlflow", "concord-prometheus"])
def test_what_holds_a_workers_volume_goes_before_it_comes_again(render, of_kind, name):
    assert of_kind(render(), "Deployment")[name]["spec"]["strategy"] == {"type": "Recreate"}


def test_disruption_budgets_and_autoscalers_are_only_where_there_are_several(render, of_kind):
    several = {"nodes": {"replicas": 1, "autoscaling": {"enabled": True}}}
    several["tasks"] = {"iris": {"nodes": {"knn": {"replicas": 3}}}}
    assert set(of_kind(render(several), "PodDisruptionBudget")) == {"concord-iris-knn"}
    assert set(of_kind(render(several), "HorizontalPodAutoscaler")) == {"concord-iris-knn"}
    assert of_kind(render(), "PodDisruptionBudget", "HorizontalPodAutoscaler") == {}


def test_a_budget_lets_one_go_and_an_autoscaler_begins_at_the_replicas(render, of_kind):
    objects = render("mariadb")
    budget = of_kind(objects, "PodDisruptionBudget")["concord-consensus"]["spec"]
    scaler = of_kind(objects, "HorizontalPodAutoscaler")["concord-consensus"]["spec"]
    deployment = of_kind(objects, "Deployment")["concord-consensus"]["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"] == deployment["selector"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (3, 4)
    # Otherwise every `helm upgrade` would take back what the autoscaler has decided.
    assert "replicas" not in deployment


def test_a_tasks_nodes_and_the_replicas_are_spread_over_workers(render, of_kind):
    deployments = of_kind(render("url"), "Deployment")
    (nodes,) = deployments["concord-iris-knn"]["spec"]["template"]["spec"]["topologySpreadConstraints"]
    (replicas,) = deployments["concord-consensus"]["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert nodes["labelSelector"]["matchLabels"]["concord.dev/task"] == "iris"
    assert "concord.dev/node" not in nodes["labelSelector"]["matchLabels"]
    assert replicas["labelSelector"]["matchLabels"]["app.kubernetes.io/component"] == "consensus"
    for spread in (nodes, replicas):
        assert (spread["topologyKey"], spread["whenUnsatisfiable"]) == (
            "kubernetes.io/hostname",
            "ScheduleAnyway",
        )


def test_one_nodes_settings_are_its_own_and_add_to_those_of_all(render, of_kind):
    toleration = [{"key": "gpu", "operator": "Exists"}]
    knn = {
        "resources": {"limits": {"memory": "1Gi"}},
        "tolerations": toleration,
        "annotations": {"owner": "ada"},
    }
    deployments = of_kind(render({"tasks": {"iris": {"nodes": {"knn": knn}}}}), "Deployment")
    ours, other = deployments["concord-iris-knn"], deployments["concord-iris-svm"]
    spec = ours["spec"]["template"]["spec"]
    assert ours["metadata"]["annotations"] == {"owner": "ada"}
    assert spec["tolerations"] == toleration
    assert spec["containers"][0]["resources"] == {
        "requests": {"cpu": "50m", "memory": "160Mi"},
        "limits": {"memory": "1Gi"},
    }
    assert "tolerations" not in other["spec"]["template"]["spec"]


def test_a_registered_version_is_fetched_only_where_there_is_a_registry(render, of_kind):
    def spec_of(values):
        return of_kind(render(values), "Deployment")["concord-iris-knn"]["spec"]["template"]["spec"]

    (fetch,) = spec_of({})["initContainers"]
    assert {one["name"]: one["value"] for one in fetch["env"]} == {
        "CONCORD_NODE": "iris.knn",
        "CONCORD_MODELS": "/models",
        "CONCORD_VERSIONS": "/etc/concord/models",
        "MLFLOW_TRACKING_URI": "http://concord-mlflow:5000",
        "HOME": "/tmp",
    }
    versions = {"name": "versions", "configMap": {"name": "concord-models", "optional": True}}
    assert versions in spec_of({})["volumes"]
    assert "initContainers" not in spec_of({"mlflow": {"enabled": False}})
    assert "initContainers" in spec_of("url")


def test_mlflow_answers_under_its_services_names_and_on_a_forwarded_port(render, of_kind):
    spec = of_kind(render({}, namespace="models"), "Deployment")["concord-mlflow"]["spec"]["template"]["spec"]
    (hosts,) = [one for one in spec["containers"][0]["args"] if one.startswith("--allowed-hosts=")]
    names = ["concord-mlflow", "concord-mlflow.models", "concord-mlflow.models.svc"]
    names.append("concord-mlflow.models.svc.cluster.local")
    wanted = {host for name in names for host in (name, f"{name}:5000")}
    assert wanted <= set(hosts.removeprefix("--allowed-hosts=").split(","))
    assert "*" not in hosts.removeprefix("--allowed-hosts=").split(",")


def test_the_journal_and_the_ledger_are_where_the_contract_says(render, of_kind):
    def environment(values):
        (container,) = of_kind(render(values), "Deployment")["concord-consensus"]["spec"]["template"]["spec"][
            "containers"
        ]
        return {one["name"]: one.get("value", one.get("valueFrom")) for one in container["env"]}

    assert environment({})["CONCORD_LEDGER"] == "configmap:concord/concord-ledger"
    assert "CONCORD_JOURNAL" not in environment({})
    assert environment("mariadb")["CONCORD_JOURNAL"] == "mysql+pymysql://concord@concord-journal:3306/concord"
    url = {"secretKeyRef": {"name": "concord-journal", "key": "url"}}
    assert environment("url")["CONCORD_JOURNAL"] == url


def test_tokens_are_mounted_read_only_from_the_secret_that_is_named_and_off_by_default(render, of_kind):
    def consensus(values):
        spec = of_kind(render(values), "Deployment")["concord-consensus"]["spec"]["template"]["spec"]
        env = {one["name"]: one.get("value") for one in spec["containers"][0]["env"]}
        return spec, env.get("CONCORD_TOKENS")

    spec, path = consensus({"consensus": {"tokens": {"existingSecret": "mine"}}})
    (volume,) = (one["secret"] for one in spec["volumes"] if one["name"] == "tokens")
    (mount,) = (one for one in spec["containers"][0]["volumeMounts"] if one["name"] == "tokens")
    assert volume == {"secretName": "mine", "items": [{"key": "tokens.toml", "path": "tokens.toml"}]}
    assert (path, mount["readOnly"]) == (f"{mount['mountPath']}/tokens.toml", True)
    assert "subPath" not in mount, "a file mounted alone is never updated"
    spec, path = consensus({})
    assert (path, [one for one in spec["volumes"] if "secret" in one]) == (None, [])


def test_training_with_other_settings_is_another_job(render, of_kind):
    def job(**settings):
        (name,) = of_kind(render({"training": {"enabled": True, **settings}}), "Job")
        return name

    assert job() == job()
    assert job() != job(tasks=["iris"])


def test_training_learns_a_tasks_rows_from_where_the_values_say(render, of_kind):
    data = {"iris": {"source": "journal"}, "film_rating": {"existingSecret": "mine", "key": "films"}}
    settings = {"enabled": True, "data": data, "tokenSecret": "reader"}
    (job,) = of_kind(render({"training": settings}), "Job").values()
    (container,) = job["spec"]["template"]["spec"]["containers"]
    env = {one["name"]: one for one in container["env"]}
    assert container["args"] == [
        *("fit", "--data", "film_rating=$(CONCORD_ROWS_FILM_RATING)", "--data", "iris=journal")
    ]
    secret = {"secretKeyRef": {"name": "mine", "key": "films"}}
    assert env["CONCORD_ROWS_FILM_RATING"]["valueFrom"] == secret
    assert env["CONCORD_TOKEN"]["valueFrom"] == {"secretKeyRef": {"name": "reader", "key": "token"}}
    assert env["CONCORD_URL"]["value"] == "http://concord-consensus:3000"


def test_training_from_a_secret_has_no_token_of_the_service(render, of_kind):
    data = {"iris": {"existingSecret": "mine"}}
    (job,) = of_kind(render({"training": {"enabled": True, "data": data}}), "Job").values()
    env = {one["name"]: one for one in job["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert env["CONCORD_ROWS_IRIS"]["valueFrom"] == {"secretKeyRef": {"name": "mine", "key": "source"}}
    assert not {"CONCORD_URL", "CONCORD_TOKEN"} & env.keys()


def benchmark(render, of_kind, **settings):
    values = {"enabled": True, "task": "iris", "study": {"existingSecret": "concord-study"}} | settings
    ((name, job),) = of_kind(render({"benchmark": values}), "Job").items()
    return name, job["spec"]


def test_a_benchmark_is_off_by_default(render, of_kind):
    assert of_kind(render(), "Job") == {}


def test_a_benchmarks_pods_share_the_study_of_the_secret_that_is_named(render, of_kind):
    _, spec = benchmark(render, of_kind, trials=30, parallelism=3)
    (container,) = spec["template"]["spec"]["containers"]
    env = {one["name"]: one for one in container["env"]}
    assert (spec["parallelism"], spec["completions"]) == (3, 3)
    assert container["command"] + container["args"] == [
        *("python", "-m", "training", "benchmark", "iris", "--trials", "30")
    ]
    assert env["CONCORD_STUDY"]["valueFrom"] == {"secretKeyRef": {"name": "concord-study", "key": "url"}}
    assert "CONCORD_TOKEN" not in env


def test_a_study_is_a_database_of_its_own_on_the_journals_server_where_no_secret_says_otherwise(
    render, of_kind
):
    journal = {"kind": "mariadb", "mariadb": {"existingSecret": "mine"}}
    values = {"journal": journal, "benchmark": {"enabled": True, "task": "iris"}}
    (job,) = of_kind(render(values), "Job").values()
    env = {one["name"]: one for one in job["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert env["CONCORD_STUDY"]["value"] == "mysql+pymysql://concord@concord-journal:3306/concord_study"
    assert env["CONCORD_STUDY_PASSWORD"]["valueFrom"] == {"secretKeyRef": {"name": "mine", "key": "password"}}


def test_a_benchmarks_rows_may_be_named_by_a_secret(render, of_kind):
    _, spec = benchmark(render, of_kind, data={"existingSecret": "mine", "key": "films"})
    (container,) = spec["template"]["spec"]["containers"]
    env = {one["name"]: one for one in container["env"]}
    assert container["args"][-2:] == ["--data", "$(CONCORD_DATA)"]
    assert env["CONCORD_DATA"]["valueFrom"] == {"secretKeyRef": {"name": "mine", "key": "films"}}


def test_a_benchmark_with_other_settings_is_another_job(render, of_kind):
    name, _ = benchmark(render, of_kind)
    assert benchmark(render, of_kind)[0] == name
    assert benchmark(render, of_kind, parallelism=5)[0] != name
    assert benchmark(render, of_kind, trials=7)[0] != name


def upkeep(render, of_kind, **settings):
    values = {
        "consensus": {"tokens": {"existingSecret": "concord-tokens"}},
        "upkeep": {"enabled": True, "existingSecret": "concord-upkeep"} | settings,
    }
    return of_kind(render(values), "CronJob")["concord-upkeep"]["spec"]


def test_upkeep_is_off_by_default(render, of_kind):
    assert of_kind(render(), "CronJob") == {}


def test_upkeep_calls_the_service_and_the_registry_about_the_tasks_that_are_named(render, of_kind):
    spec = upkeep(render, of_kind, tasks=["iris", "film_rating"])["jobTemplate"]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    env = {one["name"]: one.get("value") for one in container["env"]}
    assert container["command"] + container["args"] == [
        *("python", "-m", "training", "upkeep", "iris", "film_rating")
    ]
    assert env["CONCORD_URL"] == "http://concord-consensus:3000"
    assert env["MLFLOW_TRACKING_URI"] == "http://concord-mlflow:5000"


def test_upkeeps_limits_are_those_of_the_values_and_by_default_its_own(render, of_kind, monkeypatch):
    def limits(**values):
        spec = upkeep(render, of_kind, **values)["jobTemplate"]["spec"]["template"]["spec"]
        env = {one["name"]: one.get("value") for one in spec["containers"][0]["env"]}
        with monkeypatch.context() as patch:
            for name, value in env.items():
                if name.startswith(PREFIX):
                    patch.setenv(name, value)
            return UpkeepLimits.read(), {name for name in env if name.startswith(PREFIX)}

    found, names = limits()
    assert found == UpkeepLimits()
    assert names == {f"{PREFIX}{field.upper()}" for field in UpkeepLimits.model_fields}
    assert limits(limits={"probationMost": 3_000_000})[0].probation_most == 3_000_000


def test_one_pass_of_upkeep_runs_at_a_time_and_ends(render, of_kind):
    spec = upkeep(render, of_kind, schedule="* * * * *", activeDeadlineSeconds=120, suspend=True)
    assert (spec["schedule"], spec["suspend"], spec["concurrencyPolicy"]) == ("* * * * *", True, "Forbid")
    job = spec["jobTemplate"]["spec"]
    assert (job["activeDeadlineSeconds"], job["backoffLimit"]) == (120, 0)


def test_the_service_that_orders_versions_knows_where_they_are_served_and_kept(render, of_kind):
    values = {"consensus": {"tokens": {"existingSecret": "concord-tokens"}}}
    objects = render(values, name="mine", namespace="models")
    spec = of_kind(objects, "Deployment")["mine-concord-consensus"]["spec"]["template"]["spec"]
    env = {one["name"]: one.get("value") for one in spec["containers"][0]["env"]}
    assert env["CONCORD_DEPLOYMENT"] == "models/mine-concord"
    assert env["MLFLOW_TRACKING_URI"] == "http://mine-concord-mlflow:5000"


@pytest.mark.parametrize("values", ["defaults", "everything"])
def test_the_test_pod_asks_each_enabled_task_and_runs_only_for_helm_test(render, of_kind, values):
    pod = of_kind(render(values), "Pod")["concord-test"]
    _, address, *tasks = pod["spec"]["containers"][0]["args"]
    known = {one["metadata"]["labels"].get("concord.dev/task") for one in render(values)} - {None}
    assert rendering.is_hook(pod)
    assert address == "http://concord-consensus:3000"
    assert set(tasks) == known


def test_the_test_pods_script_asks_the_schemas_example(render, of_kind, asked_service):
    script = of_kind(render(), "Pod")["concord-test"]["spec"]["containers"][0]["args"][0]
    url, rows = asked_service({"label": "setosa", "value": None, "status": "ok"})
    done = subprocess.run(
        [sys.executable, "-c", script, url, "iris"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "iris: setosa, status ok\n")
    assert rows == [{"sepal_length": 5.1}]


def test_the_test_pods_script_fails_where_there_is_no_consensus(render, of_kind, asked_service):
    script = of_kind(render(), "Pod")["concord-test"]["spec"]["containers"][0]["args"][0]
    url, _ = asked_service({"label": None, "value": None, "status": "no_quorum"})
    done = subprocess.run(
        [sys.executable, "-c", script, url, "iris"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "no_quorum" in done.stderr
