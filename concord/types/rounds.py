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
    """Why, and the proof; None in a list."""
    truth: StatedLabel | None = None
    """What was true, as soon as somebody has said it."""


@dataclass(frozen=True, slots=True)
class LabelResult:
    """What became of one label.

    Attributes:
        id: The round, as the caller named it; None where it named none.
        status: `accepted` and `known` are good; each other one comes with an `error`.
        settlement: `none`: no money moves by it; `due`: the block follows; `settled`: it is in `block`.
    """

    id: str | None
    status: LabelOutcome
    settlement: SettlementStatus
    block: int | None
    error: dict[str, str | None] | None


@dataclass(frozen=True, slots=True)
class FeedbackResponse:
    """Answer to `POST /v1/feedback`: one result a label, in the labels' order.

    `error` is the first label's, where not one was good.
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
    """A row that was asked about, and what was true of it.

    Attributes:
        id: Of its round.
        time: When it was asked.
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
