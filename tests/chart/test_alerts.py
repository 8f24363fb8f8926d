"""Each alert is raised by its fault, with its words filled in, and by nothing that is as it should be."""

import re
from dataclasses import dataclass

import pytest
import yaml

from tests.chart.test_rules import ALERTS, FILES, needs_promtool, promtool

pytestmark = pytest.mark.slow  # a minute of promtool

HERE = {"namespace": "concord"}
TASK = HERE | {"task": "iris"}
NODE = TASK | {"node": "knn"}
PREDICT = HERE | {"route": "/v1/tasks/{task}/predict"}

QUIET = [
    ("concord_rounds_total", TASK | {"status": "ok"}, "0+600x400"),
    ("concord_agreement_sum", TASK, "0+540x400"),
    ("concord_agreement_count", TASK, "0+600x400"),
    ("concord_overhead_seconds_bucket", TASK | {"le": "0.002"}, "0+600x400"),
    ("concord_overhead_seconds_bucket", TASK | {"le": "+Inf"}, "0+600x400"),
    ("concord_node_up", NODE, "1x400"),
    ("concord_jailed", NODE, "0x400"),
    ("concord_jail_withheld", NODE, "0x400"),
    ("concord_ledger_alarm", HERE, "0x400"),
    ("concord_imbalance", TASK, "0x400"),
    ("concord_ledger_conflicts_total", HERE, "0+1x400"),
    ("concord_ledger_head_writes_total", HERE, "0+60x400"),
    ("concord_ledger_faults_total", HERE, "0x400"),
    # Full once an hour, when it is sealed, and small again.
    ("concord_ledger_head_bytes", HERE, "30000+500x60 30000+500x60 30000+500x60"),
    ("concord_journal_waiting_rounds", HERE, "20x400"),
    ("concord_label_age_seconds_bucket", TASK | {"le": "86400"}, "0+9x400"),
    ("concord_label_age_seconds_bucket", TASK | {"le": "+Inf"}, "0+9x400"),
    ("concord_http_requests_total", PREDICT | {"status": "200"}, "0+600x400"),
    ("concord_http_requests_total", PREDICT | {"status": "422"}, "0+600x400"),
    ("concord_http_requests_total", HERE | {"route": "/metrics", "status": "500"}, "0+600x400"),
    ("concord_http_seconds_bucket", PREDICT | {"le": "0.5"}, "0+1200x400"),
    ("concord_http_seconds_count", PREDICT, "0+1200x400"),
]


@dataclass(frozen=True)
class Fault:
    """What goes wrong, which alerts come of it at a time, and the value in their words."""

    series: list
    at: str
    raised: dict
    labels: dict


FAULTS = {
    "the service is away": Fault(
        [("concord_node_up", NODE, "1x20 _x380")], "30m", {"ConcordServiceAway": "1"}, HERE
    ),
    "a quorum is lost": Fault(
        [("concord_rounds_total", TASK | {"status": "no_quorum"}, "0+60x400")],
        "10m",
        {"ConcordQuorumLost": "1.000"},
        TASK,
    ),
    "nodes disagree": Fault(
        [("concord_agreement_sum", TASK, "0+540x300 162000+300x100")],
        "6h30m",
        {"ConcordDisagreement": "0.50"},
        TASK,
    ),
    "the fan-out is slow": Fault(
        [
            ("concord_overhead_seconds_bucket", TASK | {"le": "0.002"}, "0+500x400"),
            ("concord_overhead_seconds_bucket", TASK | {"le": "0.05"}, "0+600x400"),
        ],
        "30m",
        {"ConcordOverhead": "0.047"},
        TASK,
    ),
    "a node is away": Fault([("concord_node_up", NODE, "0x400")], "5m", {"ConcordNodeDown": ""}, NODE),
    "a node is jailed": Fault([("concord_jailed", NODE, "1x400")], "5m", {"ConcordNodeJailed": ""}, NODE),
    "a jailing is withheld": Fault(
        [("concord_jail_withheld", NODE, "1x400")], "10m", {"ConcordJailWithheld": ""}, NODE
    ),
    "the chain is broken": Fault(
        [("concord_ledger_alarm", HERE, "1x400")], "5m", {"ConcordLedgerBroken": ""}, HERE
    ),
    "money is missing": Fault(
        [("concord_imbalance", TASK, "-2.5x400")], "5m", {"ConcordImbalance": "2.5"}, TASK
    ),
    "replicas are in each other's way": Fault(
        [("concord_ledger_conflicts_total", HERE, "0+180x400")],
        "40m",
        {"ConcordLedgerConflicts": "0.75"},
        HERE,
    ),
    "the store is away": Fault(
        [("concord_ledger_faults_total", HERE, "0+12x400")], "30m", {"ConcordLedgerAway": "60"}, HERE
    ),
    "the state fills the head": Fault(
        [("concord_ledger_head_bytes", HERE, "60000x400")], "90m", {"ConcordLedgerHead": "60000"}, HERE
    ),
    "the journal is behind": Fault(
        [("concord_journal_waiting_rounds", HERE, "20000x400")], "5m", {"ConcordJournalBehind": "20000"}, HERE
    ),
    "labels are late": Fault(
        [
            ("concord_label_age_seconds_bucket", TASK | {"le": "86400"}, "0x400"),
            ("concord_label_age_seconds_bucket", TASK | {"le": "2592000"}, "0+9x400"),
        ],
        "3h",
        {"ConcordLabelsLate": "27d 2h 24m 0s"},
        TASK,
    ),
    "every tenth request fails": Fault(
        [("concord_http_requests_total", PREDICT | {"status": "503"}, "0+120x400")],
        "90m",
        {"ConcordErrorBudgetBurnsFast": "0.0909", "ConcordErrorBudgetBurns": "0.0909"},
        HERE,
    ),
    "one request in a hundred fails": Fault(
        [("concord_http_requests_total", PREDICT | {"status": "503"}, "0+12x400")],
        "90m",
        {"ConcordErrorBudgetBurns": "0.0099"},
        HERE,
    ),
    "requests are slow": Fault(
        [("concord_http_seconds_bucket", PREDICT | {"le": "0.5"}, "0+900x400")],
        "50m",
        {"ConcordSlow": "0.250"},
        HERE,
    ),
}


def inputs(changed):
    """What is quiet, except for what goes wrong."""
    told = {(name, *labels.items()): (name, labels, values) for name, labels, values in QUIET + changed}
    return [{"series": named(name, labels), "values": values} for name, labels, values in told.values()]


def named(name, labels):
    return name + "{" + ",".join(f'{key}="{one}"' for key, one in labels.items()) + "}"


def said(text, labels, value):
    """An annotation with its holes filled."""
    text = re.sub(r"{{ \$labels\.(\w+) }}", lambda hole: labels[hole[1]], text)
    return re.sub(r"{{ \$value.*? }}", value, text)


def promtool_says(tmp_path, changed, at, raised, labels):
    """Whether exactly these alerts are raised then."""
    expected = [
        {"eval_time": at, "alertname": name, "exp_alerts": []}
        | (
            {
                "exp_alerts": [
                    {
                        "exp_labels": labels | {"severity": alert["labels"]["severity"]},
                        "exp_annotations": {
                            key: said(text, labels, raised[name])
                            for key, text in alert["annotations"].items()
                        },
                    }
                ]
            }
            if name in raised
            else {}
        )
        for name, alert in ALERTS.items()
    ]
    test = {
        "rule_files": [str(path) for path in FILES],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": inputs(changed), "alert_rule_test": expected}],
    }
    path = tmp_path / "test.yaml"
    path.write_text(yaml.safe_dump(test, allow_unicode=True), "utf-8")
    return promtool("test", path)


def test_every_alert_but_those_of_drift_has_a_fault_that_raises_it():
    raised = {name for fault in FAULTS.values() for name in fault.raised}
    assert raised | {"ConcordDrift", "ConcordAnswersDrift", "ConcordErrorDrift"} == ALERTS.keys()


@needs_promtool
@pytest.mark.parametrize("name", FAULTS)
def test_an_alert_is_raised_by_its_fault_and_no_other_with_it(tmp_path, name):
    fault = FAULTS[name]
    done = promtool_says(tmp_path, fault.series, fault.at, fault.raised, fault.labels)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
@pytest.mark.parametrize("at", ["20m", "3h", "6h"])
def test_nothing_is_raised_where_all_is_as_it_should_be(tmp_path, at):
    done = promtool_says(tmp_path, [], at, {}, {})
    assert done.returncode == 0, done.stdout + done.stderr
