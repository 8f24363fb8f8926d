"""Nodes: what they say of themselves, how they are asked, and how the service shows them.

Bodies between the service and its nodes are raw little-endian float32, which at many rows cost what one
row costs. A pickle is never read.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

NodeStatus = Literal["up", "down", "mismatched", "unknown"]

ROWS_TYPE = "application/vnd.concord.rows"
"""Media type of a call to a node: float32, little-endian, C order, shape (rows, features)."""

VOTES_TYPE = "application/vnd.concord.votes"
"""Media type of a node's answer: float32, little-endian, C order, shape (rows, classes or 1)."""

SCHEMA_HEADER = "x-concord-schema"
"""Digest of the schema that the rows follow; a node with another schema answers 409."""

MODEL_HEADER = "x-concord-model"
"""`<task>.<node>/<version>` of the model that answered."""

CHALLENGER_HEADER = "x-concord-challenger"
"""`<task>.<node>/<version>` of the challenger, whose votes follow the champion's; absent without one."""

REQUEST_ID_HEADER = "x-request-id"
"""The request's id; a call that serves several requests lists their ids, separated by commas."""


@dataclass(frozen=True, slots=True)
class ChallengerInfo:
    """The version that a node tries beside its champion; its votes do not count.

    Attributes:
        version: Version in the registry; like the rest None where it could not be loaded.
        run_id: MLflow run that fitted it.
        digest: SHA-256 of the ONNX file, in hex.
        dropped: Why it has stopped answering, for people; None while it answers.
    """

    version: str | None
    run_id: str | None
    digest: str | None
    dropped: str | None = None


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """A node's description of itself on `/info`.

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


@dataclass(frozen=True, slots=True)
class ChallengerRecord:
    """The record of a version under trial, which is on probation for its first 20 labelled rounds."""

    version: str
    standing: Literal["probation", "proven"]
    labelled: int
    skill: float


@dataclass(frozen=True, slots=True)
class NodeView:
    """One line of `GET /v1/nodes`. Stake is in stake units, weight and accuracy in 0..1.

    Attributes:
        accuracy: Held out, as the node stated it; None for a regression.
        reason: Why it is not up, for people.
        standing_reason: Why it does not count, or not more than its peers, for people; None where it does.
        skill: Faded mean of its version's quadratic score, in 0..1; None before its account is open.
        labelled: Labelled rounds that its version answered.
        hit_rate: Share of them in which it was right; None without any.
        regret: What it lost against the mean of all, beyond the allowance; above 6 it is jailed.
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
class AccountView:
    """A node's account after an operator's change, and the height of its block. Stake is in stake units."""

    task: str
    node: str
    height: int
    standing: Literal["active", "probation", "jailed"]
    stake: float
    deposit: float


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
