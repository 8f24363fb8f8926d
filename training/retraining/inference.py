"""Runs champion and challenger as a node does: a model folder, its ONNX graph, one thread.

Their answers are judged, and their costs measured: the file's bytes, and the time for one row and for a
batch, in turns, so that other load on this machine affects both models alike.
"""

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from concord.node.model import OnnxModel
from concord.tasks.schema import Rows
from training.fitting.evaluate import Votes
from training.registry.versions import VersionFiles
from training.retraining.gate import Cost

BATCH = 64
"""Rows of a batch: what a node is sent at once under load."""

TURNS = 50
"""Measurements of each model; the median of fewer varies with the machine's other load."""


@contextmanager
def load_models(versions: Sequence[VersionFiles]) -> Iterator[list[OnnxModel]]:
    """The versions as nodes would load them.

    Raises:
        ConfigurationError: A graph breaks the contract.
    """
    with TemporaryDirectory(prefix="concord-retrain-") as name:
        models = []
        for place, version in enumerate(versions):
            folder = Path(name) / str(place)
            folder.mkdir()
            version.write(folder)
            models.append(OnnxModel(folder))
        yield models


def predict(model: OnnxModel, rows: Rows) -> Votes:
    """What it answers, of shape (rows, classes) or (rows, 1)."""
    return np.asarray(model.answer(np.ascontiguousarray(rows)), dtype=np.float64)


def measure_costs(models: Sequence[OnnxModel], sizes: Sequence[int], rows: Rows) -> list[Cost]:
    """Bytes and median milliseconds of each model.

    Args:
        models: What is measured, in turns.
        sizes: Bytes of their files.
        rows: Rows to ask; they are repeated up to a batch.
    """
    batch = np.ascontiguousarray(np.resize(rows, (BATCH, rows.shape[1])))
    row_times: list[list[float]] = [[] for _ in models]
    batch_times: list[list[float]] = [[] for _ in models]
    for _ in range(TURNS):
        for place, model in enumerate(models):
            row_times[place].append(_milliseconds(model, batch[:1]))
            batch_times[place].append(_milliseconds(model, batch))
    return [
        Cost(size, statistics.median(of_row), statistics.median(of_batch))
        for size, of_row, of_batch in zip(sizes, row_times, batch_times, strict=True)
    ]


def _milliseconds(model: OnnxModel, rows: Rows) -> float:
    begin = time.perf_counter()
    model.answer(rows)
    return (time.perf_counter() - begin) * 1000
