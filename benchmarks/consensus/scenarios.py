"""Scenarios of the consensus benchmark: combinations of stream, adversary and labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.consensus.actors import ADVERSARIES
from benchmarks.consensus.streams import STREAMS


@dataclass(frozen=True)
class Scenario:
    """A stream, an adversary and a kind of labels, simulated together.

    Attributes:
        stream: A key of `STREAMS`.
        adversary: A key of `ADVERSARIES`.
        labels: A key of `LABELLINGS`.
        times: Factor of its length; other than 1 only where the concept changes.
    """

    stream: str
    adversary: str = "nobody"
    labels: str = "prompt"
    times: int = 1

    @property
    def name(self) -> str:
        """Its name, as `--scenario` takes it."""
        stream = self.stream if self.times == 1 else f"{self.stream} × {self.times}"
        return f"{stream}, {self.adversary}, {self.labels}"

    @property
    def is_labelled(self) -> bool:
        """Whether labels ever arrive."""
        return self.labels != "absent"

    @property
    def is_adaptive(self) -> bool:
        """Whether its adversary adapts to the rule."""
        return "adaptive" in self.adversary


LONGER: Final = 5
"""Factor of the length of prolonged streams: where one round in five has a label, as many take so long."""

SLOW: Final = ("late", "scarce")
"""Labels that arrive long after a change, or seldom."""


def _all() -> tuple[Scenario, ...]:
    full = ("iris", "four", "regression")
    scenarios = [Scenario(stream, adversary) for stream in full for adversary in ADVERSARIES]
    scenarios += [
        Scenario(stream, adversary, labels)
        for stream in full
        for labels in ("late", "scarce", "noisy", "absent")
        for adversary in ("nobody", "33 % collude")
    ]
    scenarios += [Scenario("concept", adversary) for adversary in ("nobody", "liar", "33 % collude")]
    scenarios += [Scenario("concept", labels=labels) for labels in (*SLOW, "noisy")]
    scenarios += [Scenario("concept", labels=labels, times=LONGER) for labels in SLOW]
    scenarios += [
        Scenario("expert", adversary) for adversary in ("nobody", "liar", "49 % collude", "80 % collude")
    ]
    scenarios += [Scenario("expert", labels=labels) for labels in ("late", "scarce", "noisy")]
    return tuple(sorted(scenarios, key=lambda scenario: list(STREAMS).index(scenario.stream)))


SCENARIOS: Final[Sequence[Scenario]] = _all()


def select(texts: Sequence[str]) -> list[Scenario]:
    """The scenarios whose name contains any of the texts; all where there is none."""
    texts = [text.lower() for text in texts] or [""]
    return [scenario for scenario in SCENARIOS if any(text in scenario.name.lower() for text in texts)]
