"""How many rows a second drift detection takes in, and in how much memory: `python -m benchmarks.drift`.

A million generated rows of six columns go through the sketches twice: as arrays, which is the rules alone,
and as JSON, which is how they stand in the journal. Peak memory is Python's own, by tracemalloc, measured
in a third and shorter run, since measuring takes time.
"""

import argparse
import sys
import time
import tracemalloc
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
import orjson

from concord.drift import Sketches, report_of
from concord.reference import Reference

CHUNK: Final = 2000
"""As the journal streams them."""

CHOICES: Final = ("north", "east", "south", "west")
NUMBERS: Final = 4
LEARNED: Final = 8000

Matrix = npt.NDArray[np.float64]


def generate(random: np.random.Generator, rows: int) -> Matrix:
    """Columns: four numbers, two choices; of shape (columns, rows)."""
    numbers = random.normal(50, 10, (NUMBERS, rows)).round(3)
    return np.concatenate([numbers, random.integers(len(CHOICES), size=(2, rows)).astype(np.float64)])


def learn(rows: Matrix) -> Reference:
    """A profile of the rows, written as version 2 has it."""
    features: dict[str, object] = {}
    for place, column in enumerate(rows):
        if place >= NUMBERS:
            shares = np.bincount(column.astype(int), minlength=len(CHOICES)) / len(column)
            features[f"choice_{place}"] = {"choices": dict(zip(CHOICES, shares.tolist(), strict=True))}
            continue
        seen = column.astype(np.float32).astype(np.float64)
        points = np.unique(np.quantile(seen, np.linspace(0, 1, 2048), method="lower"))
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
    return Reference.from_json({"version": 2, "rows": rows.shape[1], "features": features})


def chunks(rows: int) -> Iterator[Matrix]:
    """Generated rows, a chunk at a time."""
    random = np.random.default_rng(1)
    for _ in range(0, rows, CHUNK):
        yield generate(random, CHUNK)


def as_json(reference: Reference, matrix: Matrix) -> list[bytes]:
    """The same rows as the journal keeps them."""
    names = [column.name for column in reference.features]
    columns = [
        [CHOICES[int(cell)] for cell in values] if place >= NUMBERS else values.tolist()
        for place, values in enumerate(matrix)
    ]
    return [orjson.dumps(dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)]


def time_arrays(reference: Reference, rows: int) -> tuple[float, str]:
    """Seconds for the rules alone, and what the report says."""
    sketches, seconds = Sketches(reference), 0.0
    for matrix in chunks(rows):
        began = time.perf_counter()
        sketches.add(matrix)
        seconds += time.perf_counter() - began
    return seconds, report_of("benchmark", reference, (), sketches).status


def time_json(reference: Reference, rows: int) -> float:
    """Seconds from the journal's bytes on."""
    sketches, seconds = Sketches(reference), 0.0
    for matrix in chunks(rows):
        encoded = as_json(reference, matrix)
        began = time.perf_counter()
        sketches.add_rows([orjson.loads(row) for row in encoded])
        seconds += time.perf_counter() - began
    return seconds


def peak(reference: Reference, rows: int) -> int:
    """Bytes of the most that was held at once."""
    tracemalloc.start()
    time_arrays(reference, rows)
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return held


def main() -> None:
    """Runs it and prints one line a way."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    reference = learn(generate(np.random.default_rng(0), LEARNED))
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
