"""Node and consensus service tell of themselves only, in the format that the scraper asks for."""

import re
from pathlib import Path

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from concord import node
from concord.observability import metrics
from concord.observability.exposition import render

PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)


def families(part):
    text, _ = render(part)
    return {family.name for family in text_string_to_metric_families(text.decode())}


@pytest.fixture(autouse=True)
def _observed():
    metrics.MODEL.labels("iris.knn", "1", "run").set(1)
    metrics.HTTP_REQUESTS.labels("/readyz", "GET", 200).inc()
    metrics.STAKE.labels("iris", "knn").set(1)


def test_a_node_tells_nothing_of_ledger_journal_or_stake():
    ours = {name for name in families("node") if name.startswith("concord_")}
    assert ours == {
        "concord_http_requests",
        "concord_http_seconds",
        "concord_http_refused",
        "concord_http_connections",
        "concord_gc_pause_seconds",
        "concord_model",
        "concord_node_rows",
        "concord_inference_seconds",
    }


def test_the_consensus_service_tells_of_no_model_of_its_own():
    ours = families("consensus")
    assert {"concord_ledger_alarm", "concord_waiting_rows", "concord_stake", "concord_http_requests"} <= ours
    assert not {"concord_model", "concord_node_rows", "concord_inference_seconds"} & ours


def test_a_node_tells_all_that_its_code_counts():
    code = "".join(path.read_text("utf-8") for path in Path(node.__file__).parent.glob("*.py"))
    counted = {getattr(metrics, name)._name for name in re.findall(r"metrics\.([A-Z_]+)", code)}
    assert len(counted) >= 3
    assert counted <= families("node")


@pytest.mark.parametrize("part", ["node", "consensus"])
def test_both_tell_of_their_process(part):
    assert "python_info" in families(part) or "python" in families(part)


@pytest.mark.parametrize("part", ["node", "consensus"])
@pytest.mark.parametrize("accept", [PROMETHEUS, "text/plain, Application/OpenMetrics-Text; version=what"])
def test_openmetrics_is_answered_where_it_is_asked_for(part, accept):
    text, media_type = render(part, accept)
    assert media_type.startswith("application/openmetrics-text; version=1.0.0")
    assert text.endswith(b"# EOF\n")
    assert list(openmetrics.text_string_to_metric_families(text.decode()))


@pytest.mark.parametrize("accept", [None, "", "*/*", "text/plain;version=0.0.4", ",;="])
def test_prometheus_text_is_answered_otherwise(accept):
    text, media_type = render("node", accept)
    assert media_type == "text/plain; version=0.0.4; charset=utf-8"
    assert b"# EOF" not in text


@pytest.mark.parametrize("accept", [None, PROMETHEUS])
def test_no_series_says_when_another_began(accept):
    assert b"_created" not in render("consensus", accept)[0]
