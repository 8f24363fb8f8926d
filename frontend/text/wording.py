"""What the pages say: every sentence, number and symbol that depends on an answer.

Pure functions of wire values and the reader's language, so that wording is tested without a browser.
Every colour comes with a symbol and a word: colour alone does not reach everyone. Text that others
wrote (titles, labels, messages) is escaped before it meets Markdown.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from concord.tasks.schema import Feature, TaskSchema, Tone
from concord.types.answers import NON_VOTING, Outcome, Pool, Verdict, Vote
from concord.types.tasks import TaskSummary
from frontend.text import language
from frontend.text.language import mark, say, told


@dataclass(frozen=True)
class Look:
    """How a thing is shown.

    Attributes:
        symbol: A character, for tables and pictures.
        icon: Streamlit's name of the same sign.
        colour: One of Streamlit's colour names.
        word: The same in a word, in English; `say` says it.
        meaning: What it means for the person who asked, likewise.
    """

    symbol: str
    icon: str
    colour: str
    word: str
    meaning: str = ""


TONES: Final[Mapping[Tone, Look]] = {
    "good": Look("✔", ":material/check_circle:", "green", mark("good")),
    "bad": Look("!", ":material/error:", "red", mark("bad")),
    "neutral": Look("◆", ":material/adjust:", "blue", mark("neutral")),
}

OUTCOMES: Final[Mapping[Outcome, Look]] = {
    "voted": Look("✔", ":material/check:", "green", mark("voted"), mark("its vote counts")),
    "late": Look(
        "◷",
        ":material/schedule:",
        "orange",
        mark("late"),
        mark("it did not answer before the round was over"),
    ),
    "unavailable": Look(
        "✕",
        ":material/link_off:",
        "red",
        mark("unavailable"),
        mark("it could not be reached, or it answers another version of this question"),
    ),
    "invalid": Look(
        "!",
        ":material/error:",
        "red",
        mark("invalid"),
        mark("it answered something that is no vote, such as no number"),
    ),
    "shadow": Look(
        "◌",
        ":material/visibility:",
        "gray",
        mark("a shadow"),
        mark("it is on probation or jailed, so it is asked and scored and its vote does not count"),
    ),
    "jailed": Look(
        "⊘",
        ":material/block:",
        "gray",
        mark("jailed"),
        mark("it gave malformed answers, so it is not asked any more"),
    ),
}

SERVICES_WORDS: Final = (mark("up"), mark("down"), mark("mismatched"), mark("active"), mark("probation"))
"""Words of the service's for nodes' states, which the pages say as they are; `jailed` stands above."""

UNITS: Final[Mapping[str, str]] = {"a": mark("years")}
"""Unit signs that people would not read; all others are shown as they are."""

_SURE: Final = (
    (0.95, mark("almost certain")),
    (0.8, mark("fairly sure")),
    (0.6, mark("leaning that way")),
    (0.0, mark("a close call")),
)
_AGREE: Final = (
    (0.9995, mark("all of it")),
    (0.75, mark("a large majority")),
    (0.5, mark("a majority")),
    (0.0, mark("less than half")),
)
# Only what means something inside a line, and at its start: a screen reader reads needless backslashes out.
_MARKDOWN: Final = re.compile(r"([\\`*_\[\]<$:~|]|^[#>+-])")
_METHODS: Final[Mapping[str, str]] = {
    "weighted_mean": mark("the weighted mean of the class numbers"),
    "weighted_median": mark("the weighted median of the votes"),
    "stake_mean": mark("the weighted mean of the votes, since no class had a majority"),
    "linear": mark("the weighted mean of the probabilities"),
}


def plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    return _MARKDOWN.sub(r"\\\1", text.strip())


def small(text: str) -> str:
    """Markdown in smaller type."""
    return f":small[{text}]"


def percent(share: float) -> str:
    """A share in 0..1 for people; never rounded up to certainty or down to nothing."""
    if 0.99 <= share < 1:
        return language.percent(min(share, 0.999), 1)
    if 0 < share < 0.01:
        return language.percent(max(share, 0.001), 1)
    return language.percent(share)


def number(value: float) -> str:
    """A number with thousands separated and no needless decimals."""
    text = language.decimal(value) if abs(value) < 1e15 else f"{value:g}"
    return "0" if text in ("-0", "") else text


def unit(sign: str) -> str:
    """A unit that people read."""
    return say(UNITS[sign]) if sign in UNITS else sign


def label(feature: Feature) -> str:
    """The name of an input: `sepal_length` in cm is `Sepal length (cm)`."""
    name = told(feature.name.replace("_", " ").strip())
    return plain(f"{name[:1].upper()}{name[1:]}" + (f" ({unit(feature.unit)})" if feature.unit else ""))


def hint(feature: Feature) -> str:
    """What an input admits, in words."""
    low, high = feature.minimum, feature.maximum
    of = f" {unit(feature.unit)}" if feature.unit else ""
    if feature.kind == "choice":
        if len(feature.choices) <= 3:
            return say(" or ").join(told(choice) for choice in feature.choices)
        return say("one of {count}", count=len(feature.choices))
    if low is not None and high is not None:
        bounds = say("{low} to {high}", low=number(low), high=number(high)) + of
    elif low is not None:
        bounds = say("at least {low}", low=number(low)) + of
    else:
        bounds = say("at most {high}", high=number(high)) + of if high is not None else ""
    whole = say("whole number") if feature.kind == "integer" else ""
    return ", ".join(part for part in (whole, bounds) if part) or say("any number")


def task_name(task: TaskSummary, tasks: Iterable[TaskSummary]) -> str:
    """A task's title, with its name behind it where two have the same."""
    shared = sum(other.title == task.title for other in tasks) > 1
    title = told(task.title)
    return f"{title} ({task.task})" if shared else title


def tone(schema: TaskSchema, verdict: Verdict) -> Look:
    """How the answer looks."""
    found: Tone = next((one.tone for one in schema.labels if one.name == verdict.label), "neutral")
    return TONES[found]


def value(schema: TaskSchema, amount: float) -> str:
    """A regression's value with its unit."""
    described = schema.value
    assert described is not None
    decimals = max(0, -int(described.step.as_tuple().exponent))
    pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
    return f"{language.decimal(amount, pattern)} {unit(described.unit)}".strip()


def sentence(schema: TaskSchema, verdict: Verdict) -> str:
    """The answer as a sentence; empty where there is none."""
    if verdict.value is None or schema.value is None:
        return told(verdict.sentence or verdict.label or "")
    amount = value(schema, verdict.value).removesuffix(unit(schema.value.unit)).strip()
    return told(schema.value.sentence).format(value=amount, unit=unit(schema.value.unit))


def sureness(probability: float) -> str:
    """A pooled probability in words."""
    return say(next(word for least, word in _SURE if probability >= least))


def agreement(share: float) -> str:
    """A share of the weight in words."""
    return say(next(word for least, word in _AGREE if share >= least))


def voters(votes: Sequence[Vote]) -> list[Vote]:
    """The votes that count."""
    return [vote for vote in votes if vote.outcome == "voted"]


def counted(votes: Sequence[Vote]) -> list[Vote]:
    """The votes of nodes that were to count, whatever became of them."""
    return [vote for vote in votes if vote.outcome not in NON_VOTING]


def aside(votes: Sequence[Vote]) -> list[str]:
    """A line for every node that was not to count, and why."""
    return [
        _line(mark("**{node}** is **{word}**: {meaning}."), vote)
        for vote in votes
        if vote.outcome in NON_VOTING
    ]


def absent(votes: Sequence[Vote]) -> list[str]:
    """A line for every node that was to vote and did not: which, what happened, what that means."""
    return [
        _line(mark("**{node}** was **{word}**: {meaning}."), vote)
        for vote in votes
        if vote.outcome != "voted" and vote.outcome not in NON_VOTING
    ]


def how(pool: Pool | None) -> str:
    """How the votes became one answer."""
    if pool is None:
        return say("no answer was pooled")
    mean = f" ({language.decimal(pool.mean, '0.00')})" if pool.mean is not None else ""
    return say(_METHODS[pool.method]) + mean


def money(verdict: Verdict) -> str:
    """What the answer does to the nodes' stake."""
    if verdict.settlement == "settled":
        return say("stake moved in block {block}", block=verdict.block)
    if verdict.settlement == "due":
        return say("stake moves with the next block")
    if verdict.status == "no_quorum":
        return say("no stake moves by it")
    return say("stake moves when its label comes")


def describe(schema: TaskSchema, verdict: Verdict) -> str:
    """The votes as text, for those who do not see the picture."""
    parts = []
    for vote in verdict.votes:
        if vote.outcome != "voted":
            parts.append(f"{vote.node}: {say(OUTCOMES[vote.outcome].word)}")
            continue
        said = value(schema, vote.value) if vote.value is not None else _likely(vote)
        weight = percent(vote.weight)
        parts.append(say("{node}, weight {weight}: {said}", node=vote.node, weight=weight, said=said))
    return say("Votes of the nodes. {votes}.", votes="; ".join(parts))


def _likely(vote: Vote) -> str:
    share = (vote.probabilities or {}).get(vote.label or "")
    label = told(vote.label or "")
    return f"{label} {percent(share)}" if share is not None else label


def _line(sentence: str, vote: Vote) -> str:
    look = OUTCOMES[vote.outcome]
    return say(sentence, node=plain(vote.node), word=say(look.word), meaning=say(look.meaning))
