"""The command line that the other stacks' processes share: which role, which port, which nodes."""

import argparse
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Colleague:
    """A node that a service asks: its name, its address and what its vote weighs."""

    name: str
    url: str
    weight: float

    def __str__(self) -> str:
        """As it stands on a command line."""
        return f"{self.name}={self.url}={self.weight}"


@dataclass(frozen=True)
class Arguments:
    """What a process was started with; a node has a model, a service has nodes and labels."""

    role: str
    port: int
    model: Path
    nodes: list[Colleague]
    labels: list[str]


def read_arguments(description: str | None) -> Arguments:
    """Reads them."""
    parser = argparse.ArgumentParser(description=(description or "").split("\n", maxsplit=1)[0])
    parser.add_argument("role", choices=["node", "service"])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", type=Path, default=Path())
    parser.add_argument("--node", type=_colleague, action="append", default=[], metavar="NAME=URL=WEIGHT")
    parser.add_argument("--labels", default="")
    given = parser.parse_args()
    return Arguments(given.role, given.port, given.model, given.node, given.labels.split(","))


def _colleague(text: str) -> Colleague:
    name, url, weight = text.split("=")
    return Colleague(name, url, float(weight))
