"""Command line of the other stacks' processes: role, port, model and nodes."""

import argparse
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class WeightedNode:
    """Name, address and vote weight of a node that a service asks."""

    name: str
    url: str
    weight: float

    def __str__(self) -> str:
        """The value of its `--node` option."""
        return f"{self.name}={self.url}={self.weight}"


@dataclass(frozen=True)
class Arguments:
    """Parsed command line; a node has a model, a service has nodes and labels."""

    role: str
    port: int
    model: Path
    nodes: list[WeightedNode]
    labels: list[str]


def read_arguments(description: str | None) -> Arguments:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=(description or "").split("\n", maxsplit=1)[0])
    parser.add_argument("role", choices=["node", "service"])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", type=Path, default=Path())
    parser.add_argument("--node", type=_weighted_node, action="append", default=[], metavar="NAME=URL=WEIGHT")
    parser.add_argument("--labels", default="")
    options = parser.parse_args()
    return Arguments(options.role, options.port, options.model, options.node, options.labels.split(","))


def _weighted_node(text: str) -> WeightedNode:
    name, url, weight = text.split("=")
    return WeightedNode(name, url, float(weight))
