"""Delay, share and noise of the labels of a simulated stream."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.consensus.streams import Stream


@dataclass(frozen=True)
class Labelling:
    """How a stream is labelled.

    Attributes:
        share: Share of the rounds that ever get a label.
        delay: Least and greatest delay of a label, in rounds.
        wrong: Share of the labels that differ from the truth.
    """

    share: float = 1.0
    delay: tuple[int, int] = (1, 1)
    wrong: float = 0.0

    def arrivals(self, stream: Stream, rng: np.random.Generator) -> list[list[tuple[int, int]]]:
        """For each round, the labels that arrive right before it: (round, label)."""
        labels = self._draw(stream, rng)
        labelled = rng.random(stream.rounds) < self.share
        due = np.arange(stream.rounds) + rng.integers(self.delay[0], self.delay[1] + 1, size=stream.rounds)
        arriving: list[list[tuple[int, int]]] = [[] for _ in range(stream.rounds)]
        for round_ in np.flatnonzero(labelled & (due < stream.rounds)).tolist():
            arriving[int(due[round_])].append((round_, int(labels[round_])))
        return arriving

    def _draw(self, stream: Stream, rng: np.random.Generator) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        wrong = rng.random(stream.rounds) < self.wrong
        if stream.classes:
            other = (stream.truth + rng.integers(1, stream.classes, size=stream.rounds)) % stream.classes
        else:
            other = rng.permutation(stream.truth)
        return np.where(wrong, other, stream.truth)


LABELLINGS: Final[Mapping[str, Labelling]] = {
    "prompt": Labelling(),
    "late": Labelling(delay=(50, 150)),
    "scarce": Labelling(share=0.2),
    "noisy": Labelling(wrong=0.15),
    "absent": Labelling(share=0.0),
}
