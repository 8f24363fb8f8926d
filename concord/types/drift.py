"""Wire types of drift reports; `concord.drift.report` makes them."""

from dataclasses import dataclass, field
from typing import Literal

DriftStatus = Literal["steady", "drifted", "too_few_rows"]
Test = Literal["kolmogorov_smirnov", "chi_squared", "missing"]


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares of a column's rows in the bins of its profile, in the training data and now, for a chart.

    Attributes:
        before: Of the training rows, one a bin.
        now: Of the compared rows.
        edges: Of a number: where one bin ends and the next begins; the outer bins are open.
        least: Of a number: the smallest in the training data.
        most: The largest.
        choices: Of a choice: the text of each bin but the last, which counts all others.
    """

    before: list[float]
    now: list[float]
    edges: list[float] = field(default_factory=list)
    least: float | None = None
    most: float | None = None
    choices: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Difference:
    """How far a column's rows are from the training data.

    Attributes:
        name: The column.
        status: `drifted`: significant, and the index or the share of new values is at least 0.1.
        rows: Rows that were compared.
        psi: Population stability index of the values, or of present and missing cells where `test` is
            `missing`; None for too few rows, like the four fields after it.
        test: Which test gave the smaller p-value.
        statistic: Its statistic.
        p_value: Of this column alone.
        adjusted: The p-value adjusted by Holm over all tests of the report.
        significant: Whether `adjusted` is at most the level.
        missing: Share of missing cells.
        missing_before: The same in the training data.
        unseen: Share of rows with a choice that no training row had.
        outside: Share of rows with a number below the smallest or above the largest in the training data.
        exact: Whether the profile distinguishes all values; else the distance is computed at its points only.
        shares: Shares of the bins; None for too few rows.
    """

    name: str
    status: DriftStatus
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
    """A version's live answers, compared with its answers to the rows held out from its training."""

    node: str
    version: str
    difference: Difference


@dataclass(frozen=True, slots=True)
class Stretch:
    """Successive labelled rounds and their mean error.

    Attributes:
        since: Time of the first round.
        labelled: Number of rounds.
        error: Their mean error, as in `ErrorDrift`.
    """

    since: str
    labelled: int
    error: float


@dataclass(frozen=True, slots=True)
class ErrorDrift:
    """Whether the errors of the consensus have grown, by ADWIN over the labelled rounds in their order.

    Attributes:
        labelled: Labelled rounds that were read.
        status: `drifted`: the newest change was a rise.
        error: Mean error since the newest change: share of wrong answers, or error / (error + usual error).
        error_before: The same before the newest change; None without a change.
        since: Time of the round at which the newest change was detected.
        problem: Why there is no result, for people.
        course: Mean errors, the oldest first, of at most thirty stretches of equally many rounds.
    """

    labelled: int
    status: DriftStatus
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
        rows: Rows that were read.
        since: Time of the oldest row; None for a file.
        until: Time of the newest row; None for a file.
        least_rows: Rows below which there is no result.
        level: Probability of a false alarm in the report as a whole.
        profile: Digest of the training profile.
        profile_rows: Its training rows.
        profile_nodes: The nodes whose models have it.
        features: One a feature, in the schema's order.
        target: The labels, compared with those of the training data.
        answers: The answers of each node's version.
        errors: Whether errors have grown; None for a file.
    """

    task: str
    status: DriftStatus
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
