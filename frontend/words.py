"""What the pages say: every sentence, number and symbol that depends on an answer.

Pure functions of wire values, so that wording is tested without a browser and can be said in
another language later. Every colour comes with a symbol and a word: colour alone does not reach
everyone. Text that others wrote (titles, labels, messages) is escaped before it meets Markdown.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from concord.schema import Feature, TaskSchema, Tone
from concord.wire import ASIDE, Outcome, Pool, TaskSummary, Verdict, Vote


@dataclass(frozen=True)
class Look:
    """How a thing is shown.

    Attributes:
        symbol: A character, for tables and pictures.
        icon: Streamlit's name of the same sign.
        colour: One of Streamlit's colour names.
        word: The same in a word.
        meaning: What it means for the person who asked.
    """

    symbol: str
    icon: str
    colour: str
    word: str
    meaning: str = ""


TONES: Final[Mapping[Tone, Look]] = {
    "good": Look("✔", ":material/check_circle:", "green", "good"),
    "bad": Look("!", ":material/error:", "red", "bad"),
    "neutral": Look("◆", ":material/adjust:", "blue", "neutral"),
}

OUTCOMES: Final[Mapping[Outcome, Look]] = {
    "voted": Look("✔", ":material/check:", "green", "voted", "its vote counts"),
    "late": Look("◷", ":material/schedule:", "orange", "late", "it did not answer before the round was over"),
    "unavailable": Look(
        "✕",
        ":material/link_off:",
        "red",
        "unavailable",
        "it could not be reached, or it answers another version of this question",
    ),
    "invalid": Look(
        "!", ":material/error:", "red", "invalid", "it answered something that is no vote, such as no number"
    ),
    "shadow": Look(
        "◌",
        ":material/visibility:",
        "gray",
        "a shadow",
        "it is on probation or jailed, so it is asked and scored and its vote does not count",
    ),
    "jailed": Look(
        "⊘", ":material/block:", "gray", "jailed", "it gave malformed answers, so it is not asked any more"
    ),
}

UNITS: Final[Mapping[str, str]] = {"a": "years"}
"""Unit signs that people would not read; all others are shown as they are."""

_SURE: Final = (
    (0.95, "almost certain"),
    (0.8, "fairly sure"),
    (0.6, "leaning that way"),
    (0.0, "a close call"),
)
_AGREE: Final = (
    (0.9995, "all of it"),
    (0.75, "a large majority"),
    (0.5, "a majority"),
    (0.0, "less than half"),
)
# Only what means something inside a line, and at its start: a screen reader reads needless backslashes out.
_MARKDOWN: Final = re.compile(r"([\\`*_\[\]<$:~|]|^[#>+-])")
_METHODS: Final[Mapping[str, str]] = {
    "weighted_mean": "the weighted mean of the class numbers",
    "weighted_median": "the weighted median of the votes",
    "stake_mean": "the weighted mean of the votes, since no class had a majority",
    "linear": "the weighted mean of the probabilities",
}


def plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    return _MARKDOWN.sub(r"\\\1", text.strip())


def percent(share: float) -> str:
    """A share in 0..1 for people; never rounded up to certainty or down to nothing."""
    if 0.99 <= share < 1:
        return f"{min(share, 0.999):.1%}"
    if 0 < share < 0.01:
        return f"{max(share, 0.001):.1%}"
    return f"{share:.0%}"


def number(value: float) -> str:
    """A number with thousands separated and no needless decimals."""
    text = f"{value:,.6f}".rstrip("0").rstrip(".") if abs(value) < 1e15 else f"{value:g}"
    return "0" if text in ("-0", "") else text


def unit(sign: str) -> str:
    """A unit that people read."""
    return UNITS.get(sign, sign)


def label(feature: Feature) -> str:
    """The name of an input: `sepal_length` in cm is `Sepal length (cm)`."""
    name = feature.name.replace("_", " ").strip()
    return plain(f"{name[:1].upper()}{name[1:]}" + (f" ({unit(feature.unit)})" if feature.unit else ""))


def hint(feature: Feature) -> str:
    """What an input admits, in words."""
    low, high = feature.minimum, feature.maximum
    of = f" {unit(feature.unit)}" if feature.unit else ""
    if feature.kind == "choice":
        return " or ".join(feature.choices) if len(feature.choices) <= 3 else f"one of {len(feature.choices)}"
    if low is not None and high is not None:
        bounds = f"{number(low)} to {number(high)}{of}"
    elif low is not None:
        bounds = f"at least {number(low)}{of}"
    else:
        bounds = f"at most {number(high)}{of}" if high is not None else ""
    whole = "whole number" if feature.kind == "integer" else ""
    return ", ".join(part for part in (whole, bounds) if part) or "any number"


def task_name(task: TaskSummary, tasks: Iterable[TaskSummary]) -> str:
    """A task's title, with its name behind it where two have the same."""
    shared = sum(other.title == task.title for other in tasks) > 1
    return f"{task.title} ({task.task})" if shared else task.title


def tone(schema: TaskSchema, verdict: Verdict) -> Look:
    """How the answer looks."""
    found: Tone = next((one.tone for one in schema.labels if one.name == verdict.label), "neutral")
    return TONES[found]


def value(schema: TaskSchema, amount: float) -> str:
    """A regression's value with its unit."""
    described = schema.value
    assert described is not None
    decimals = max(0, -int(described.step.as_tuple().exponent))
    return f"{amount:,.{decimals}f} {unit(described.unit)}".strip()


def sureness(probability: float) -> str:
    """A pooled probability in words."""
    return next(word for least, word in _SURE if probability >= least)


def agreement(share: float) -> str:
    """A share of the weight in words."""
    return next(word for least, word in _AGREE if share >= least)


def voters(votes: Sequence[Vote]) -> list[Vote]:
    """The votes that count."""
    return [vote for vote in votes if vote.outcome == "voted"]


def counted(votes: Sequence[Vote]) -> list[Vote]:
    """The votes of nodes that were to count, whatever became of them."""
    return [vote for vote in votes if vote.outcome not in ASIDE]


def aside(votes: Sequence[Vote]) -> list[str]:
    """A line for every node that was not to count, and why."""
    return [
        f"**{plain(vote.node)}** is **{OUTCOMES[vote.outcome].word}**: {OUTCOMES[vote.outcome].meaning}."
        for vote in votes
        if vote.outcome in ASIDE
    ]


def absent(votes: Sequence[Vote]) -> list[str]:
    """A line for every node that was to vote and did not: which, what happened, what that means."""
    lines = []
    for vote in votes:
        if vote.outcome != "voted" and vote.outcome not in ASIDE:
            look = OUTCOMES[vote.outcome]
            lines.append(f"**{plain(vote.node)}** was **{look.word}**: {look.meaning}.")
    return lines


def how(pool: Pool | None) -> str:
    """How the votes became one answer."""
    if pool is None:
        return "no answer was pooled"
    mean = f", {pool.mean:.2f}" if pool.mean is not None else ""
    return _METHODS[pool.method] + mean


def money(verdict: Verdict) -> str:
    """What the answer does to the nodes' stake."""
    if verdict.settlement == "settled":
        return f"stake moved in block {verdict.block}"
    if verdict.settlement == "due":
        return "stake moves with the next block"
    if verdict.status == "no_quorum":
        return "no stake moves by it"
    return "stake moves when its label comes"


def describe(schema: TaskSchema, verdict: Verdict) -> str:
    """The votes as text, for those who do not see the picture."""
    parts = []
    for vote in verdict.votes:
        if vote.outcome != "voted":
            parts.append(f"{vote.node}: {OUTCOMES[vote.outcome].word}")
            continue
        said = value(schema, vote.value) if vote.value is not None else _likely(vote)
        parts.append(f"{vote.node}, weight {percent(vote.weight)}: {said}")
    return "Votes of the nodes. " + "; ".join(parts) + "."


def _likely(vote: Vote) -> str:
    share = (vote.probabilities or {}).get(vote.label or "")
    return f"{vote.label} {percent(share)}" if share is not None else str(vote.label)
