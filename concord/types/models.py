"""Models' versions: what the nodes serve, what the registry has, and how two versions compare."""

from dataclasses import dataclass, field
from typing import Literal

Phase = Literal["serving", "probation", "watch"]
"""`probation`: a challenger answers beside the champion; `watch`: the former champion does."""

ComparisonOutcome = Literal["better", "worse", "undecided", "too_few"]
"""Of the challenger, against the champion."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The versions that a node is to serve: a number, an alias, or None (the packaged one, or none)."""

    champion: str | None = None
    challenger: str | None = None


@dataclass(frozen=True, slots=True)
class ListedVersion:
    """One version in the registry; `metric` and `value` come from its run, if it has one."""

    version: str
    created: str
    aliases: list[str]
    run_id: str
    digest: str
    metric: str | None = None
    value: float | None = None


@dataclass(frozen=True, slots=True)
class RegistryView:
    """A model in the registry: its aliases, and its versions, the newest first."""

    champion: str | None
    challenger: str | None
    versions: list[ListedVersion] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ModelView:
    """One line of `GET /v1/models`.

    Attributes:
        name: Registered name, `<task>.<node>`.
        champion: The version that answers now, by the node; None while the node cannot be reached.
        challenger: The version that answers beside it, by the node.
        phase: By the desired versions and the last decision.
        since: When that phase began; None without any decision.
        previous: The version that a rollback returns to, or `packaged`.
        wanted: The versions that the node is to serve.
        rolling: Whether the node does not yet serve these versions, or has done so for less than the ten
            seconds after which the ledger notes it: until then its rounds count for neither version.
        registry: The model in the registry; None without a registry, or while it cannot be reached.
        dropped: Why the challenger has stopped answering; None while it answers.
        problem: Which source could not be reached, for people; None if all were.
    """

    name: str
    task: str
    node: str
    champion: str | None
    challenger: str | None
    phase: Phase
    since: str | None
    previous: str | None
    wanted: Wanted
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
        since: Rounds of this time or later were compared.
        score: `hit`, `brier`, or `closeness` of a value; of each 1 is best.
        champion: The version that counts.
        challenger: The version that answers beside it.
        rounds: Labelled rounds that both answered.
        difference: Mean score of the challenger less the champion's; None without rounds.
        low: Lower end of the confidence sequence of the mean difference, valid at every time.
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
