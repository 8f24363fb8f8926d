"""What is said of a column, or of a node's answers, that was compared with what was learned from.

Pure functions of a report's values and the reader's language. Every verdict has a symbol and a word, so that
its colour is never alone; and none says more than the tests did.
"""

from collections.abc import Mapping
from typing import Any, Final

from concord.tasks.schema import TaskSchema
from concord.types.drift import Difference, DriftStatus, ErrorDrift, Test
from frontend.text import language
from frontend.text import wording as words
from frontend.text.language import mark, say, say_count
from frontend.text.wording import Look

STANDINGS: Final[Mapping[DriftStatus, Look]] = {
    "drifted": Look("✕", ":material/trending_up:", "red", mark("drifted")),
    "steady": Look("✔", ":material/check:", "green", mark("steady")),
    "too_few_rows": Look("·", ":material/hourglass_empty:", "gray", mark("too few rows to say")),
}

MODERATE: Final = 0.1
"""Index from which a difference is called moderate, by custom, and counts as drift if it is no chance."""

LARGE: Final = 0.25
"""Index from which it is called large."""

TESTS: Final[Mapping[Test | None, str]] = {
    "kolmogorov_smirnov": mark("Kolmogorov–Smirnov"),
    "chi_squared": mark("χ²"),
    "missing": mark("χ² of missing cells"),
}

_LEAST_P: Final = 1e-4
"""Below it, how much less is of no use to anybody."""


def badge(status: DriftStatus) -> str:
    """Symbol and word."""
    look = STANDINGS[status]
    return f"{look.symbol} {say(look.word)}"


def size(index: float) -> str:
    """A population stability index in words."""
    if index >= LARGE:
        return say("a large change")
    return say("a moderate change") if index >= MODERATE else say("a small change")


def chance(p: float) -> str:
    """A p-value as people write it."""
    if p < _LEAST_P:
        return f"< {language.decimal(_LEAST_P, '0.0000')}"
    return language.decimal(p, "0.0000" if p < 0.001 else "0.000")


def index(value: float) -> str:
    """A population stability index as a number."""
    return language.decimal(value, "0.000")


def name(schema: TaskSchema | None, column: str) -> str:
    """A column, or what is predicted, as people call it; for Markdown it needs `words.plain`."""
    units = {feature.name: feature.unit for feature in schema.features} if schema else {}
    if schema and schema.value:
        units[schema.value.name] = schema.value.unit
    called = language.told(column.replace("_", " ").strip())
    unit = units.get(column)
    return f"{called[:1].upper()}{called[1:]}" + (f" ({words.unit(unit)})" if unit else "")


def sentence(one: Difference, least_rows: int) -> str:
    """The verdict in words: what was found, and why that is drift or is none."""
    if one.psi is None or one.adjusted is None:
        if one.rows >= least_rows:
            return say("There are too few rows of then to compare with; it takes {least}.", least=least_rows)
        return say_count(
            "Only {count} row was compared; below {least} there is no answer.",
            "Only {count} rows were compared; below {least} there is no answer.",
            one.rows,
            least=least_rows,
        )
    if one.status == "drifted":
        if one.psi >= MODERATE:
            return say(
                "It is {size} (index {index}), and chance does not explain it.",
                size=size(one.psi),
                index=index(one.psi),
            )
        return say(
            "Many of its values are new (index {index}), and chance does not explain it.",
            index=index(one.psi),
        )
    if one.significant:
        return say(
            "It is a little different (index {index}), which is more than chance and too small to matter.",
            index=index(one.psi),
        )
    return say("No more different than chance has it (index {index}).", index=index(one.psi))


def remarks(one: Difference) -> list[str]:
    """What the picture does not show: values never learned from, and cells that say nothing."""
    said = []
    if one.unseen:
        said.append(
            say(
                "{share} of the rows hold a choice that was never learned from.",
                share=words.percent(one.unseen),
            )
        )
    if one.outside:
        said.append(
            say(
                "{share} of the rows are beyond the least or the largest that was learned from.",
                share=words.percent(one.outside),
            )
        )
    if one.missing:
        said.append(
            say(
                "{share} of the rows say nothing here; then it was {before}.",
                share=words.percent(one.missing),
                before=words.percent(one.missing_before),
            )
        )
    if not one.exact and one.psi is not None and one.test == "kolmogorov_smirnov":
        said.append(say("The distance may be a little larger: the profile does not tell all values apart."))
    return said


def row(title: str, one: Difference) -> dict[str, Any]:
    """A line of the table; what is not known is None."""
    return {
        say("Column"): title,
        say("Verdict"): badge(one.status),
        say("Index"): one.psi,
        say("Change"): None if one.psi is None else size(one.psi),
        say("Test"): say(TESTS[one.test]) if one.test else None,
        say("p-value"): None if one.adjusted is None else chance(one.adjusted),
        say("New values"): max(one.unseen, one.outside) * 100,
        say("Missing"): one.missing * 100,
        say("Rows"): one.rows,
    }


def errors(found: ErrorDrift, schema: TaskSchema | None) -> str:
    """Whether errors have grown, as a sentence; of what could be told."""
    of = kind_of_error(schema)
    now = language.percent(found.error or 0.0, 1)
    if found.error_before is None:
        return say("No change was seen: {of} is {now}.", of=of, now=now)
    before = language.percent(found.error_before, 1)
    if found.status == "drifted":
        return say("**Errors have grown:** {of} went from {before} to {now}.", of=of, before=before, now=now)
    return say("Errors have not grown: {of} went from {before} to {now}.", of=of, before=before, now=now)


def kind_of_error(schema: TaskSchema | None) -> str:
    """What an error is of this task."""
    if schema is not None and schema.value is not None:
        return say(
            "the mean error (50% is an error of {usual})", usual=words.value(schema, schema.value.scale)
        )
    return say("the share of wrong answers")
