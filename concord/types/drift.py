"""Drift reports, as they travel over HTTP and are printed; `concord.drift.report` makes them."""

from dataclasses import dataclass, field
from typing import Literal

DriftStatus = Literal["steady", "drifted", "too_few_rows"]
Test = Literal["kolmogorov_smirnov", "chi_squared", "missing"]


@dataclass(frozen=True, slots=True)
class Shares:
    """Histograms of a column over the bins of its training profile, for plots.

    Attributes:
        before: Share of the training rows in each bin.
        now: Share of the report's rows in each bin.
        edges: Of a number: the bounds between bins; the outer bins are open.
        least: Of a number: the smallest in the training data.
        most: The largest.
        choices: Of a choice: the text of each bin but the last, which holds all others.
    """

    before: list[float]
    now: list[float]
    edges: list[float] = field(default_factory=list)
    least: float | None = None
    most: float | None = None
    choices: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Difference:
    """The drift of one column against the training data.

    Attributes:
        name: The column.
        status: `drifted`: significant, and the index or the share of new values is at least 0.1.
        rows: Rows that were compared.
        psi: Population stability index of the values, or of present and missing cells where `test` is
            `missing`; like the four after it None for too few rows.
        test: Which test gave the smaller p-value.
        statistic: Its statistic.
        p_value: Of this column alone.
        adjusted: The same, corrected by Holm's method for all tests of the report.
        significant: Whether `adjusted` is at most the level.
        missing: Share of empty cells.
        missing_before: The same in the training data.
        unseen: Share of rows with a choice that the training data has not.
        outside: Share of rows with a number outside the range of the training data.
        exact: Whether the profile keeps every value; else the distance is measured at its points only.
        shares: The histograms; None for too few rows.
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
    """The drift of a version's answers against its answers to the held-out rows of its training."""

    node: str
    version: str
    difference: Difference


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of consecutive labelled rounds.

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
    """Whether the errors of the consensus have grown, by ADWIN over the labelled rounds in their order.

    Attributes:
        labelled: Labelled rounds of the report.
        status: `drifted`: the newest change was a rise.
        error: Mean error of the newest stretch: share of wrong answers, or error / (error + usual error).
        error_before: The same before the newest change; None where there was none.
        since: Time of the round at which the newest change was noticed.
        problem: Why there is no result, for people.
        course: The errors over time, oldest first, in at most thirty stretches of equally many rounds.
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
        rows: Rows of the report.
        since: Time of the oldest of them; None of a file.
        until: Time of the newest.
        least_rows: With fewer rows a column is not compared.
        level: Chance of a false alarm in the report as a whole.
        profile: Digest of the profile that they were compared with.
        profile_rows: Training rows.
        profile_nodes: Nodes whose models carry it.
        features: One a feature, in the schema's order.
        target: The labels against the training labels.
        answers: One a node's version.
        errors: Whether errors have grown; None of a file.
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
