"""Whether errors have grown: River's ADWIN over the errors of labelled rounds, in their order.

River brings SciPy along: seconds of import and 150 MB, which a service that answers questions shall not
bear. So the detector runs in a process of its own, `python -m concord.drift.errors`, that gets
errors in 0..1 as raw floats and says what it saw. Where River is not installed, that is said instead.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import pairwise
from typing import Final

import numpy as np

from concord.drift.report import LEAST_ROWS, LEVEL
from concord.types.drift import ErrorDrift, Stretch
from concord.util.times import iso

SECONDS: Final = 60.0
"""A million errors take it half a second; starting it takes some where disk or cores are busy."""

MOST_STRETCHES: Final = 30
"""Points of a curve that a picture has room for."""

LEAST_STRETCH: Final = 20
"""Rounds of which a mean error says something: that of twenty has a standard error of 0.1 or so."""

_COMMAND: Final = (sys.executable, "-m", "concord.drift.errors")


def scaled(error: float, scale: float) -> float:
    """A value's error as ADWIN needs it, in 0..1: half at the task's usual error."""
    return error / (error + scale)


def error_drift(errors: Sequence[float], times: Sequence[int]) -> ErrorDrift:
    """What the detector says of errors in 0..1, the oldest first, with the rounds' times in µs beside them.

    It blocks for seconds; call it in a thread.
    """
    if len(errors) < LEAST_ROWS:
        return ErrorDrift(len(errors), "too_few_rows")
    course = course_of(errors, times)
    if find_spec("river") is None:
        missing = "River is not installed beside this service: `uv sync --group drift`."
        return ErrorDrift(len(errors), "too_few_rows", problem=missing, course=course)
    try:
        data = np.array(errors, dtype="<f8").tobytes()
        done = subprocess.run(_COMMAND, input=data, capture_output=True, timeout=SECONDS, check=True)  # noqa: S603
        said = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        silent = f"The detector did not answer ({type(error).__name__})."
        return ErrorDrift(len(errors), "too_few_rows", problem=silent, course=course)
    place, before, now = said["place"], said["before"], said["now"]
    return ErrorDrift(
        len(errors),
        "drifted" if before is not None and now > before else "steady",
        now,
        before,
        None if place is None else iso(times[place]),
        course=course,
    )


def course_of(errors: Sequence[float], times: Sequence[int]) -> list[Stretch]:
    """The mean errors of stretches of as many rounds, the oldest first."""
    count = max(1, min(MOST_STRETCHES, len(errors) // LEAST_STRETCH))
    ends = [len(errors) * place // count for place in range(count + 1)]
    return [
        Stretch(iso(times[start]), stop - start, round(float(np.mean(errors[start:stop])), 6))
        for start, stop in pairwise(ends)
    ]


def newest_change(errors: Sequence[float]) -> dict[str, float | int | None]:
    """The place of the newest change, the mean before it, and the mean of what the detector still holds."""
    from river.drift import ADWIN  # noqa: PLC0415 - heavy, and only the child has a use for it

    detector = ADWIN(delta=LEVEL)
    place, before = None, None
    for index, error in enumerate(errors):
        mean = detector.estimation
        detector.update(error)
        if detector.drift_detected:
            # What follows the change is noticed in steps, so a rise goes on while the mean goes on rising.
            goes_on = before is not None and place is not None and index - place <= LEAST_ROWS
            before = before if goes_on else mean
            place = index
    return {"place": place, "before": before, "now": detector.estimation}


if __name__ == "__main__":
    received = np.frombuffer(sys.stdin.buffer.read(), dtype="<f8")
    sys.stdout.write(json.dumps(newest_change(received.tolist())))
