"""How many rows a second drift detection takes in, and in how much memory: `python -m benchmarks.drift`.

A million generated rows of six columns go through the sketches twice: as arrays, which is the rules alone,
and as JSON, which is how they stand in the journal. Peak memory is Python's own, by tracemalloc, measured
in a third and shorter run, since measuring takes time. With `--live ROUNDS` so many rounds with votes of four
nodes and a label each are written to a journal in a SQLite file, and reported on as
`GET /v1/tasks/{task}/drift` does; the peak is the process' resident memory there, as the kernel counts it.
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
"""As the journal streams them."""

CHOICES: Final = ("north", "east", "south", "west")
NUMBERS: Final = 4
NODES: Final = ("forest", "knn", "logistic", "svm")
LEARNED: Final = 8000

Matrix = npt.NDArray[np.float64]


def generate(random: np.random.Generator, rows: int) -> Matrix:
    """Columns: four numbers, two choices; of shape (columns, rows)."""
    numbers = random.normal(50, 10, (NUMBERS, rows)).round(3)
    return np.concatenate([numbers, random.integers(len(CHOICES), size=(2, rows)).astype(np.float64)])


def learn(rows: Matrix) -> TrainingProfile:
    """A profile of the rows, written as version 2 has it."""
    features: dict[str, object] = {}
    for place, column in enumerate(rows):
        if place >= NUMBERS:
            shares = np.bincount(column.astype(int), minlength=len(CHOICES)) / len(column)
            features[f"choice_{place}"] = {"choices": dict(zip(CHOICES, shares.tolist(), strict=True))}
            continue
        seen = column.astype(np.float32).astype(np.float64)
        points = np.unique(np.quantile(seen, np.linspace(0, 1, most_points(NUMBERS)), method="lower"))
        after = np.searchsorted(points, seen)
        cells = 2 * after + (points[np.minimum(after, len(points) - 1)] == seen)
        features[f"number_{place}"] = {
            "edges": np.quantile(seen, np.linspace(0, 1, 11)[1:-1]).tolist(),
            "shares": [0.1] * 10,
            "points": points.tolist(),
            "counts": np.bincount(cells, minlength=2 * len(points) + 1).tolist(),
            "minimum": float(seen.min()),
            "maximum": float(seen.max()),
        }
    return TrainingProfile.from_json({"version": 2, "rows": rows.shape[1], "features": features})


def chunks(rows: int) -> Iterator[Matrix]:
    """Generated rows, a chunk at a time."""
    random = np.random.default_rng(1)
    for _ in range(0, rows, CHUNK):
        yield generate(random, CHUNK)


def as_json(reference: TrainingProfile, matrix: Matrix) -> list[bytes]:
    """The same rows as the journal keeps them."""
    names = [column.name for column in reference.features]
    columns = [
        [CHOICES[int(cell)] for cell in values] if place >= NUMBERS else values.tolist()
        for place, values in enumerate(matrix)
    ]
    return [orjson.dumps(dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)]


def time_arrays(reference: TrainingProfile, rows: int) -> tuple[float, str]:
    """Seconds for the rules alone, and what the report says."""
    sketches, seconds = Sketches(reference), 0.0
    for matrix in chunks(rows):
        began = time.perf_counter()
        sketches.add(matrix)
        seconds += time.perf_counter() - began
    return seconds, build_report("benchmark", reference, (), sketches).status


def time_json(reference: TrainingProfile, rows: int) -> float:
    """Seconds from the journal's bytes on."""
    sketches, seconds = Sketches(reference), 0.0
    for matrix in chunks(rows):
        encoded = as_json(reference, matrix)
        began = time.perf_counter()
        sketches.add_rows([orjson.loads(row) for row in encoded])
        seconds += time.perf_counter() - began
    return seconds


def peak(reference: TrainingProfile, rows: int) -> int:
    """Bytes of the most that was held at once."""
    tracemalloc.start()
    time_arrays(reference, rows)
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return held


def baseline(reference: TrainingProfile) -> DriftBaseline:
    """What a task's models would carry: the profile, and each node's answers to rows that were held out."""
    features = tuple(
        Feature(one.name, "choice", one.choices[0], choices=one.choices)
        if one.choices
        else Feature(one.name, "number", 50.0)
        for one in reference.features
    )
    schema = TaskSchema("benchmark", "Benchmark", "", features, tuple(Label(one, "") for one in CHOICES))
    answers = reference.features[-1]
    return DriftBaseline(schema, reference, NODES, dict.fromkeys(NODES, ("1", answers)))


def write(journal: Journal, reference: TrainingProfile, rounds: int) -> None:
    """Records and labels so many rounds, a second apart."""
    random = np.random.default_rng(2)
    number = 0
    for matrix in chunks(rounds):
        rows, labels = [], []
        for row in as_json(reference, matrix):
            number += 1
            said = random.integers(len(CHOICES), size=len(NODES))
            name = f"{number:032x}"
            at = number * 1_000_000
            rows.append(
                RoundRow(name, "benchmark", at, "ok", "wager", 1, name, verdict(said), row, None, due=False)
            )
            labels.append(LabelRow(name, int(said[0]), "benchmark", at, name))
        journal.record(rows)
        journal.label(labels)


def verdict(said: npt.NDArray[np.int64]) -> bytes:
    """An answer as it is kept, of about the usual length."""
    votes = [
        {
            "node": node,
            "version": "1",
            "outcome": "voted",
            "label": CHOICES[one],
            "value": None,
            "probabilities": dict.fromkeys(CHOICES, 0.25),
            "weight": 0.25,
            "latency_ms": 1.5,
        }
        for node, one in zip(NODES, said, strict=True)
    ]
    return orjson.dumps({"status": "ok", "label": CHOICES[said[0]], "value": None, "votes": votes})


def report_live(reference: TrainingProfile, rounds: int, folder: Path) -> str:
    """Rounds a second, peak and growth of resident memory of a report over so many rounds."""
    journal = Journal(f"sqlite:///{folder}/journal.sqlite")
    journal.migrate()
    write(journal, reference, rounds)
    # The task's names and members are not asked for here.
    live = LiveDrift(journal, cast("Ensembles", None))
    before, began = peak_resident(), time.perf_counter()
    report = live.report(baseline(reference), "benchmark", limit=rounds)
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
    """Bytes of the most that was resident since the last reset; Linux only."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024


def main() -> None:
    """Runs it and prints one line a way."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--live", type=int, default=0, metavar="ROUNDS", help="a journal of so many rounds")
    given = parser.parse_args()
    rows = given.rows
    reference = learn(generate(np.random.default_rng(0), LEARNED))
    if given.live:
        with tempfile.TemporaryDirectory() as folder:
            say(f"live    {report_live(reference, given.live, Path(folder))}")
        return
    seconds, status = time_arrays(reference, rows)
    say(f"arrays  {rows / seconds:12,.0f} rows/s  ({rows:,} rows of 6 columns, {status})")
    fewer = max(CHUNK, rows // 5)
    say(f"JSON    {fewer / time_json(reference, fewer):12,.0f} rows/s  ({fewer:,} rows)")
    short, long = (peak(reference, some) for some in (10 * CHUNK, 100 * CHUNK))
    say(f"memory  {long / 1e6:12.1f} MB at {100 * CHUNK:,} rows, {short / 1e6:.1f} MB at {10 * CHUNK:,}")


def say(line: str) -> None:
    """One line of the result."""
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
