"""Detects growing errors: River's ADWIN over the errors of labelled rounds, in their order.

River imports SciPy, which takes seconds and 150 MB, so the detector runs in a process of its own: this module
as a command, which reads errors in 0..1 as raw floats and writes JSON. River is an optional dependency; where
it is not installed, the report names that as a problem.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from itertools import pairwise
from typing import Final

import numpy as np

from concord.drift.report import LEAST_ROWS, LEVEL
from concord.types.drift import ErrorDrift, Stretch
from concord.util.times import iso

SECONDS: Final = 60.0
"""Time limit of the detector; a million errors take half a second, its start seconds on a busy machine."""

MOST_STRETCHES: Final = 30
"""Points of the curve of errors that a chart has room for."""

LEAST_STRETCH: Final = 20
"""Rounds of a point of the curve: the mean error of twenty has a standard error of about 0.1."""

_COMMAND: Final = (sys.executable, "-m", __name__)


def scale_error(error: float, scale: float) -> float:
    """A value's error in 0..1, as ADWIN needs it; 0.5 at the task's usual error."""
    return error / (error + scale)


def detect_error_drift(errors: Sequence[float], times: Sequence[int]) -> ErrorDrift:
    """Runs the detector; it takes seconds, so call this in a thread.

    Args:
        errors: In 0..1, the oldest first.
        times: Of the same rounds, in µs since the epoch.
    """
    if len(errors) < LEAST_ROWS:
        return ErrorDrift(len(errors), "too_few_rows")
    unknown = ErrorDrift(len(errors), "too_few_rows", course=mean_errors(errors, times))
    if find_spec("river") is None:
        return replace(
            unknown, problem="River is not installed beside this service: `uv sync --group drift`."
        )
    try:
        data = np.array(errors, dtype="<f8").tobytes()
        process = subprocess.run(_COMMAND, input=data, capture_output=True, timeout=SECONDS, check=True)  # noqa: S603
        change = json.loads(process.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return replace(unknown, problem=f"The detector did not answer ({type(error).__name__}).")
    index, before, now = change["index"], change["before"], change["now"]
    return replace(
        unknown,
        status="drifted" if before is not None and now > before else "steady",
        error=now,
        error_before=before,
        since=None if index is None else iso(times[index]),
    )


def mean_errors(errors: Sequence[float], times: Sequence[int]) -> list[Stretch]:
    """Mean errors of successive stretches of equally many rounds, the oldest first."""
    count = max(1, min(MOST_STRETCHES, len(errors) // LEAST_STRETCH))
    ends = [len(errors) * k // count for k in range(count + 1)]
    return [
        Stretch(iso(times[start]), stop - start, round(float(np.mean(errors[start:stop])), 6))
        for start, stop in pairwise(ends)
    ]


def newest_change(errors: Sequence[float]) -> dict[str, float | int | None]:
    """Index of the newest change, the mean error before it, and the mean of the detector's window now."""
    from river.drift import ADWIN  # noqa: PLC0415 - heavy, and only the child process needs it

    detector = ADWIN(delta=LEVEL)
    index, before = None, None
    for position, error in enumerate(errors):
        mean = detector.estimation
        detector.update(error)
        if detector.drift_detected:
            # ADWIN reports one change in several steps: detections close together belong to the same one.
            is_same = before is not None and index is not None and position - index <= LEAST_ROWS
            before = before if is_same else mean
            index = position
    return {"index": index, "before": before, "now": detector.estimation}


if __name__ == "__main__":
    received = np.frombuffer(sys.stdin.buffer.read(), dtype="<f8")
    sys.stdout.write(json.dumps(newest_change(received.tolist())))
