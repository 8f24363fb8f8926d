"""What travels over HTTP between caller, consensus service and nodes: shapes, names and limits.

These are values; they decide nothing. `pydantic.TypeAdapter` reads and describes them (OpenAPI),
orjson writes them. `Vote` and `Verdict` are neither frozen nor slotted, since there are five or more a
round: to make a frozen one takes three times as long, and orjson writes a verdict with slots in 4.4 µs
and one without in 1.75. Nobody changes one. The bodies between the service and its nodes are raw
little-endian float32, because at many rows that costs what one row costs; a pickle is never read.
"""

from dataclasses import dataclass, field
from typing import Any, Final, Literal

from concord.types.explanation import Explanation, StatedLabel

Outcome = Literal["voted", "late", "unavailable", "invalid", "shadow", "jailed"]
"""What a node did in a round. A `shadow` is asked and scored off the answer's path and does not count; one
that is `jailed` for malformed answers is not even asked."""

ASIDE: Final[frozenset[Outcome]] = frozenset({"shadow", "jailed"})
"""What is no failing of a node in this round: it was not meant to count."""

Status = Literal["ok", "degraded", "no_quorum"]
SettlementStatus = Literal["none", "due", "settled"]
LabelOutcome = Literal["accepted", "known", "conflict", "unknown", "expired", "invalid", "forbidden"]
NodeStatus = Literal["up", "down", "mismatched", "unknown"]

ROWS_TYPE = "application/vnd.concord.rows"
"""Body of a question to a node: float32, little-endian, C order, shape (rows, features)."""

VOTES_TYPE = "application/vnd.concord.votes"
"""Body of a node's answer: float32, little-endian, C order, shape (rows, classes); values: (rows, 1)."""

SCHEMA_HEADER = "x-concord-schema"
"""Digest of the schema that the rows are written by; a node with another one answers 409."""

MODEL_HEADER = "x-concord-model"
"""`<task>.<node>/<version>` of the model that answered."""

CHALLENGER_HEADER = "x-concord-challenger"
"""`<task>.<node>/<version>` of the version whose votes follow the champion's; absent without one."""

REQUEST_ID_HEADER = "x-request-id"
"""The caller's id, or one made here; a call that serves several requests lists theirs, with commas."""


@dataclass(frozen=True, slots=True)
class ChallengerInfo:
    """The version that a node tries beside its champion; its votes count for nothing.

    Attributes:
        version: Version in the registry; like the rest None where it could not be loaded.
        run_id: MLflow run that fitted it.
        digest: SHA-256 of the ONNX file, in hex.
        dropped: Why it answers no more, for people; None while it does.
    """

    version: str | None
    run_id: str | None
    digest: str | None
    dropped: str | None = None


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """What a node says of itself on `/info`.

    Attributes:
        model: Registered name, `<task>.<node>`.
        version: Version in the registry.
        run_id: MLflow run that fitted it.
        digest: SHA-256 of the ONNX file, in hex.
        schema_digest: Digest of `schema`.
        schema: The task's schema as JSON.
        accuracy: Held-out accuracy in 0..1; None for a regression.
        challenger: The version that is tried beside it, if there is one.
    """

    model: str
    version: str
    run_id: str
    digest: str
    schema_digest: str
    schema: dict[str, Any]
    accuracy: float | None = None
    challenger: ChallengerInfo | None = None


@dataclass
class ChallengerVote:
    """What the version under trial would have voted, in the same call. It counts for nothing."""

    version: str
    label: str | None = None
    probabilities: dict[str, float] | None = None
    value: float | None = None


@dataclass
class Vote:
    """What one node did in a round. Probabilities and weight are in 0..1, latency in milliseconds."""

    node: str
    outcome: Outcome
    version: str | None
    weight: float
    latency_ms: float | None
    label: str | None = None
    probabilities: dict[str, float] | None = None
    value: float | None = None
    challenger: ChallengerVote | None = None


@dataclass(frozen=True, slots=True)
class Pool:
    """How the votes became one answer.

    Attributes:
        method: `weighted_mean` of class numbers (policy `seed`), `weighted_median` of each class's
            probability (while labels are few) or of the values, `stake_mean` where all medians are 0,
            `linear` opinion pool once labels are many.
        mean: The weighted mean of the class numbers under `seed`.
    """

    method: Literal["weighted_mean", "weighted_median", "stake_mean", "linear"]
    mean: float | None = None


@dataclass
class Verdict:
    """The consensus answer to one row, with its evidence.

    Attributes:
        id: 128 random bits in hex; labels and explanations refer to it.
        status: `ok`: all nodes voted; `degraded`: enough did; `no_quorum`: too few, no answer.
        label: The answer of a classification.
        value: The answer of a regression, in `unit`.
        sentence: The answer for people.
        probabilities: The pooled opinion, by label.
        agreement: Share of the weight that stands behind the answer, in 0..1.
        height: Ledger block on whose state the round was decided.
        recorded: Whether the journal has it durably; `?recorded=true` waits until it has.
        settlement: `none`: no money moves; `due`: the block follows; `settled`: it is in `block`.
    """

    id: str
    task: str
    status: Status
    label: str | None
    value: float | None
    unit: str | None
    sentence: str | None
    probabilities: dict[str, float] | None
    agreement: float | None
    policy: Literal["wager", "seed"]
    pool: Pool | None
    height: int
    recorded: bool
    settlement: SettlementStatus
    votes: list[Vote]
    block: int | None = None
    error: dict[str, str | None] | None = None


@dataclass(frozen=True, slots=True)
class PredictResponse:
    """Answer to `POST /v1/tasks/{task}/predict`: one verdict a row, in the rows' order."""

    task: str
    request_id: str
    verdicts: list[Verdict]


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
    """The task whose nodes this one asks, where it has none of its own."""


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


@dataclass(frozen=True, slots=True)
class ChallengerRecord:
    """What a version under trial has shown: it is on probation for its first 20 labelled rounds."""

    version: str
    standing: Literal["probation", "proven"]
    labelled: int
    skill: float


@dataclass(frozen=True, slots=True)
class NodeView:
    """One line of `GET /v1/nodes`. Stake is in stake units, weight and accuracy in 0..1.

    Attributes:
        reason: Why it is not up, for people.
        standing_reason: Why it does not count, for people; None where it does.
        skill: Faded mean of its version's quadratic score, in 0..1; None before its account is open.
        labelled: Labelled rounds that its version answered.
        hit_rate: Share of them in which it was right; None without any.
        regret: What it lost against the mean beyond what is forgiven; above 6 it is jailed.
        challenger: The record of the version that is tried beside it.
    """

    task: str
    node: str
    model: str
    version: str | None
    status: NodeStatus
    standing: Literal["active", "probation", "jailed"]
    stake: float
    deposit: float
    weight: float
    accuracy: float | None
    latency_ms: float | None
    url: str
    reason: str | None = None
    standing_reason: str | None = None
    skill: float | None = None
    labelled: int = 0
    hit_rate: float | None = None
    regret: float = 0.0
    challenger: ChallengerRecord | None = None


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
class AccountView:
    """A node's account after an operator changed it, and the block that says so. Stake is in stake units."""

    task: str
    node: str
    height: int
    standing: Literal["active", "probation", "jailed"]
    stake: float
    deposit: float


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


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One change of a node's stake."""

    height: int
    time: str
    event: str
    change: float
    stake: float
    rounds: int = 0
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class NodeHistory:
    """`GET /v1/nodes/{task}/{node}/history`, oldest first."""

    task: str
    node: str
    entries: list[HistoryEntry] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class BlockView:
    """One block of the ledger, with all that its hash is made of.

    Attributes:
        hash: SHA-256 of the canonical JSON of all that follows but `time_text`, in hex.
        time_text: `time` as ISO 8601 in UTC.
        format: Of the block.
        height: 1 for the first.
        previous: Hash of the block before.
        time: µs since the epoch.
        state: Hash of the state after it.
        events: Key → what happened, in µS and ppm.
    """

    hash: str
    time_text: str
    format: int
    height: int
    previous: str
    time: int
    state: str
    events: dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class BlockPage:
    """`GET /v1/ledger/blocks`: newest first; `before` of the next page, or None at the first block."""

    blocks: list[BlockView]
    before: int | None


@dataclass(frozen=True, slots=True)
class StakeMoves:
    """What moved one node's stake over some blocks, in stake units.

    Attributes:
        node: Its name.
        start: What it held before the first of them; None where its account was not open yet.
        end: What it holds after the last.
        paid: Paid in less taken out.
        judged: Gained or lost by labels, under `wager`.
        levelled: Gained or lost by levelling.
        slashed: Lost to the treasury by dissenting, under `seed`; below zero.
        points: Height and stake after that block, for each block that moved it.
    """

    node: str
    start: float | None
    end: float
    paid: float
    judged: float
    levelled: float
    slashed: float
    points: list[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class StakesPage:
    """`GET /v1/ledger/stakes/{task}`: who gained and who lost over at most 1,000 blocks.

    Attributes:
        task: Whose nodes.
        first: Height of the first block; 0 where there is none.
        last: Height of the last one.
        treasury: What the treasury gained.
        nodes: By name.
        before: Of the page of older blocks, or None.
    """

    task: str
    first: int
    last: int
    treasury: float
    nodes: list[StakeMoves]
    before: int | None
