"""Which streams, adversaries and labels are played together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.consensus.actors import ADVERSARIES
from benchmarks.consensus.streams import STREAMS


@dataclass(frozen=True)
class Scenario:
    """One line of the table.

    Attributes:
        stream: A key of `STREAMS`.
        adversary: A key of `ADVERSARIES`.
        labels: A key of `LABELLINGS`.
        times: How many times as long as the others it is; only where the concept changes.
    """

    stream: str
    adversary: str = "nobody"
    labels: str = "prompt"
    times: int = 1

    @property
    def name(self) -> str:
        """In words, as `--scenario` takes it."""
        stream = self.stream if self.times == 1 else f"{self.stream} × {self.times}"
        return f"{stream}, {self.adversary}, {self.labels}"

    @property
    def is_labelled(self) -> bool:
        """Whether labels ever arrive."""
        return self.labels != "absent"

    @property
    def is_adaptive(self) -> bool:
        """Whether somebody in it adapts to the rule."""
        return "adaptive" in self.adversary


LONGER: Final = 5
"""A change is followed label by label: where one round in five has one, as many labels take so long."""

SLOW: Final = ("late", "scarce")
"""Labels that tell of a change long after it."""


def _all() -> tuple[Scenario, ...]:
    full = ("iris", "four", "regression")
    found = [Scenario(stream, adversary) for stream in full for adversary in ADVERSARIES]
    found += [
        Scenario(stream, adversary, labels)
        for stream in full
        for labels in ("late", "scarce", "noisy", "absent")
        for adversary in ("nobody", "33 % collude")
    ]
    found += [Scenario("concept", adversary) for adversary in ("nobody", "liar", "33 % collude")]
    found += [Scenario("concept", labels=labels) for labels in (*SLOW, "noisy")]
    found += [Scenario("concept", labels=labels, times=LONGER) for labels in SLOW]
    found += [
        Scenario("expert", adversary) for adversary in ("nobody", "liar", "49 % collude", "80 % collude")
    ]
    found += [Scenario("expert", labels=labels) for labels in ("late", "scarce", "noisy")]
    order = list(STREAMS)
    return tuple(sorted(found, key=lambda one: order.index(one.stream)))


SCENARIOS: Final[Sequence[Scenario]] = _all()


def chosen(texts: Sequence[str]) -> list[Scenario]:
    """The scenarios whose name contains any of the texts; all where there is none."""
    return [one for one in SCENARIOS if not texts or any(text.lower() in one.name.lower() for text in texts)]
