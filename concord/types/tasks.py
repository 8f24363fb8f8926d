"""Tasks as the service lists them."""

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class TaskSummary:
    """One line of `GET /v1/tasks`."""

    task: str
    title: str
    description: str
    policy: Literal["wager", "seed"]
    ready: bool
    nodes: int
    nodes_up: int
    asks: str | None = None
    """The task whose nodes answer for this one, where it has none of its own."""


@dataclass(frozen=True, slots=True)
class TaskDetail:
    """`GET /v1/tasks/{task}`: the summary and the schema."""

    task: str
    title: str
    description: str
    policy: Literal["wager", "seed"]
    ready: bool
    quorum: float
    deadline_ms: int
    schema_digest: str
    schema: dict[str, Any]
    example: dict[str, float | str]
    asks: str | None = None
