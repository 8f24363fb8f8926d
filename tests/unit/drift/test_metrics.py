"""What metrics say of a report, and of what the next report no longer has."""

import math
from dataclasses import replace

import numpy as np
import pytest
from prometheus_client import REGISTRY

from concord.drift.metrics import DriftGauges
from concord.drift.report import Sketches, build_report
from concord.types.drift import ErrorDrift, NodeAnswers
from tests.unit.profiles import GRADES, reference_of

TASK = "gauged"


@pytest.fixture
def report():
    """All of its column x beyond what was learned, and a node whose answers are spread as those of x."""
    sketches = Sketches(reference_of(np.arange(900), np.arange(900) % 3))
    sketches.add_rows([{"x": 2000.0 + place, "grade": GRADES[place % 3]} for place in range(300)])
    drift = build_report(TASK, reference_of(np.arange(900)), (), sketches)
    return replace(drift, answers=[NodeAnswers("knn", "1", drift.features[0])])


def value(metric, **labels):
    return REGISTRY.get_sample_value(f"concord_{metric}", {"task": TASK, **labels})


def test_each_column_and_node_says_whether_it_has_drifted_and_how_far(report):
    DriftGauges().show(report)
    assert value("drifted", kind="feature", name="x") == 1
    assert value("drifted", kind="feature", name="grade") == 0
    assert value("drifted", kind="answers", name="knn") == 1
    assert value("drift_psi", feature="x") == report.features[0].psi
    assert value("drift_answers_psi", node="knn", version="1") == report.features[0].psi
    assert value("drift_rows") == 300


def test_errors_are_shown_as_they_are_and_were(report):
    gauges = DriftGauges()
    gauges.show(replace(report, errors=ErrorDrift(500, "drifted", 0.4, 0.1, "2026-01-31T09:00:00+00:00")))
    assert value("drifted", kind="errors", name="errors") == 1
    assert (value("drift_errors", stretch="now"), value("drift_errors", stretch="before")) == (0.4, 0.1)
    gauges.show(replace(report, errors=ErrorDrift(500, "steady", 0.3)))
    assert value("drifted", kind="errors", name="errors") == 0
    assert math.isnan(value("drift_errors", stretch="before"))


def test_what_the_next_report_no_longer_has_is_taken_back(report):
    gauges, version_2 = DriftGauges(), NodeAnswers("knn", "2", report.features[0])
    gauges.show(report)
    gauges.show(replace(report, features=report.features[1:], answers=[version_2]))
    assert math.isnan(value("drifted", kind="feature", name="x"))
    assert math.isnan(value("drift_psi", feature="x"))
    assert math.isnan(value("drift_answers_psi", node="knn", version="1"))
    assert value("drift_answers_psi", node="knn", version="2") == report.features[0].psi
    assert value("drifted", kind="answers", name="knn") == 1
