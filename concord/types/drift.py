"""What drift is told as, on the wire and on a terminal. Values only; `concord.drift.report` finds them."""

from dataclasses import dataclass, field
from typing import Literal

Standing = Literal["steady", "drifted", "too_few_rows"]
Test = Literal["kolmogorov_smirnov", "chi_squared", "missing"]


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares of a column's rows in the bins of its profile, then and now: what a picture of it is drawn from.

    Attributes:
        before: Of the rows that were learned from, one a bin.
        now: Of the rows that were looked at.
        edges: Of a number: where one bin ends and the next begins; the outer bins are open.
        least: Of a number: the smallest that was learned from.
        most: The largest.
        choices: Of a choice: its text in each bin but the last, which holds any other.
    """

    before: list[float]
    now: list[float]
    edges: list[float] = field(default_factory=list)
    least: float | None = None
    most: float | None = None
    choices: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Difference:
    """How far a column's rows are from those that were learned from.

    Attributes:
        name: The column.
        status: `drifted`: significant, and the index or the share of new values is at least 0.1.
        rows: Rows that were compared.
        psi: Population stability index of the values, or of said and missing cells where `test` is `missing`;
            like the four after it None for too few rows.
        test: Which test gave the smaller p-value.
        statistic: Its statistic.
        p_value: Of this column alone.
        adjusted: The same by Holm, over all that was tested together.
        significant: Whether `adjusted` is at most the level.
        missing: Share of cells that say nothing.
        missing_before: The same in the data that was learned from.
        unseen: Share of rows with a choice that no row had that was learned from.
        outside: Share of rows with a number beyond the least and the largest that was learned from.
        exact: Whether the profile tells all values apart; else the distance is found at its points only.
        shares: How the rows are spread, then and now; None for too few rows.
    """

    name: str
    status: Standing
    rows: int
    psi: float | None
    test: Test | None
    statistic: float | None
    p_value: float | None
    adjusted: float | None
    significant: bool
    missing: float
    missing_before: float
    unseen: float
    outside: float
    exact: bool
    shares: Shares | None = None


@dataclass(frozen=True, slots=True)
class NodeAnswers:
    """What a node's version answers, against its answers to the rows that were held out from its fit."""

    node: str
    version: str
    difference: Difference


@dataclass(frozen=True, slots=True)
class Stretch:
    """Labelled rounds that follow one another.

    Attributes:
        since: Time of the first of them.
        labelled: How many.
        error: Their mean error, as in `ErrorDrift`.
    """

    since: str
    labelled: int
    error: float


@dataclass(frozen=True, slots=True)
class ErrorDrift:
    """Whether the consensus' errors have grown, by ADWIN over the labelled rounds in their order.

    Attributes:
        labelled: Labelled rounds that were looked at.
        status: `drifted`: the newest change was a rise.
        error: Mean error of the newest stretch: share of wrong answers, or error / (error + usual error).
        error_before: The same before the newest change; None where there was none.
        since: Time of the round at which the newest change was noticed.
        problem: Why there is no answer, for people.
        course: How errors went, oldest first, in at most thirty stretches of as many rounds.
    """

    labelled: int
    status: Standing
    error: float | None = None
    error_before: float | None = None
    since: str | None = None
    problem: str | None = None
    course: list[Stretch] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class DriftReport:
    """`GET /v1/tasks/{task}/drift`.

    Attributes:
        task: The task.
        status: `drifted` if anything is, `too_few_rows` if no column could be compared.
        rows: Rows that were looked at.
        since: Time of the oldest of them; None of a file.
        until: Time of the newest.
        least_rows: Below so many there is no answer.
        level: Chance of a false alarm in the report as a whole.
        profile: Digest of the profile that they were compared with.
        profile_rows: Rows that were learned from.
        profile_nodes: Nodes whose models carry it.
        features: One a feature, in the schema's order.
        target: What was true, against the answers that were learned from.
        answers: What each node's version answers.
        errors: Whether errors have grown; None of a file.
    """

    task: str
    status: Standing
    rows: int
    since: str | None
    until: str | None
    least_rows: int
    level: float
    profile: str
    profile_rows: int
    profile_nodes: list[str]
    features: list[Difference]
    target: Difference | None = None
    answers: list[NodeAnswers] = field(default_factory=list)
    errors: ErrorDrift | None = None
