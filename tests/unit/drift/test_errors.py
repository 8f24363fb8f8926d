"""The detection of growing errors, and the problem where there is no detector."""

import subprocess
import sys

import numpy as np
import pytest

from concord.drift import errors as drift_errors
from concord.drift.report import LEAST_ROWS


def detect(errors):
    return drift_errors.detect_error_drift(errors, list(range(len(errors))))


def test_too_few_labels_give_no_result_and_start_no_process(monkeypatch):
    monkeypatch.setattr(subprocess, "run", None)
    assert detect([1.0] * (LEAST_ROWS - 1)).status == "too_few_rows"
    assert detect([]).labelled == 0


def test_without_river_the_remedy_is_named(monkeypatch):
    monkeypatch.setattr(drift_errors, "find_spec", lambda name: None)
    drift = detect([0.0] * 200)
    assert (drift.status, drift.error) == ("too_few_rows", None)
    assert "uv sync --group drift" in drift.problem
    assert sum(stretch.labelled for stretch in drift.course) == 200


@pytest.mark.parametrize(("count", "stretches"), [(100, 5), (599, 29), (10_001, 30)])
def test_the_course_of_errors_has_each_round_once_in_a_few_stretches(count, stretches):
    errors = [float(index >= count // 2) for index in range(count)]
    course = drift_errors.mean_errors(errors, [index * 1_000_000 for index in range(count)])
    assert len(course) == stretches
    assert sum(stretch.labelled for stretch in course) == count
    assert sum(stretch.labelled * stretch.error for stretch in course) == pytest.approx(sum(errors), rel=1e-4)
    assert (course[0].since, course[0].error) == ("1970-01-01T00:00:00.000+00:00", 0)
    assert course[-1].error == 1


@pytest.mark.parametrize("command", [("false",), ("echo", "no JSON"), ("no-such-program",)])
def test_a_detector_that_fails_is_a_problem_of_the_report_and_no_error(monkeypatch, command):
    monkeypatch.setattr(drift_errors, "_COMMAND", command)
    drift = detect([0.0] * 200)
    assert drift.status == "too_few_rows"
    assert "did not answer" in drift.problem


def test_an_error_is_half_at_the_usual_error_and_never_one():
    assert drift_errors.scale_error(0.0, 1000.0) == 0
    assert drift_errors.scale_error(1000.0, 1000.0) == 0.5
    assert drift_errors.scale_error(1e15, 1000.0) < 1


@pytest.mark.slow
def test_the_newest_change_decides():
    random = np.random.default_rng(0)
    sample = lambda share: (random.random(1000) < share).astype(float).tolist()  # noqa: E731
    for shares, status in {
        (0.1, 0.1): "steady",
        (0.1, 0.4): "drifted",
        (0.4, 0.1): "steady",
        (0.1, 0.5, 0.1): "steady",
    }.items():
        drift = detect([error for share in shares for error in sample(share)])
        assert (drift.status, drift.problem) == (status, None), shares
        assert drift.error == pytest.approx(shares[-1], abs=0.06)
        assert (drift.since is None) == (len(set(shares)) == 1)


@pytest.mark.slow
def test_steady_errors_raise_at_most_five_alarms_in_a_hundred_streams():
    from concord.drift.errors import newest_change

    random = np.random.default_rng(1)
    changes = [newest_change((random.random(2000) < 0.2).astype(float).tolist()) for _ in range(100)]
    assert sum(change["before"] is not None for change in changes) <= 5


@pytest.mark.slow
def test_the_service_imports_nothing_of_the_detectors():
    program = "import sys, concord.service; print({'river', 'scipy', 'pandas'} & sys.modules.keys())"
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert process.stdout == "set()\n"
