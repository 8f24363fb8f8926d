"""Recording and alert rules: valid, in the chart as in the files, raised when something drifts alone."""

import re
import shutil
import subprocess

import pytest
import yaml

from tests.chart import promql, rendering

FOLDER = rendering.CHART / "files" / "rules"
FILES = sorted(FOLDER.glob("*.yaml"))
GROUPS = [group for path in FILES for group in yaml.safe_load(path.read_text("utf-8"))["groups"]]
RULES = [rule for group in GROUPS for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}

PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool, of Debian's package prometheus, is not on the PATH"
)

NAN = " ".join(["NaN"] * 60)
NOW = {"namespace": "concord", "task": "iris"}


def called(rule):
    return rule.get("record") or rule["alert"]


def series(metric, values, **labels):
    said = ",".join(f'{label}="{value}"' for label, value in (NOW | labels).items())
    return {"series": f"{metric}{{{said}}}", "values": values}


def drifted(kind, name, values, **labels):
    return series("concord_drifted", values, kind=kind, name=name, **labels)


def raised(tmp_path, inputs, at, **alerts):
    """Asks promtool whether exactly these alerts are raised then, each with its value in the words."""
    expected = [
        {
            "eval_time": at,
            "alertname": name,
            "exp_alerts": [
                {
                    "exp_labels": {"severity": rule["labels"]["severity"], **NOW},
                    "exp_annotations": filled(rule["annotations"], alerts[name]),
                }
            ]
            if name in alerts
            else [],
        }
        for name, rule in ALERTS.items()
    ]
    test = {
        "rule_files": [str(path) for path in FILES],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": inputs, "alert_rule_test": expected}],
    }
    path = tmp_path / "test.yaml"
    path.write_text(yaml.safe_dump(test, allow_unicode=True), "utf-8")
    return promtool("test", path)


def promtool(what, path):
    command = [PROMTOOL, what, "rules", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def filled(annotations, value):
    filling = {"$labels.task": "iris", '$value | printf "%.3f"': value, "$value": value}
    return {
        name: re.sub(r"{{ (.*?) }}", lambda hole: filling[hole[1]], annotation)
        for name, annotation in annotations.items()
    }


def test_the_rules_are_rendered_only_where_they_are_asked_for(render, of_kind):
    assert of_kind(render(), "PrometheusRule") == {}
    (one,) = of_kind(render("everything"), "PrometheusRule").values()
    assert one["spec"]["groups"] == GROUPS
    assert one["metadata"]["labels"]["release"] == "prometheus"


def test_runbooks_are_linked_where_the_repository_is_read(render, of_kind):
    values = {"monitoring": {"rules": {"enabled": True, "runbooks": "https://git.example.com/concord/"}}}
    (one,) = of_kind(render(values), "PrometheusRule").values()
    links = [
        rule["annotations"]["runbook_url"]
        for group in one["spec"]["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]
    assert len(links) == len(ALERTS)
    assert all(link.startswith("https://git.example.com/concord/docs/") for link in links)


def test_without_a_base_a_runbook_is_named_and_not_linked(render, of_kind):
    (one,) = of_kind(render({"monitoring": {"rules": {"enabled": True}}}), "PrometheusRule").values()
    alerts = [rule for group in one["spec"]["groups"] for rule in group["rules"] if "alert" in rule]
    assert all("runbook_url" not in alert["annotations"] for alert in alerts)
    assert all(alert["annotations"]["runbook"].startswith("docs/") for alert in alerts)


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_says_what_how_bad_and_what_to_do(name):
    alert = ALERTS[name]
    assert alert["labels"]["severity"] in {"warning", "critical"}
    assert {"summary", "description", "runbook"} == set(alert["annotations"])
    assert "for" in alert
    path, _, anchor = alert["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^#+ (.*)$", (rendering.ROOT / path).read_text("utf-8"), re.MULTILINE)
    assert anchor in {re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in headings}


@pytest.mark.parametrize("rule", RULES, ids=called)
def test_a_rule_asks_for_metrics_and_labels_that_there_are(rule):
    assert list(promql.faults(called(rule), rule["expr"])) == []


@pytest.mark.parametrize(
    ("name", "right", "wrong", "said"),
    [
        ("ConcordNodeDown", "concord_node_up", "concord_node_upp", "there is no metric concord_node_upp"),
        ("ConcordNodeDown", "concord_node_up", "concrod_node_up", "there is no metric concrod_node_up"),
        ("ConcordErrorDrift", 'stretch="now"', 'strech="now"', "has no label strech"),
        ("ConcordQuorumLost", "concord:rounds:rate5m", "concord:rounds:rate50m", "there is no metric"),
        ("ConcordNodeJailed", "task, node", "task, nod", "is grouped by nod, which nothing in it has"),
        ("concord:outcomes:rate5m", "outcome)", "outcom)", "is grouped by outcom, which nothing in it has"),
    ],
)
def test_the_check_of_a_rule_sees(name, right, wrong, said):
    (rule,) = (one for one in RULES if called(one) == name)
    assert right in rule["expr"]
    found = list(promql.faults(name, rule["expr"].replace(right, wrong)))
    assert any(said in one for one in found), found


@pytest.mark.parametrize(
    ("expr", "selectors"),
    [
        ("max by (task) (up) == 1", ["up"]),
        ('a:b{c="d e", f=~"g|h"} > 0', ['a:b{c="d e",f=~"g|h"}']),
        ("x < 0.85 * avg_over_time(y[1d] offset 1h)", ["x", "y"]),
        ('rate(z_total{s!="1"}[5m]) and on (task) w', ['z_total{s!="1"}', "w"]),
    ],
)
def test_selectors_are_read_from_a_query(expr, selectors):
    assert promql.asked(expr).selectors == selectors


@needs_promtool
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_prometheus_reads_the_file(path):
    done = promtool("check", path)
    assert done.returncode == 0, done.stderr


@needs_promtool
@pytest.mark.parametrize(
    ("inputs", "at", "alerts"),
    [
        ([drifted("feature", "age", "0x60"), drifted("errors", "errors", "0x60")], "50m", {}),
        ([drifted("feature", "age", "1x60")], "20m", {}),
        ([drifted("feature", "age", "1x60")], "31m", {"ConcordDrift": "1"}),
        ([drifted("feature", "age", "0x60"), drifted("target", "y", "1x60")], "31m", {"ConcordDrift": "1"}),
        # What is gone hides nothing.
        (
            [drifted("feature", "age", NAN), drifted("feature", "b", "1x60")],
            "31m",
            {"ConcordDrift": "1"},
        ),
        ([drifted("feature", "age", f"1x10 {NAN}")], "45m", {}),
        # Replicas look at the same journal.
        (
            [drifted("feature", "age", "1x60", pod=pod) for pod in "ab"],
            "31m",
            {"ConcordDrift": "1"},
        ),
        ([drifted("answers", "knn", "1x60")], "31m", {"ConcordAnswersDrift": "1"}),
        (
            [
                drifted("errors", "errors", "1x60"),
                series("concord_drift_errors", "0.41x60", stretch="now"),
                series("concord_drift_errors", "0.2x60", stretch="before"),
            ],
            "6m",
            {"ConcordErrorDrift": "0.410"},
        ),
    ],
    ids=[
        "nothing drifts",
        "not for long",
        "a feature",
        "the target",
        "beside one that is gone",
        "it came back",
        "two replicas",
        "answers",
        "errors",
    ],
)
def test_alerts_are_raised_by_what_drifts_and_by_nothing_else(tmp_path, inputs, at, alerts):
    done = raised(tmp_path, inputs, at, **alerts)
    assert done.returncode == 0, done.stdout + done.stderr
