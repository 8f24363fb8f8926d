"""The gate: the conditions that a challenger must meet on the test rows before it is registered.

Pure rules over measured numbers. Every condition has its limit, its measured value and a sentence; a refusal
names all that failed. Where a difference may be chance, the champion stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from training.retraining.evaluation import LEAST_GROUP, Judgement, RowGroup
from training.task import LOWER_IS_BETTER


@dataclass(frozen=True)
class GateLimits:
    """Limits of the conditions.

    Attributes:
        margin: Improvement that the interval's lower end must exceed, in the metric's unit where that ends
            at 1, else as a share of the champion's error. 0 asks for any improvement that is no chance.
        group: A group's error may grow by this share of the champion's there, its accuracy fall by half
            of it.
        brier: Brier score, which may grow by this.
        ece: Expected calibration error, which may grow by this; with few rows it is noisy.
        bias: A mean error of this share of the amounts' standard deviation is none worth mention, whatever
            the champion's is.
        size: Times the champion's bytes, or `size_floor` if that is more.
        size_floor: Bytes that any node may have: a thousand leaves of a forest are 0.1 MB.
        latency: Times the champion's time, and `latency_floor` more.
        latency_floor: Milliseconds by which times differ on a busy machine.
    """

    margin: float = 0.0
    group: float = 0.1
    brier: float = 0.01
    ece: float = 0.03
    bias: float = 0.05
    size: float = 5.0
    size_floor: int = 5_000_000
    latency: float = 3.0
    latency_floor: float = 1.0


@dataclass(frozen=True)
class Cost:
    """The size and the time of a model.

    Attributes:
        size: Bytes of its ONNX file.
        one: Milliseconds for one row.
        batch: Milliseconds for a batch of 64.
    """

    size: int
    one: float
    batch: float


@dataclass(frozen=True)
class Condition:
    """One condition and how it came out.

    Attributes:
        name: A word for it.
        passed: Whether it is met.
        limit: What was asked; None where there is no number.
        measured: The value that is compared with `limit`.
        reason: The same as a sentence.
    """

    name: str
    passed: bool
    limit: float | None
    measured: float | None
    reason: str


def decide(
    judgement: Judgement, champion: Cost, challenger: Cost, limits: GateLimits
) -> tuple[Condition, ...]:
    """Every condition that takes a measurement; `same_schema` comes before there can be one."""
    return (
        better(judgement, limits),
        groups(judgement, limits),
        *calibration(judgement, limits),
        *costs(champion, challenger, limits),
    )


def same_schema(champion: str, challenger: str) -> Condition:
    """Whether both answer the same question, by their schemas' digests."""
    same = champion == challenger
    return Condition(
        "schema",
        same,
        None,
        None,
        "Both models have the task's schema."
        if same
        else f"The champion's schema ({champion[:12]}) is not the task's ({challenger[:12]}): rows of one "
        "are no rows of the other. Fit the task again with `python -m training fit`.",
    )


def better(judgement: Judgement, limits: GateLimits) -> Condition:
    """Whether the improvement's whole interval lies above the margin."""
    is_error = judgement.metric in LOWER_IS_BETTER
    margin = limits.margin * (judgement.champion.metrics[judgement.metric] if is_error else 1.0)
    interval = judgement.better
    sign = -1 if is_error else 1
    passed = interval.low > margin
    return Condition(
        "better",
        passed,
        margin,
        interval.low,
        f"{judgement.metric} changes by {number(sign * interval.estimate, signed=True)}, an improvement of "
        f"{number(interval.low)} to {number(interval.high)} with 95 % confidence on {judgement.rows} rows; "
        f"its lower end must be above {number(margin)}.",
    )


def groups(judgement: Judgement, limits: GateLimits) -> Condition:
    """Whether no group that is large enough does worse by more than the limit."""
    if not judgement.groups:
        return Condition("groups", passed=True, limit=None, measured=None, reason="The task names no groups.")
    judged = [(group, worsening(group)) for group in judgement.groups if group.better is not None]
    few = [
        f"{group.feature}={group.choice} ({group.rows})" for group in judgement.groups if group.better is None
    ]
    not_judged = f" Too few rows (below {LEAST_GROUP}) to judge {', '.join(few)}." if few else ""
    if not judged:
        reason = f"No group has enough rows.{not_judged}"
        return Condition("groups", passed=True, limit=None, measured=None, reason=reason)
    worst, share = max(judged, key=lambda pair: pair[1])
    failed = [(group, worse) for group, worse in judged if worse > _limit(group, limits)]
    if failed:
        worsened = "; ".join(_worse(group, worse) for group, worse in failed)
        reason = f"Worse by more than {_limit(worst, limits):.0%}: {worsened}.{not_judged}"
    else:
        reason = (
            f"No group is worse by more than {_limit(worst, limits):.0%}; the least gain is {worst.feature}="
            f"{worst.choice} with {-share:+.1%}.{not_judged}"
        )
    return Condition("groups", not failed, _limit(worst, limits), share, reason)


def worsening(group: RowGroup) -> float:
    """By how much a group does worse: its error as a share of the champion's, or accuracy in its own unit."""
    if "accuracy" in group.champion.metrics:
        return group.champion.metrics["accuracy"] - group.challenger.metrics["accuracy"]
    before, after = group.champion.metrics["mae"], group.challenger.metrics["mae"]
    return (after - before) / before if before else float(after > before)


def calibration(judgement: Judgement, limits: GateLimits) -> Sequence[Condition]:
    """Whether probabilities, or the mean amount, are no further off than before."""
    conditions = []
    for name, (before, after) in judgement.calibration.items():
        if name == "bias":
            limit, measured = max(abs(before), limits.bias * judgement.spread), abs(after)
            reason = (
                f"The mean error is {number(after, signed=True)} (the champion's "
                f"{number(before, signed=True)}); it may be up to {number(limit)} either way."
            )
        else:
            allowed = {"brier": limits.brier, "ece": limits.ece}[name]
            limit, measured = before + allowed, after
            words = {"brier": "The Brier score", "ece": "The expected calibration error"}[name]
            reason = f"{words} is {after:.4f} (the champion's {before:.4f}); it may be up to {limit:.4f}."
        conditions.append(Condition(name, measured <= limit, limit, measured, reason))
    return conditions


def costs(champion: Cost, challenger: Cost, limits: GateLimits) -> Sequence[Condition]:
    """Whether the model's size and its time stay near the champion's."""
    most = max(limits.size * champion.size, limits.size_floor)
    conditions = [
        Condition(
            "size",
            challenger.size <= most,
            float(most),
            float(challenger.size),
            f"The ONNX file has {challenger.size:,} bytes (the champion's {champion.size:,}); it may have up "
            f"to {most:,.0f}.",
        )
    ]
    for name, words, before, after in (
        ("latency_one", "One row takes", champion.one, challenger.one),
        ("latency_batch", "A batch of 64 rows takes", champion.batch, challenger.batch),
    ):
        longest = limits.latency * before + limits.latency_floor
        reason = f"{words} {after:.3f} ms here (the champion {before:.3f}); it may take up to {longest:.3f}."
        conditions.append(Condition(name, after <= longest, longest, after, reason))
    return conditions


def number(value: float, *, signed: bool = False) -> str:
    """Four digits, or whole with separators where there are more before the point."""
    text = f"{value:+,.0f}" if abs(value) >= 1000 else f"{value:+.4g}"
    return text if signed else text.removeprefix("+")


def _limit(group: RowGroup, limits: GateLimits) -> float:
    return limits.group / 2 if "accuracy" in group.champion.metrics else limits.group


def _worse(group: RowGroup, worse: float) -> str:
    return f"{group.feature}={group.choice} by {worse:.1%} ({group.rows} rows)"
