"""Answered rounds, their labels, and what became of a label that was sent."""

from dataclasses import dataclass
from typing import Literal

from concord.types.answers import SettlementStatus, Verdict
from concord.types.explanation import Explanation, StatedLabel

LabelOutcome = Literal["accepted", "known", "conflict", "unknown", "expired", "invalid", "forbidden"]


@dataclass(frozen=True, slots=True)
class Round:
    """A round as the journal keeps it. `features` is None once forgotten or expired."""

    id: str
    task: str
    time: str
    request_id: str
    verdict: Verdict
    features: dict[str, float | str] | None
    traceparent: str | None = None
    block: int | None = None
    deltas: dict[str, float] | None = None
    """Stake that the settlement moved, by node; None until settled."""
    explanation: Explanation | None = None
    """Why it was answered so, and the proof of its settlement; None in a list."""
    truth: StatedLabel | None = None
    """The label; None until there is one."""


@dataclass(frozen=True, slots=True)
class LabelResult:
    """The result of one label that was sent.

    Attributes:
        id: The round's id as it was sent; None where none was.
        status: `accepted` and `known` mean that the round has this label; all others come with an `error`.
        settlement: `none`: it moves no stake; `due`: the block follows; `settled`: it is in `block`.
    """

    id: str | None
    status: LabelOutcome
    settlement: SettlementStatus
    block: int | None
    error: dict[str, str | None] | None


@dataclass(frozen=True, slots=True)
class FeedbackResponse:
    """Answer to `POST /v1/feedback`: one result a label, in the labels' order.

    `error` is the first label's, if none was accepted or known.
    """

    request_id: str
    labels: list[LabelResult]
    error: dict[str, str | None] | None = None


@dataclass(frozen=True, slots=True)
class RoundPage:
    """`GET /v1/rounds`: newest first; `after` of the next page, or None at the end."""

    rounds: list[Round]
    after: str | None


@dataclass(frozen=True, slots=True)
class LabelledRow:
    """The row of a round, and its label.

    Attributes:
        id: Of its round.
        time: When the round was answered.
        features: The row.
        label: The class's name, or the value in its unit.
    """

    id: str
    time: str
    features: dict[str, float | str]
    label: str | float


@dataclass(frozen=True, slots=True)
class LabelledPage:
    """`GET /v1/tasks/{task}/labelled`: oldest first; `next` of the page after it, or None at the end."""

    rows: list[LabelledRow]
    next: str | None
