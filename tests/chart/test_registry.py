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
                        variable["valueFrom"]["secretKeyRef"]["optional"],
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
