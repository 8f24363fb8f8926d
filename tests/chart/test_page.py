"""The page in the chart: what it is told of, and how people sign in at it."""

import pytest
from helm_python.errors import HelmError

SIGN_IN = {
    "page": {"signIn": {"existingSecret": "concord-page", "people": ["ada@example.org", "bo@example.org"]}}
}


def page(objects, of_kind):
    """Its pod's spec, and its variables by name."""
    spec = of_kind(objects, "Deployment")["concord-page"]["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    return spec, {one["name"]: one["value"] for one in container["env"]}


def test_it_is_told_of_what_the_release_has_only(render, of_kind):
    _, known = page(render(), of_kind)
    assert known["MLFLOW_TRACKING_URI"] == "http://concord-mlflow:5000"
    assert known["CONCORD_PROMETHEUS"] == "http://concord-prometheus:9090"
    bare = {"mlflow": {"enabled": False}, "monitoring": {"prometheus": {"enabled": False}}}
    _, known = page(render(bare), of_kind)
    assert known.keys() == {"CONCORD_URL", "CONCORD_HOSTS", "HOME"}


def test_mlflows_page_is_linked_where_browsers_reach_it(render, of_kind):
    _, known = page(render({"page": {"mlflowUrl": "https://mlflow.example.org"}}), of_kind)
    assert known["CONCORD_REGISTRY_PAGE"] == "https://mlflow.example.org"


def test_signing_in_takes_files_of_a_secret_and_no_variable_holds_one(render, of_kind):
    spec, known = page(render(SIGN_IN), of_kind)
    assert known["CONCORD_PAGE_PEOPLE"] == "ada@example.org,bo@example.org"
    (volume,) = [one for one in spec["volumes"] if "secret" in one]
    assert volume["secret"]["secretName"] == "concord-page"
    (mount,) = [one for one in spec["containers"][0]["volumeMounts"] if one["name"] == volume["name"]]
    files = {f"{mount['mountPath']}/{one['path']}" for one in volume["secret"]["items"]}
    assert {known["STREAMLIT_SECRETS_FILES"], known["CONCORD_PAGE_TOKEN_FILE"]} == files
    assert mount["readOnly"]


@pytest.mark.parametrize("wrong", ["ada", "ada@example.org,bo@example.org", "a da@example.org"])
def test_a_person_is_one_address(render, wrong):
    with pytest.raises(HelmError, match="people"):
        render({"page": {"signIn": {"existingSecret": "concord-page", "people": [wrong]}}})


def test_a_path_before_the_page_is_streamlits_and_its_probes(render, of_kind):
    spec, known = page(render({"page": {"basePath": "/a/page"}}), of_kind)
    assert known["STREAMLIT_SERVER_BASE_URL_PATH"] == "/a/page"
    probes = ("startupProbe", "livenessProbe", "readinessProbe")
    paths = {spec["containers"][0][probe]["httpGet"]["path"] for probe in probes}
    assert paths == {"/a/page/_stcore/health"}


def test_a_path_before_the_api_is_the_services(render, of_kind):
    deployment = of_kind(render({"consensus": {"rootPath": "/concord"}}), "Deployment")["concord-consensus"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert {"name": "CONCORD_ROOT_PATH", "value": "/concord"} in container["env"]


@pytest.mark.parametrize("wrong", ["page", "/page/", "/a b"])
def test_a_path_that_is_none_is_refused(render, wrong):
    with pytest.raises(HelmError, match="basePath"):
        render({"page": {"basePath": wrong}})
