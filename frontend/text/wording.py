"""Words, numbers and badges for verdicts, votes, tasks and features.

Pure functions of wire values and the reader's language. Every colour comes with a sign and a word, and text
that others wrote (titles, labels, messages) is escaped for Markdown.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from concord.tasks.schema import Feature, TaskSchema, Tone
from concord.types.answers import NON_VOTING, Outcome, Pool, Verdict, Vote
from concord.types.tasks import TaskSummary
from frontend.text import language
from frontend.text.language import N_, _, task_gettext


@dataclass(frozen=True)
class Badge:
    """A state as a sign and a word.

    Attributes:
        symbol: A character, for tables.
        icon: Streamlit's name of the same sign.
        colour: One of Streamlit's colour names.
        word: In English; `_` translates it.
        meaning: What the state means for the reader, in English too.
    """

    symbol: str
    icon: str
    colour: str
    word: str
    meaning: str = ""

    @property
    def text(self) -> str:
        """Symbol and word, for tables."""
        return f"{self.symbol} {_(self.word)}"

    def markdown(self, text: str | None = None) -> str:
        """Icon and text in the badge's colour; without a text, its word."""
        return f":{self.colour}[{self.icon} {_(self.word) if text is None else text}]"


TONES: Final[Mapping[Tone, Badge]] = {
    "good": Badge("✔", ":material/check_circle:", "green", N_("good")),
    "bad": Badge("!", ":material/error:", "red", N_("bad")),
    "neutral": Badge("◆", ":material/adjust:", "blue", N_("neutral")),
}

OUTCOMES: Final[Mapping[Outcome, Badge]] = {
    "voted": Badge("✔", ":material/check:", "green", N_("voted"), N_("its vote counts")),
    "late": Badge(
        "◷",
        ":material/schedule:",
        "orange",
        N_("late"),
        N_("it did not answer before the round was over"),
    ),
    "unavailable": Badge(
        "✕",
        ":material/link_off:",
        "red",
        N_("unavailable"),
        N_("it could not be reached, or it answers another version of this question"),
    ),
    "invalid": Badge(
        "!",
        ":material/error:",
        "red",
        N_("invalid"),
        N_("it answered something that is no vote, such as no number"),
    ),
    "shadow": Badge(
        "◌",
        ":material/visibility:",
        "gray",
        N_("a shadow"),
        N_("it is on probation or jailed, so it is asked and scored and its vote does not count"),
    ),
    "jailed": Badge(
        "⊘",
        ":material/block:",
        "gray",
        N_("jailed"),
        N_("it gave malformed answers, so it is not asked any more"),
    ),
}

SERVICES_WORDS: Final = (
    N_("up"),
    N_("down"),
    N_("mismatched"),
    N_("active"),
    N_("probation"),
)
"""The service's words for states and standings of nodes, for the catalogues; `jailed` stands above."""

UNITS: Final[Mapping[str, str]] = {"a": N_("years")}
"""Unit signs that most people do not know; all others are shown as they are."""

_SURE: Final = (
    (0.95, N_("almost certain")),
    (0.8, N_("fairly sure")),
    (0.6, N_("leaning that way")),
    (0.0, N_("a close call")),
)
_AGREE: Final = (
    (0.9995, N_("all of it")),
    (0.75, N_("a large majority")),
    (0.5, N_("a majority")),
    (0.0, N_("less than half")),
)
# Only what means something inside a line, and at its start: a screen reader reads needless backslashes out.
_MARKDOWN: Final = re.compile(r"([\\`*_\[\]<$:~|]|^[#>+-])")
_METHODS: Final[Mapping[str, str]] = {
    "weighted_mean": N_("the weighted mean of the class numbers"),
    "weighted_median": N_("the weighted median of the votes"),
    "stake_mean": N_("the weighted mean of the votes, since no class had a majority"),
    "linear": N_("the weighted mean of the probabilities"),
}


def escape(text: str) -> str:
    """Text that Markdown shows as it is."""
    return _MARKDOWN.sub(r"\\\1", text.strip())


def small(text: str) -> str:
    """Markdown in smaller type."""
    return f":small[{text}]"


def format_share(share: float) -> str:
    """A share in 0..1 for people; never rounded up to certainty or down to nothing."""
    if 0.99 <= share < 1:
        return language.format_percent(min(share, 0.999), 1)
    if 0 < share < 0.01:
        return language.format_percent(max(share, 0.001), 1)
    return language.format_percent(share)


def format_number(value: float) -> str:
    """A number with thousands separated and no needless decimals."""
    text = language.format_decimal(value) if abs(value) < 1e15 else f"{value:g}"
    return "0" if text in ("-0", "") else text


def format_unit(sign: str) -> str:
    """A unit that people read."""
    return _(UNITS[sign]) if sign in UNITS else sign


def format_feature(feature: Feature) -> str:
    """The name of an input: `sepal_length` in cm is `Sepal length (cm)`."""
    name = task_gettext(feature.name.replace("_", " ").strip())
    return escape(
        f"{name[:1].upper()}{name[1:]}" + (f" ({format_unit(feature.unit)})" if feature.unit else "")
    )


def describe_range(feature: Feature) -> str:
    """What an input admits, in words."""
    low, high = feature.minimum, feature.maximum
    suffix = f" {format_unit(feature.unit)}" if feature.unit else ""
    if feature.kind == "choice":
        if len(feature.choices) <= 3:
            return _(" or ").join(task_gettext(choice) for choice in feature.choices)
        return _("one of {count}", count=len(feature.choices))
    if low is not None and high is not None:
        bounds = _("{low} to {high}", low=format_number(low), high=format_number(high)) + suffix
    elif low is not None:
        bounds = _("at least {low}", low=format_number(low)) + suffix
    else:
        bounds = _("at most {high}", high=format_number(high)) + suffix if high is not None else ""
    whole = _("whole number") if feature.kind == "integer" else ""
    return ", ".join(part for part in (whole, bounds) if part) or _("any number")


def format_task(task: TaskSummary, tasks: Iterable[TaskSummary]) -> str:
    """A task's title, with its name behind it where two have the same."""
    shared = sum(other.title == task.title for other in tasks) > 1
    title = task_gettext(task.title)
    return f"{title} ({task.task})" if shared else title


def answer_badge(schema: TaskSchema, verdict: Verdict) -> Badge:
    """The badge of the answer's label."""
    tone: Tone = next((label.tone for label in schema.labels if label.name == verdict.label), "neutral")
    return TONES[tone]


def format_value(schema: TaskSchema, amount: float) -> str:
    """A regression's value with its unit."""
    described = schema.value
    assert described is not None
    decimals = max(0, -int(described.step.as_tuple().exponent))
    pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
    return f"{language.format_decimal(amount, pattern)} {format_unit(described.unit)}".strip()


def format_answer(schema: TaskSchema, verdict: Verdict) -> str:
    """The answer as a sentence; empty where there is none."""
    if verdict.value is None or schema.value is None:
        return task_gettext(verdict.sentence or verdict.label or "")
    amount = format_value(schema, verdict.value).removesuffix(format_unit(schema.value.unit)).strip()
    return task_gettext(schema.value.sentence).format(value=amount, unit=format_unit(schema.value.unit))


def describe_certainty(probability: float) -> str:
    """A pooled probability in words."""
    return _(next(word for least, word in _SURE if probability >= least))


def describe_agreement(share: float) -> str:
    """A share of the weight in words."""
    return _(next(word for least, word in _AGREE if share >= least))


def select_cast(votes: Sequence[Vote]) -> list[Vote]:
    """The votes that count."""
    return [vote for vote in votes if vote.outcome == "voted"]


def select_voters(votes: Sequence[Vote]) -> list[Vote]:
    """The votes of the voters, whatever became of them."""
    return [vote for vote in votes if vote.outcome not in NON_VOTING]


def describe_non_voters(votes: Sequence[Vote]) -> list[str]:
    """A line for every non-voter, and why it does not count."""
    return [
        _line(N_("**{node}** is **{word}**: {meaning}."), vote)
        for vote in votes
        if vote.outcome in NON_VOTING
    ]


def describe_absent(votes: Sequence[Vote]) -> list[str]:
    """A line for every voter that did not vote: what happened, and what that means."""
    return [
        _line(N_("**{node}** was **{word}**: {meaning}."), vote)
        for vote in votes
        if vote.outcome != "voted" and vote.outcome not in NON_VOTING
    ]


def describe_pooling(pool: Pool | None) -> str:
    """How the votes became one answer."""
    if pool is None:
        return _("no answer was pooled")
    mean = f" ({language.format_decimal(pool.mean, '0.00')})" if pool.mean is not None else ""
    return _(_METHODS[pool.method]) + mean


def describe_settlement(verdict: Verdict) -> str:
    """What the answer does to the nodes' stake."""
    if verdict.settlement == "settled":
        return _("stake moved in block {block}", block=verdict.block)
    if verdict.settlement == "due":
        return _("stake moves with the next block")
    if verdict.status == "no_quorum":
        return _("no stake moves by it")
    return _("stake moves when its label comes")


def describe_votes(schema: TaskSchema, verdict: Verdict) -> str:
    """The votes as text, for those who do not see the chart."""
    parts = []
    for vote in verdict.votes:
        if vote.outcome != "voted":
            parts.append(f"{vote.node}: {_(OUTCOMES[vote.outcome].word)}")
            continue
        opinion = format_value(schema, vote.value) if vote.value is not None else _likely(vote)
        weight = format_share(vote.weight)
        parts.append(_("{node}, weight {weight}: {said}", node=vote.node, weight=weight, said=opinion))
    return _("Votes of the nodes. {votes}.", votes="; ".join(parts))


def _likely(vote: Vote) -> str:
    share = (vote.probabilities or {}).get(vote.label or "")
    label = task_gettext(vote.label or "")
    return f"{label} {format_share(share)}" if share is not None else label


def _line(sentence: str, vote: Vote) -> str:
    badge = OUTCOMES[vote.outcome]
    return _(sentence, node=escape(vote.node), word=_(badge.word), meaning=_(badge.meaning))
