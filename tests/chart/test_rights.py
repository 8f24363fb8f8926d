"""Rights: who may do what to which object, listed in full, and no secret anywhere."""

import json
import re

import pytest

from tests.chart import rendering

CONSENSUS = {
    ("", "configmaps", None, ("get", "list", "create")),
    ("", "configmaps", ("concord-ledger",), ("update",)),
}
"""RBAC limits neither `create` by name nor anything by prefix; and there is no delete."""

ARCHIVER = {("", "configmaps", None, ("get", "list", "delete"))}
PROMETHEUS = {("", "pods", None, ("list", "watch"))}


def versions(*nodes):
    return {
        ("", "configmaps", ("concord-models",), ("get", "update")),
        ("apps", "deployments", nodes, ("get", "patch")),
    }


def rights(objects):
    """Role → its rules, as (group, resource, names, verbs)."""
    return {
        one["metadata"]["name"]: {
            (
                group,
                resource,
                tuple(rule["resourceNames"]) if "resourceNames" in rule else None,
                tuple(rule["verbs"]),
            )
            for rule in one["rules"]
            for group in rule["apiGroups"]
            for resource in rule["resources"]
        }
        for one in objects
        if one["kind"] in {"Role", "ClusterRole"}
    }


IRIS = tuple(
    f"concord-iris-{node}" for node in ("decision-tree", "knn", "logistic-regression", "random-forest")
)
ONLY_IRIS = {
    "tasks": {
        **{name: {"enabled": False} for name in ("film_rating", "loan_amount", "loan_default")},
        "iris": {"nodes": {"svm": {"enabled": False}}},
    }
}


def test_these_are_all_rights(render):
    values = ONLY_IRIS | {"ledger": {"archive": {"enabled": True}}}
    assert rights(render(values)) == {
        "concord-consensus": CONSENSUS,
        "concord-archiver": ARCHIVER,
        "concord-prometheus": PROMETHEUS,
    }


def test_nobody_may_delete_unless_segments_are_archived(render):
    assert set(rights(render())) == {"concord-consensus", "concord-prometheus"}
    verbs = {verb for rules in rights(render()).values() for *_, rule in rules for verb in rule}
    assert "delete" not in verbs


def test_a_ledger_in_files_and_no_registry_need_no_rights(render):
    assert rights(render("small")) == {}


def test_who_orders_versions_by_the_service_gives_it_these_rights_and_no_others(render):
    values = ONLY_IRIS | {"consensus": {"tokens": {"existingSecret": "concord-tokens"}}}
    assert rights(render(values))["concord-consensus"] == CONSENSUS | versions(*IRIS)
    in_files = values | {"ledger": {"store": "files"}}
    assert rights(render(in_files))["concord-consensus"] == versions(*IRIS)


@pytest.mark.parametrize(
    "missing",
    [{"mlflow": {"enabled": False}}, {"consensus": {"tokens": {"existingSecret": ""}}}],
    ids=["a registry", "tokens"],
)
def test_a_service_without_a_registry_or_without_tokens_touches_no_node(render, of_kind, missing):
    values = {"consensus": {"tokens": {"existingSecret": "concord-tokens"}}, "ledger": {"store": "files"}}
    objects = render(values | missing)
    spec = of_kind(objects, "Deployment")["concord-consensus"]["spec"]["template"]["spec"]
    assert "concord-consensus" not in rights(objects)
    assert spec["automountServiceAccountToken"] is False
    names = {one["name"] for one in spec["containers"][0]["env"]}
    assert not names & {"CONCORD_DEPLOYMENT", "MLFLOW_TRACKING_URI"}


def test_a_ledger_in_files_gives_the_service_its_token_where_it_orders_versions(render, of_kind):
    values = {"consensus": {"tokens": {"existingSecret": "concord-tokens"}}, "ledger": {"store": "files"}}
    spec = of_kind(render(values), "Deployment")["concord-consensus"]["spec"]["template"]["spec"]
    assert (spec["serviceAccountName"], spec["automountServiceAccountToken"]) == ("concord-consensus", True)


def test_upkeep_has_no_right_in_the_cluster(render, of_kind):
    objects = render("everything")
    spec = of_kind(objects, "CronJob")["concord-upkeep"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in spec
    assert "concord-upkeep" not in of_kind(objects, "ServiceAccount", "Role", "RoleBinding")


def test_no_rights_reach_beyond_the_namespace(objects):
    kinds = {one["kind"] for one in objects}
    assert not kinds & {"ClusterRole", "ClusterRoleBinding"}
    assert not any(
        "*" in json.dumps(rule) for one in objects if one["kind"] == "Role" for rule in one["rules"]
    )


def test_each_account_is_bound_to_its_own_role_only(render, of_kind):
    bindings = of_kind(render("mariadb"), "RoleBinding")
    assert set(bindings) == set(of_kind(render("mariadb"), "ServiceAccount"))
    for name, binding in bindings.items():
        assert binding["roleRef"]["name"] == name
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": name, "namespace": "concord"}]


def test_only_who_has_rights_has_an_account(objects):
    with_token = {name for name, spec in rendering.pod_specs(objects) if spec["automountServiceAccountToken"]}
    assert with_token <= {"concord-consensus", "concord-archiver"}
    for name, spec in rendering.pod_specs(objects):
        assert spec.get("serviceAccountName") in {None, name}
        # What mounts its token itself does so in one of its containers.
        own = name == "concord-prometheus"
        assert ("serviceAccountName" in spec) == (name in with_token or own)
        assert spec["enableServiceLinks"] is False


def test_an_account_gives_its_token_only_to_a_pod_that_asks(objects, of_kind):
    accounts = of_kind(objects, "ServiceAccount").values()
    assert not any(one["automountServiceAccountToken"] for one in accounts)


def test_no_secret_is_rendered(objects):
    assert "Secret" not in {one["kind"] for one in objects}


@pytest.mark.parametrize(("values", "secret"), [("mariadb", "concord-journal"), ("url", "concord-journal")])
def test_what_is_secret_comes_from_the_secret_that_was_named(render, values, secret):
    found = {}
    for _, spec in rendering.pod_specs(render(values)):
        for container in spec["containers"] + spec.get("initContainers", []):
            for variable in container.get("env", []):
                if "PASSWORD" in variable["name"] or (
                    values == "url" and variable["name"] == "CONCORD_JOURNAL"
                ):
                    assert "value" not in variable
                    found[variable["name"]] = variable["valueFrom"]["secretKeyRef"]["name"]
    asks_registry = {name: found.pop(name) for name in list(found) if name.startswith("MLFLOW_")}
    assert set(asks_registry.values()) <= {"concord-registry"}
    assert set(found.values()) == {secret}


def test_upkeeps_token_comes_from_the_secret_that_was_named(render, of_kind):
    values = {
        "consensus": {"tokens": {"existingSecret": "concord-tokens"}},
        "upkeep": {"enabled": True, "existingSecret": "mine"},
    }
    job = of_kind(render(values), "CronJob")["concord-upkeep"]["spec"]["jobTemplate"]["spec"]
    env = {one["name"]: one for one in job["template"]["spec"]["containers"][0]["env"]}
    assert env["CONCORD_TOKEN"] == {
        "name": "CONCORD_TOKEN",
        "valueFrom": {"secretKeyRef": {"name": "mine", "key": "token"}},
    }


def test_no_text_holds_a_password(objects):
    with_password = re.compile(r"://[^/\s\"]+:[^/\s\"]+@")
    for one in objects:
        assert with_password.search(json.dumps(one)) is None
        assert one["kind"] != "ConfigMap" or "password" not in json.dumps(one).lower()


@pytest.mark.parametrize("name", ["concord-ledger", "concord-models"])
def test_what_the_running_system_writes_is_rendered_without_data_and_kept(render, of_kind, name):
    one = of_kind(render(), "ConfigMap")[name]
    assert not {"data", "binaryData", "immutable"} & set(one)
    assert one["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_every_volume_is_kept(render, of_kind):
    volumes = of_kind(render("mariadb"), "PersistentVolumeClaim") | of_kind(render(), "PersistentVolumeClaim")
    assert set(volumes) == {"concord-consensus", "concord-mlflow", "concord-journal"}
    for one in volumes.values():
        assert one["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_nothing_random_or_timed_is_in_a_rendering(sets):
    for values in sets.values():
        assert rendering.texts(values) == rendering.texts(values)
