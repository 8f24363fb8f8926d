"""Throughput and memory of drift detection: `python -m benchmarks.drift`.

Generated rows go through the sketches as arrays and as the journal's JSON; peak memory is tracemalloc's, of
a shorter run. With `--live ROUNDS` a drift report over a SQLite journal of so many rounds is measured, and
the peak is the process' resident memory.
"""

import argparse
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import numpy as np
import numpy.typing as npt
import orjson

from concord.drift.live import DriftBaseline, LiveDrift
from concord.drift.report import Sketches, build_report
from concord.journal import Journal
from concord.journal.rows import LabelRow, RoundRow
from concord.tasks.profile import TrainingProfile, most_points
from concord.tasks.schema import Feature, Label, TaskSchema

if TYPE_CHECKING:
    from concord.consensus.ensembles import Ensembles

CHUNK: Final = 2000
"""Rows at a time, as the journal streams them."""

CHOICES: Final = ("north", "east", "south", "west")
NUMBERS: Final = 4
NODES: Final = ("forest", "knn", "logistic", "svm")
PROFILE_ROWS: Final = 8000

Matrix = npt.NDArray[np.float64]


def generate(random: np.random.Generator, rows: int) -> Matrix:
    """Random rows of four numbers and two choices, of shape (columns, rows)."""
    numbers = random.normal(50, 10, (NUMBERS, rows)).round(3)
    return np.concatenate([numbers, random.integers(len(CHOICES), size=(2, rows)).astype(np.float64)])


def make_profile(rows: Matrix) -> TrainingProfile:
    """A training profile of the rows, in format version 2."""
    features: dict[str, object] = {}
    for index, column in enumerate(rows):
        if index >= NUMBERS:
            shares = np.bincount(column.astype(int), minlength=len(CHOICES)) / len(column)
            features[f"choice_{index}"] = {"choices": dict(zip(CHOICES, shares.tolist(), strict=True))}
            continue
        values = column.astype(np.float32).astype(np.float64)
        points = np.unique(np.quantile(values, np.linspace(0, 1, most_points(NUMBERS)), method="lower"))
        after = np.searchsorted(points, values)
        cells = 2 * after + (points[np.minimum(after, len(points) - 1)] == values)
        features[f"number_{index}"] = {
            "edges": np.quantile(values, np.linspace(0, 1, 11)[1:-1]).tolist(),
            "shares": [0.1] * 10,
            "points": points.tolist(),
            "counts": np.bincount(cells, minlength=2 * len(points) + 1).tolist(),
            "minimum": float(values.min()),
            "maximum": float(values.max()),
        }
    return TrainingProfile.from_json({"version": 2, "rows": rows.shape[1], "features": features})


def chunks(rows: int) -> Iterator[Matrix]:
    """Random rows, a chunk at a time."""
    random = np.random.default_rng(1)
    for _ in range(0, rows, CHUNK):
        yield generate(random, CHUNK)


def as_json(profile: TrainingProfile, matrix: Matrix) -> list[bytes]:
    """The rows as JSON, as the journal keeps them."""
    names = [column.name for column in profile.features]
    columns = [
        [CHOICES[int(cell)] for cell in values] if index >= NUMBERS else values.tolist()
        for index, values in enumerate(matrix)
    ]
    return [orjson.dumps(dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)]


def time_arrays(profile: TrainingProfile, rows: int) -> tuple[float, str]:
    """Seconds to add rows as arrays, and the report's status."""
    sketches, seconds = Sketches(profile), 0.0
    for matrix in chunks(rows):
        began = time.perf_counter()
        sketches.add(matrix)
        seconds += time.perf_counter() - began
    return seconds, build_report("benchmark", profile, (), sketches).status


def time_json(profile: TrainingProfile, rows: int) -> float:
    """Seconds to decode and add rows as JSON."""
    sketches, seconds = Sketches(profile), 0.0
    for matrix in chunks(rows):
        encoded = as_json(profile, matrix)
        began = time.perf_counter()
        sketches.add_rows([orjson.loads(row) for row in encoded])
        seconds += time.perf_counter() - began
    return seconds


def peak(profile: TrainingProfile, rows: int) -> int:
    """Peak memory of Python objects, in bytes."""
    tracemalloc.start()
    time_arrays(profile, rows)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak_bytes


def baseline(profile: TrainingProfile) -> DriftBaseline:
    """The drift baseline of a task: the profile, and each node's answers to held-out rows."""
    features = tuple(
        Feature(feature.name, "choice", feature.choices[0], choices=feature.choices)
        if feature.choices
        else Feature(feature.name, "number", 50.0)
        for feature in profile.features
    )
    schema = TaskSchema("benchmark", "Benchmark", "", features, tuple(Label(name, "") for name in CHOICES))
    answers = profile.features[-1]
    return DriftBaseline(schema, profile, NODES, dict.fromkeys(NODES, ("1", answers)))


def write(journal: Journal, profile: TrainingProfile, rounds: int) -> None:
    """Records and labels rounds in the journal, a second apart."""
    random = np.random.default_rng(2)
    number = 0
    for matrix in chunks(rounds):
        rows, labels = [], []
        for row in as_json(profile, matrix):
            number += 1
            votes = random.integers(len(CHOICES), size=len(NODES))
            name = f"{number:032x}"
            at = number * 1_000_000
            rows.append(
                RoundRow(name, "benchmark", at, "ok", "wager", 1, name, verdict(votes), row, None, due=False)
            )
            labels.append(LabelRow(name, int(votes[0]), "benchmark", at, name))
        journal.record(rows)
        journal.label(labels)


def verdict(choices: npt.NDArray[np.int64]) -> bytes:
    """The JSON of an answer, of about the usual length."""
    votes = [
        {
            "node": node,
            "version": "1",
            "outcome": "voted",
            "label": CHOICES[choice],
            "value": None,
            "probabilities": dict.fromkeys(CHOICES, 0.25),
            "weight": 0.25,
            "latency_ms": 1.5,
        }
        for node, choice in zip(NODES, choices, strict=True)
    ]
    return orjson.dumps({"status": "ok", "label": CHOICES[choices[0]], "value": None, "votes": votes})


def report_live(profile: TrainingProfile, rounds: int, folder: Path) -> str:
    """One line with the rounds a second and the resident memory of a drift report."""
    journal = Journal(f"sqlite:///{folder}/journal.sqlite")
    journal.migrate()
    write(journal, profile, rounds)
    # The report uses no ensembles here.
    live = LiveDrift(journal, cast("Ensembles", None))
    before, began = peak_resident(), time.perf_counter()
    report = live.report(baseline(profile), "benchmark", limit=rounds)
    seconds, after = time.perf_counter() - began, peak_resident(reset=False)
    journal.close()
    labelled = report.errors.labelled if report.errors else 0
    size = sum(path.stat().st_size for path in folder.iterdir())
    return (
        f"{rounds / seconds:12,.0f} rounds/s  ({report.rows:,} rounds, {labelled:,} labelled, "
        f"{size / 1e6:,.0f} MB of journal, {report.status}); resident memory {before / 1e6:.0f} MB before, "
        f"{after / 1e6:.0f} MB at the peak"
    )


def peak_resident(*, reset: bool = True) -> int:
    """Peak resident memory since the last reset, in bytes; Linux only."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024


def main() -> None:
    """Runs the measurements and prints a line for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--live", type=int, default=0, metavar="ROUNDS", help="a journal of so many rounds")
    arguments = parser.parse_args()
    rows = arguments.rows
    profile = make_profile(generate(np.random.default_rng(0), PROFILE_ROWS))
    if arguments.live:
        with tempfile.TemporaryDirectory() as folder:
            show(f"live    {report_live(profile, arguments.live, Path(folder))}")
        return
    seconds, status = time_arrays(profile, rows)
    show(f"arrays  {rows / seconds:12,.0f} rows/s  ({rows:,} rows of 6 columns, {status})")
    fewer = max(CHUNK, rows // 5)
    show(f"JSON    {fewer / time_json(profile, fewer):12,.0f} rows/s  ({fewer:,} rows)")
    short, long = (peak(profile, count) for count in (10 * CHUNK, 100 * CHUNK))
    show(f"memory  {long / 1e6:12.1f} MB at {100 * CHUNK:,} rows, {short / 1e6:.1f} MB at {10 * CHUNK:,}")


def show(line: str) -> None:
    """Prints a line of the result."""
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
