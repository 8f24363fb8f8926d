"""Whether errors have grown, and what is said where nobody can tell."""

import subprocess
import sys

import numpy as np
import pytest

from concord.drift import errors as error_drift
from concord.drift.report import LEAST_ROWS


def of(errors):
    return error_drift.error_drift(errors, list(range(len(errors))))


def test_too_few_labels_are_no_answer_and_start_no_process(monkeypatch):
    monkeypatch.setattr(subprocess, "run", None)
    assert of([1.0] * (LEAST_ROWS - 1)).status == "too_few_rows"
    assert of([]).labelled == 0


def test_without_river_the_remedy_is_named(monkeypatch):
    monkeypatch.setattr(error_drift, "find_spec", lambda name: None)
    found = of([0.0] * 200)
    assert (found.status, found.error) == ("too_few_rows", None)
    assert "uv sync --group drift" in found.problem
    assert sum(one.labelled for one in found.course) == 200


@pytest.mark.parametrize(("count", "stretches"), [(100, 5), (599, 29), (10_001, 30)])
def test_the_course_of_errors_has_each_round_once_in_a_few_stretches(count, stretches):
    errors = [float(place >= count // 2) for place in range(count)]
    course = error_drift.course_of(errors, [place * 1_000_000 for place in range(count)])
    assert len(course) == stretches
    assert sum(one.labelled for one in course) == count
    assert sum(one.labelled * one.error for one in course) == pytest.approx(sum(errors), rel=1e-4)
    assert (course[0].since, course[0].error) == ("1970-01-01T00:00:00.000+00:00", 0)
    assert course[-1].error == 1


@pytest.mark.parametrize("command", [("false",), ("echo", "no JSON"), ("no-such-program",)])
def test_a_detector_that_fails_is_said_and_no_error(monkeypatch, command):
    monkeypatch.setattr(error_drift, "_COMMAND", command)
    found = of([0.0] * 200)
    assert found.status == "too_few_rows"
    assert "did not answer" in found.problem


def test_an_error_is_half_at_the_usual_error_and_never_one():
    assert error_drift.scaled(0.0, 1000.0) == 0
    assert error_drift.scaled(1000.0, 1000.0) == 0.5
    assert error_drift.scaled(1e15, 1000.0) < 1


@pytest.mark.slow
def test_the_newest_change_decides():
    random = np.random.default_rng(0)
    stretch = lambda share: (random.random(1000) < share).astype(float).tolist()  # noqa: E731
    for shares, status in {
        (0.1, 0.1): "steady",
        (0.1, 0.4): "drifted",
        (0.4, 0.1): "steady",
        (0.1, 0.5, 0.1): "steady",
    }.items():
        found = of([error for share in shares for error in stretch(share)])
        assert (found.status, found.problem) == (status, None), shares
        assert found.error == pytest.approx(shares[-1], abs=0.06)
        assert (found.since is None) == (len(set(shares)) == 1)


@pytest.mark.slow
def test_steady_errors_raise_at_most_five_alarms_in_a_hundred_streams():
    from concord.drift.errors import newest_change

    random = np.random.default_rng(1)
    found = [newest_change((random.random(2000) < 0.2).astype(float).tolist()) for _ in range(100)]
    assert sum(one["before"] is not None for one in found) <= 5


def test_the_service_imports_nothing_of_the_detectors():
    looked = "import sys, concord.service; print({'river', 'scipy', 'pandas'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", looked], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
