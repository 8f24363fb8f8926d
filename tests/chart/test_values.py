"""Values: what is misspelt, out of range or impossible is refused with a message that names it."""

import re
import tomllib
from datetime import timedelta

import pytest
from helm_python.errors import HelmError

from concord.settings import NodesFile, TaskSettings
from tests.chart import rendering


@pytest.mark.parametrize("name", ["values.yaml", "values-kind.yaml", "Chart.yaml"])
def test_a_comment_is_two_spaces_behind_what_it_is_about_as_chart_testing_wants_it(name):
    lines = (rendering.CHART / name).read_text("utf-8").splitlines()
    assert [line for line in lines if re.search(r"[^\s]\s#\s", re.sub(r'"[^"]*"', "", line))] == []


def tasks(**iris):
    return {"tasks": {"iris": iris}}


def refusal_of(render, values, **options):
    with pytest.raises(HelmError) as refused:
        render(values, **options)
    return str(refused.value)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        (tasks(polcy="seed"), ["/tasks/iris", "polcy"]),
        (tasks(policy="sede"), ["/tasks/iris/policy", "wager"]),
        (tasks(quorum=1.5), ["/tasks/iris/quorum", "1.5"]),
        (tasks(quorum="0,5"), ["/tasks/iris/quorum"]),
        (tasks(quorum=0), ["/tasks/iris/quorum", "exclusiveMinimum"]),
        (tasks(deadline_ms=5), ["/tasks/iris/deadline_ms", "10"]),
        (tasks(nodes={"smv": {"enabled": False}}), ["/tasks/iris/nodes/smv"]),
        (tasks(nodes={"knn": {"replica": 2}}), ["/tasks/iris/nodes/knn", "replica"]),
        ({"tasks": {"iriss": {"enabled": False}}}, ["/tasks/iriss", "nodes"]),
        ({"tasks": {"Iris": {"nodes": {"knn": {"enabled": True}}}}}, ["Iris"]),
        ({"consensus": {"replcias": 2}}, ["/consensus", "replcias"]),
        ({"consensus": {"replicas": 3}}, ["/consensus/replicas", "got 3, want 1"]),
        ({"consensus": {"autoscaling": {"enabled": True}}}, ["/consensus/autoscaling/enabled"]),
        ({"consensus": {"resources": {"request": {}}}}, ["/consensus/resources", "request"]),
        ({"consensus": {"service": {"nodePort": 80}}}, ["/consensus/service/nodePort", "nodePort"]),
        ({"image": {"pullpolicy": "Always"}}, ["/image", "pullpolicy"]),
        ({"image": {"pullPolicy": "Sometimes"}}, ["/image/pullPolicy"]),
        ({"journal": {"kind": "postgres"}}, ["/journal/kind", "mariadb"]),
        ({"ledger": {"archive": {"schedule": "daily"}}}, ["/ledger/archive/schedule"]),
        ({"networkPolicies": {"enabled": True}}, ["networkPolicies"]),
        ({"networkPolicy": {"dns": []}}, ["/networkPolicy/dns"]),
        ({"page": {"image": {"digest": "sha256:12"}}}, ["/page/image/digest"]),
        ({"mlflow": {"size": "5 GB"}}, ["/mlflow/size"]),
        ({"monitoring": {"rules": {"runbooks": "our wiki"}}}, ["/monitoring/rules/runbooks"]),
        ({"training": {"data": {"iris": {"source": "rows.csv"}}}}, ["/training/data/iris/source"]),
        (
            {"training": {"data": {"iris": {"key": "films"}}}},
            ["/training/data/iris"],
        ),
        ({"benchmark": {"parallelism": 0}}, ["/benchmark/parallelism"]),
        ({"benchmark": {"data": {"source": "rows.csv"}}}, ["/benchmark/data/source"]),
        ({"upkeep": {"schedule": "often"}}, ["/upkeep/schedule"]),
        ({"upkeep": {"limits": {"watchLabel": 5}}}, ["/upkeep/limits", "watchLabel"]),
        ({"upkeep": {"limits": {"watchLabels": 0}}}, ["/upkeep/limits/watchLabels", "1"]),
        ({"upkeep": {"tasks": ["Iris"]}}, ["/upkeep/tasks"]),
        ({"upkeep": {"activeDeadlineSeconds": 5}}, ["/upkeep/activeDeadlineSeconds", "60"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_misspelt_or_impossible_value_is_refused_by_its_name(render, values, named):
    message = refusal_of(render, values)
    assert all(word in message for word in named), message


def test_files_as_a_ledger_are_refused_where_the_journal_is_elsewhere(render):
    journal = {"kind": "url", "url": {"existingSecret": "concord-journal"}}
    assert "/ledger/store" in refusal_of(render, {"journal": journal, "ledger": {"store": "files"}})


@pytest.mark.parametrize("kind", ["mariadb", "url"])
def test_a_database_without_its_secret_is_refused_with_the_command_that_makes_it(render, kind):
    message = refusal_of(render, {"journal": {"kind": kind}}, namespace="models")
    assert f"journal.{kind}.existingSecret names no secret" in message
    assert "kubectl --namespace models create secret generic concord-journal --from-literal=" in message


def test_training_without_a_registry_is_refused(render):
    values = {"mlflow": {"enabled": False}, "training": {"enabled": True}}
    assert "mlflow.enabled=true" in refusal_of(render, values)


def test_upkeep_without_its_token_is_refused_with_the_commands_that_make_it(render):
    tokens = {"consensus": {"tokens": {"existingSecret": "concord-tokens"}}}
    message = refusal_of(render, {"upkeep": {"enabled": True}} | tokens, namespace="models")
    assert "upkeep.existingSecret names no secret" in message
    assert "concord tokens add upkeep --administers" in message
    assert "kubectl --namespace models create secret generic concord-upkeep --from-literal=token=" in message


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ({"mlflow": {"enabled": False}}, "mlflow.enabled=true"),
        ({"consensus": {"tokens": {"existingSecret": ""}}}, "consensus.tokens.existingSecret"),
    ],
)
def test_upkeep_without_a_registry_or_a_service_that_knows_it_is_refused(render, missing, named):
    values = {
        "consensus": {"tokens": {"existingSecret": "concord-tokens"}},
        "upkeep": {"enabled": True, "existingSecret": "concord-upkeep"},
    }
    assert named in refusal_of(render, values | missing)


def test_a_benchmark_without_its_database_is_refused_with_the_command_that_names_it(render):
    message = refusal_of(render, {"benchmark": {"enabled": True, "task": "iris"}}, namespace="models")
    assert "benchmark.study.existingSecret names no secret" in message
    assert "kubectl --namespace models create secret generic concord-study --from-literal=url=" in message


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"benchmark": {"task": ""}}, "benchmark.task"),
        ({"mlflow": {"enabled": False}}, "mlflow.enabled=true"),
        ({"benchmark": {"data": {"source": "journal", "existingSecret": "rows"}}}, "Leave one empty"),
    ],
    ids=["no task", "no registry", "two sources"],
)
def test_a_benchmark_that_could_not_run_is_refused(render, settings, named):
    values = {"benchmark": {"enabled": True, "task": "iris", "study": {"existingSecret": "concord-study"}}}
    values["benchmark"] |= settings.get("benchmark", {})
    assert named in refusal_of(render, settings | values)


def test_rows_for_a_task_that_is_not_trained_are_refused(render):
    rows = {"training": {"tasks": ["iris"], "data": {"loan_default": {"source": "journal"}}}}
    message = refusal_of(render, rows)
    assert "training.data.loan_default" in message


def test_a_fallback_without_its_value_is_refused(render):
    assert "tasks.iris" in refusal_of(render, tasks(below_quorum="fallback"))
    assert "tasks.iris" in refusal_of(render, tasks(fallback="setosa"))


def test_an_installation_without_a_node_is_refused(render):
    none = {
        "tasks": {name: {"enabled": False} for name in ("film_rating", "iris", "loan_amount", "loan_default")}
    }
    assert "No node is enabled" in refusal_of(render, none)


def test_a_nodes_name_that_is_too_long_is_refused_by_its_name(render):
    message = refusal_of(render, tasks(nodes={"a" * 60: {"enabled": True}}))
    assert f"tasks.iris.nodes.{'a' * 60}" in message
    assert "63" in message


def test_a_release_whose_names_would_be_too_long_is_refused(render):
    assert "Shorten" in refusal_of(render, {}, name="a" * 53)


def test_two_nodes_of_one_name_are_refused(render):
    nodes = {"a_b": {"nodes": {"c": {"enabled": True}}}, "a": {"nodes": {"b_c": {"enabled": True}}}}
    message = refusal_of(render, {"tasks": nodes})
    assert "tasks.a.nodes.b_c" in message
    assert "tasks.a_b.nodes.c" in message


def test_a_release_that_begins_with_a_digit_is_refused(render):
    assert "takes a letter first" in refusal_of(render, {}, name="1concord")


@pytest.mark.parametrize(
    ("release", "name"),
    [("concord", "concord-page"), ("my-concord", "my-concord-page"), ("mine", "mine-concord-page")],
)
def test_names_begin_with_the_release_and_say_concord_once(render, of_kind, release, name):
    assert name in of_kind(render({}, name=release), "Deployment")


def nodes_file(render, of_kind, values=None):
    text = of_kind(render(values), "ConfigMap")["concord-nodes"]["data"]["nodes.toml"]
    return NodesFile.model_validate(tomllib.loads(text))


def test_the_nodes_file_says_what_the_values_say(render, of_kind):
    values = tasks(
        policy="seed",
        score="brier",
        quorum="0.25",
        deadline_ms=2000,
        grace_ms=0,
        deposit=1_000_000,
        below_quorum="fallback",
        fallback='a "label" ≤ <b>',
        nodes={"svm": {"enabled": False}},
    )
    iris = nodes_file(render, of_kind, values).tasks["iris"]
    assert iris == TaskSettings(
        nodes={
            node: f"http://concord-iris-{node.replace('_', '-')}:3000"
            for node in ("decision_tree", "knn", "logistic_regression", "random_forest")
        },
        policy="seed",
        score="brier",
        quorum=0.25,
        deadline_ms=2000,
        grace_ms=0,
        deposit=1_000_000,
        below_quorum="fallback",
        fallback='a "label" ≤ <b>',
    )


def test_the_charts_defaults_are_those_of_the_settings(render, of_kind):
    for task in nodes_file(render, of_kind).tasks.values():
        assert task == TaskSettings(nodes=task.nodes)


def test_an_added_task_has_the_same_defaults(render, of_kind):
    added = {"tasks": {"mine": {"nodes": {"first": {"enabled": True}}}}}
    assert nodes_file(render, of_kind, added).tasks["mine"] == TaskSettings(
        nodes={"first": "http://concord-mine-first:3000"}
    )


def test_a_task_that_is_off_has_no_nodes(render, of_kind):
    small = render("small")
    assert set(nodes_file(render, of_kind, "small").tasks) == {"iris"}
    tasks = {
        one["metadata"]["labels"].get("concord.dev/task") for one in of_kind(small, "Deployment").values()
    }
    assert tasks == {"iris", None}


def test_every_url_of_the_nodes_file_is_a_service_of_a_deployment(objects, of_kind):
    services = of_kind(objects, "Service")
    text = of_kind(objects, "ConfigMap")["concord-nodes"]["data"]["nodes.toml"]
    deployments = of_kind(objects, "Deployment")
    for task, asked in tomllib.loads(text)["tasks"].items():
        for node, url in asked["nodes"].items():
            name = url.removeprefix("http://").removesuffix(":3000")
            template = deployments[name]["spec"]["template"]
            assert services[name]["spec"]["selector"].items() <= template["metadata"]["labels"].items()
            assert {"name": "CONCORD_NODE", "value": f"{task}.{node}"} in template["spec"]["containers"][0][
                "env"
            ]


def test_the_schemas_ranges_are_those_of_the_settings():
    ours = rendering.chart().schema["properties"]["tasks"]["properties"]["iris"]["properties"]
    theirs = TaskSettings.model_json_schema()["properties"]
    for name in ("quorum", "deadline_ms", "grace_ms", "deposit"):
        for bound in ("minimum", "maximum", "exclusiveMinimum"):
            assert ours[name].get(bound) == theirs[name].get(bound), f"{name} {bound}"
    assert set(theirs) == set(ours) - {"enabled"}


def test_another_nodes_file_rolls_the_consensus_pods(render, of_kind):
    def digest(values):
        template = of_kind(render(values), "Deployment")["concord-consensus"]["spec"]["template"]
        return template["metadata"]["annotations"]["concord.dev/nodes-digest"]

    assert digest({}) != digest(tasks(quorum=0.3))
    assert digest({}) == digest({"page": {"enabled": False}})


def test_a_digest_wins_over_a_tag_and_a_components_registry_over_the_common_one(render, of_kind):
    digest = f"sha256:{'0' * 64}"
    values = {
        "image": {"registry": "registry.example.com/x", "tag": "7"},
        "page": {"image": {"digest": digest}},
        "nodes": {"image": {"registry": "localhost:5000"}},
    }
    deployments = of_kind(render(values), "Deployment")
    images = {
        name: deployments[name]["spec"]["template"]["spec"]["containers"][0]["image"]
        for name in ("concord-page", "concord-iris-knn", "concord-mlflow")
    }
    assert images == {
        "concord-page": f"registry.example.com/x/concord-page@{digest}",
        "concord-iris-knn": "localhost:5000/concord-node:7",
        "concord-mlflow": "registry.example.com/x/concord-mlflow:7",
    }


def test_the_drain_fits_into_the_time_that_a_pod_gets(render, of_kind):
    spec = of_kind(render(), "Deployment")["concord-iris-knn"]["spec"]["template"]["spec"]
    drain = timedelta(seconds=spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"])
    # BentoML gives its workers as long again to end.
    assert drain * 2 < timedelta(seconds=spec["terminationGracePeriodSeconds"])
