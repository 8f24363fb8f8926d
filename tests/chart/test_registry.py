"""A registry elsewhere that wants to know who asks: credentials reach all who ask, from a Secret alone."""

import pytest

from tests.chart.test_values import refusal_of

ELSEWHERE = {
    "mlflow": {
        "enabled": False,
        "trackingUri": "https://mlflow.example.com",
        "existingSecret": "concord-registry",
    }
}
ASKS = {"node", "consensus", "page", "training", "upkeep", "benchmark"}
EVERYTHING = {
    "consensus": {"tokens": {"existingSecret": "concord-tokens"}},
    "training": {"enabled": True},
    "upkeep": {"enabled": True, "existingSecret": "concord-upkeep"},
    "benchmark": {"enabled": True, "task": "iris", "study": {"existingSecret": "concord-study"}},
}


def credentials(objects):
    """Component → variable → Secret and key, of each container that knows where MLflow is."""
    found = {}
    for one in objects:
        job = one["spec"].get("jobTemplate", one)["spec"] if "spec" in one else {}
        template = job.get("template", {})
        spec = template.get("spec", {})
        for container in spec.get("containers", []) + spec.get("initContainers", []):
            env = {variable["name"]: variable for variable in container.get("env", [])}
            if "MLFLOW_TRACKING_URI" in env:
                found[template["metadata"]["labels"]["app.kubernetes.io/component"]] = {
                    name.removeprefix("MLFLOW_TRACKING_"): (
                        variable["valueFrom"]["secretKeyRef"]["name"],
                        variable["valueFrom"]["secretKeyRef"]["key"],
                        variable["valueFrom"]["secretKeyRef"].get("optional"),
                    )
                    for name, variable in env.items()
                    if name.startswith("MLFLOW_TRACKING_") and name != "MLFLOW_TRACKING_URI"
                }
    return found


def test_whoever_asks_the_registry_says_who_he_is(render):
    told = {
        "USERNAME": ("concord-registry", "username", True),
        "PASSWORD": ("concord-registry", "password", True),
        "TOKEN": ("concord-registry", "token", True),
    }
    assert credentials(render(ELSEWHERE | EVERYTHING)) == dict.fromkeys(ASKS, told)


def test_without_a_secret_nobody_does(render):
    assert credentials(render(EVERYTHING)) == {name: {} for name in ASKS}


@pytest.mark.parametrize("mlflow", [{"enabled": True}, {"enabled": False}])
def test_a_secret_for_no_registry_is_refused(render, mlflow):
    said = refusal_of(render, {"mlflow": mlflow | {"existingSecret": "concord-registry"}})
    assert "mlflow.trackingUri names none" in said


# The registry of the release behind basic authentication

AUTH = {"mlflow": {"auth": {"existingSecret": "concord-mlflow-user"}}}


def mlflow_of(objects):
    """Pod spec and container of MLflow's Deployment."""
    for one in objects:
        if one["kind"] == "Deployment" and one["metadata"]["name"].endswith("mlflow"):
            spec = one["spec"]["template"]["spec"]
            return spec, spec["containers"][0]
    raise AssertionError("no MLflow")


def test_one_value_gives_user_and_password_to_all_who_ask(render):
    told = {
        "USERNAME": ("concord-mlflow-user", "username", None),
        "PASSWORD": ("concord-mlflow-user", "password", None),
    }
    assert credentials(render(AUTH | EVERYTHING)) == dict.fromkeys(ASKS, told)


def test_the_same_value_has_mlflow_ask_for_them(render):
    _, container = mlflow_of(render(AUTH))
    env = {variable["name"]: variable for variable in container["env"]}
    assert "--app-name=basic-auth" in container["args"]
    for part in ("USERNAME", "PASSWORD"):
        assert env[f"MLFLOW_AUTH_ADMIN_{part}"]["valueFrom"]["secretKeyRef"] == {
            "name": "concord-mlflow-user",
            "key": part.lower(),
        }


def test_who_is_not_its_user_may_do_nothing_and_users_are_forgotten_with_the_pod(render):
    objects = render(AUTH)
    spec, container = mlflow_of(objects)
    settings = next(one for one in objects if one["metadata"]["name"].endswith("mlflow-auth"))
    text = settings["data"]["basic_auth.ini"]
    assert "default_permission = NO_PERMISSIONS" in text
    assert "database_uri = sqlite:////tmp/" in text
    mounted = next(mount for mount in container["volumeMounts"] if mount["mountPath"] == "/etc/mlflow")
    volume = next(volume for volume in spec["volumes"] if volume["name"] == mounted["name"])
    assert volume["configMap"]["name"] == settings["metadata"]["name"]


def test_its_probes_need_no_user(render):
    """MLflow answers `/health` to all, which `tests/service/test_mlflow_auth.py` shows."""
    _, container = mlflow_of(render(AUTH))
    probes = [container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("liveness", "readiness")]
    assert set(probes) == {"/health"}


def test_without_the_value_mlflow_asks_nobody(render):
    _, container = mlflow_of(render({}))
    assert "--app-name=basic-auth" not in container["args"]
    assert not any(variable["name"].startswith("MLFLOW_AUTH") for variable in container["env"])


def test_a_user_for_a_registry_that_is_not_made_here_is_refused(render):
    said = refusal_of(render, {"mlflow": {"enabled": False, **AUTH["mlflow"]}})
    assert "mlflow.enabled=false makes none" in said
