"""Wire types of `/v1/models`: a node's versions, and the comparison of two of them."""

from dataclasses import dataclass, field
from typing import Literal

Phase = Literal["serving", "probation", "watch"]
"""`probation`: a challenger answers beside the champion; `watch`: the former champion does."""

ComparisonOutcome = Literal["better", "worse", "undecided", "too_few"]
"""Of the challenger, against the champion."""


@dataclass(frozen=True, slots=True)
class DesiredVersions:
    """The versions that a node is to serve: each a number, `@alias` or `models:/iris.knn/8`.

    Attributes:
        champion: The version that counts; None for the packaged one.
        challenger: The version that answers beside it; None for no challenger.
        champion_digest: SHA-256 of the champion's ONNX file in hex; a node loads no other.
        challenger_digest: The same of the challenger's.
    """

    champion: str | None = None
    challenger: str | None = None
    champion_digest: str | None = None
    challenger_digest: str | None = None


@dataclass(frozen=True, slots=True)
class ListedVersion:
    """One version in the registry; `metric` names the number that its run states, if it states one."""

    version: str
    created: str
    aliases: list[str]
    run_id: str
    digest: str
    metric: str | None = None
    value: float | None = None


@dataclass(frozen=True, slots=True)
class RegistryView:
    """What the registry says of a model: its aliases, and its versions, the newest first."""

    champion: str | None
    challenger: str | None
    versions: list[ListedVersion] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ModelView:
    """One line of `GET /v1/models`.

    Attributes:
        name: Registered name, `<task>.<node>`.
        champion: The version that answers now, as the node says; None while it cannot be asked.
        challenger: The version that answers beside it, as the node says.
        phase: Follows from the desired versions and the last decision.
        since: When that phase began; None where no decision began it.
        previous: The version that a rollback returns to, or `packaged`.
        wanted: The desired versions.
        rolling: Whether the node does not serve the desired versions yet, or has served them for less than
            the ten seconds after which the ledger records it; until then rounds count for neither version.
        registry: The registered model; None where no registry is configured, or it does not serve.
        dropped: Why the challenger answers no more; None while it answers.
        problem: What could not be read, for people; None where everything could.
    """

    name: str
    task: str
    node: str
    champion: str | None
    challenger: str | None
    phase: Phase
    since: str | None
    previous: str | None
    wanted: DesiredVersions
    rolling: bool
    registry: RegistryView | None
    dropped: str | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Appointed:
    """The answer to a decision about a model."""

    model: ModelView


@dataclass(frozen=True, slots=True)
class Contender:
    """A version and its mean score, where 1 is best; None before the first round."""

    version: str
    score: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Champion and challenger on the same labelled rounds.

    Attributes:
        name: Registered name.
        phase: The model's.
        since: From when on rounds are looked at.
        score: `hit`, `brier`, or `closeness` of a value; of each 1 is best.
        champion: Who counts.
        challenger: Who is tried, or watched beside.
        rounds: Labelled rounds that both answered.
        difference: Mean score of the challenger less the champion's; None without rounds.
        low: Lower end of the interval of the mean difference, which holds however often one looks.
        high: Its upper end.
        verdict: `better` or `worse`: the interval lies above or below 0; `too_few` below 30 rounds.
    """

    name: str
    phase: Phase
    since: str | None
    score: Literal["hit", "brier", "closeness"]
    champion: Contender
    challenger: Contender
    rounds: int
    difference: float | None
    low: float | None
    high: float | None
    verdict: ComparisonOutcome
