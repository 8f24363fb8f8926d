"""What is recorded has the value that it says, added up over the replicas of the consensus service."""

import re

import pytest
import yaml

from tests.chart.test_alerts import named
from tests.chart.test_rules import FILES, GROUPS, needs_promtool, promtool

HERE = {"namespace": "concord"}
TASK = HERE | {"task": "iris"}
NODE = TASK | {"node": "knn"}
PREDICT = HERE | {"route": "/v1/tasks/{task}/predict"}
OTHER = HERE | {"route": "/metrics"}

RECORDS = {rule["record"] for group in GROUPS for rule in group["rules"] if "record" in rule}


def histogram(name, labels, bound, middle):
    """Sixty a minute: half of them within `middle`, all within `bound`."""
    return [
        (f"{name}_bucket", labels | {"le": str(middle)}, "0+30x60"),
        (f"{name}_bucket", labels | {"le": str(bound)}, "0+60x60"),
        (f"{name}_bucket", labels | {"le": "+Inf"}, "0+60x60"),
        (f"{name}_count", labels, "0+60x60"),
    ]


# Of each of two replicas.
SERIES = [
    ("concord_rounds_total", TASK | {"status": "ok"}, "0+45x60"),
    ("concord_rounds_total", TASK | {"status": "no_quorum"}, "0+15x60"),
    ("concord_agreement_sum", TASK, "0+45x60"),
    ("concord_agreement_count", TASK, "0+60x60"),
    *histogram("concord_round_seconds", TASK, 0.005, 0.002),
    *histogram("concord_overhead_seconds", TASK, 0.002, 0.001),
    *histogram("concord_node_seconds", NODE, 0.01, 0.005),
    *histogram("concord_label_age_seconds", TASK, 86400, 21600),
    *histogram("concord_http_seconds", PREDICT, 1, 0.5),
    *histogram("concord_http_seconds", OTHER, 5, 2),
    ("concord_outcomes_total", NODE | {"outcome": "late"}, "0+30x60"),
    ("concord_node_up", NODE, "1x60"),
    ("concord_node_up", NODE | {"node": "svm"}, "0x60"),
    ("concord_http_requests_total", PREDICT | {"status": "200"}, "0+45x60"),
    ("concord_http_requests_total", PREDICT | {"status": "503"}, "0+15x60"),
    ("concord_http_requests_total", OTHER | {"status": "500"}, "0+60x60"),
    ("concord_ledger_conflicts_total", HERE, "0+15x60"),
    ("concord_ledger_head_writes_total", HERE, "0+45x60"),
    ("concord_debits_total", TASK | {"right": "false"}, "0+45x60"),
    ("concord_debits_total", TASK | {"right": "true"}, "0+15x60"),
    ("concord_drifted", TASK | {"kind": "feature", "name": "petal_width"}, "1x60"),
    ("concord_drift_psi", TASK | {"feature": "petal_width"}, "0.5x60"),
    ("concord_drift_errors", TASK | {"stretch": "now"}, "0.25x60"),
]


def quantiles(name, labels, bound, middle):
    """As Prometheus has it: between a bucket's bounds observations are spread evenly."""

    def within(share):
        return middle + (bound - middle) * ((share * 2 - 1) / 1)

    return {
        f"concord:{name}:p50_5m": {labels: middle},
        f"concord:{name}:p95_5m": {labels: within(0.95)},
        f"concord:{name}:p99_5m": {labels: within(0.99)},
    }


def of(labels):
    return tuple(labels.items())


EXPECTED = {
    "concord:rounds:rate5m": {of(TASK | {"status": "ok"}): 1.5, of(TASK | {"status": "no_quorum"}): 0.5},
    "concord:rounds_without_answer:ratio5m": {of(TASK): 0.25},
    **quantiles("round_seconds", of(TASK), 0.005, 0.002),
    "concord:agreement:mean5m": {of(TASK): 0.75},
    "concord:agreement:mean30m": {of(TASK): 0.75},
    **quantiles("overhead_seconds", of(TASK), 0.002, 0.001),
    "concord:outcomes:rate5m": {of(NODE | {"outcome": "late"}): 1},
    **quantiles("node_seconds", of(NODE), 0.01, 0.005),
    "concord:nodes_up:count": {of(TASK): 1},
    "concord:predictions:rate5m": {of(HERE): 2},
    **quantiles("prediction_seconds", of(HERE), 1, 0.5),
    **{f"concord:predictions_failed:ratio{span}": {of(HERE): 0.25} for span in ("5m", "30m", "1h", "6h")},
    **{f"concord:predictions_slow:ratio{span}": {of(HERE): 0.5} for span in ("5m", "30m")},
    "concord:ledger_conflicts:ratio15m": {of(HERE): 0.25},
    "concord:label_age_seconds:p90_1d": {of(TASK): 21600 + (86400 - 21600) * ((0.9 * 2 - 1) / 1)},
    "concord:slash_precision:ratio1d": {of(TASK): 0.75},
    "concord:drifted:max": {of(TASK | {"kind": "feature", "name": "petal_width"}): 1},
    "concord:drift_psi:max": {of(TASK | {"feature": "petal_width"}): 0.5},
    "concord:drift_errors:max": {of(TASK | {"stretch": "now"}): 0.25},
}


def promtool_says(tmp_path, series, expected):
    """Whether these samples, and no others, are recorded after half an hour."""
    test = {
        "rule_files": [str(path) for path in FILES],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": named(name, labels | {"pod": pod}), "values": values}
                    for name, labels, values in series
                    for pod in ("consensus-a", "consensus-b")
                ],
                "promql_expr_test": [
                    {
                        # Beyond eight digits the order of an addition shows; what is no number is no sample.
                        "expr": f"round({name}, 1e-8) >= 0",
                        "eval_time": "30m",
                        "exp_samples": [
                            {"labels": named("", dict(labels)), "value": rounded(value)}
                            for labels, value in samples.items()
                        ],
                    }
                    for name, samples in expected.items()
                ],
            }
        ],
    }
    path = tmp_path / "test.yaml"
    path.write_text(yaml.safe_dump(test, allow_unicode=True), "utf-8")
    return promtool("test", path)


def rounded(value):
    """As PromQL rounds: by the inverse of what is rounded to."""
    inverse = 1 / 1e-8
    return float(int(value * inverse + 0.5) / inverse)


def test_every_recording_has_its_expectation():
    assert EXPECTED.keys() == RECORDS


@pytest.mark.slow
@needs_promtool
@pytest.mark.parametrize("name", EXPECTED)
def test_what_is_recorded_has_the_value_that_its_name_says(tmp_path, name):
    done = promtool_says(tmp_path, SERIES, {name: EXPECTED[name]})
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_shares_and_quantiles_of_nothing_are_no_numbers(tmp_path):
    """Where nobody asks, nothing fails and nothing is slow, and nothing is fast either."""
    still = [(name, labels, "0x60" if "+" in values else values) for name, labels, values in SERIES]
    shares = {name: {} for name in EXPECTED if re.search(r":(ratio|mean|p\d)", name)}
    done = promtool_says(tmp_path, still, shares)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
@pytest.mark.parametrize(
    ("status", "name", "labels"),
    [
        ("ok", "concord:rounds_without_answer:ratio5m", of(TASK)),
        ("200", "concord:predictions_failed:ratio5m", of(HERE)),
    ],
)
def test_where_nothing_or_all_fails_the_share_is_0_or_1(tmp_path, status, name, labels):
    def is_good(series):
        return series[1].get("status") == status

    rounds = [one for one in SERIES if one[0] in {"concord_rounds_total", "concord_http_requests_total"}]
    for kept, share in ((filter(is_good, rounds), 0), ((one for one in rounds if not is_good(one)), 1)):
        done = promtool_says(tmp_path, list(kept), {name: {labels: share}})
        assert done.returncode == 0, done.stdout + done.stderr
