"""Wording of drift: verdicts, indices and p-values of columns and nodes' answers.

Pure functions of a report and the reader's language. Every verdict has a sign and a word beside its colour.
"""

from collections.abc import Mapping
from typing import Any, Final

from concord.tasks.schema import TaskSchema
from concord.types.drift import Difference, DriftStatus, ErrorDrift, Test
from frontend.text import language, wording
from frontend.text.language import N_, _, ngettext
from frontend.text.wording import Badge

STANDINGS: Final[Mapping[DriftStatus, Badge]] = {
    "drifted": Badge("✕", ":material/trending_up:", "red", N_("drifted")),
    "steady": Badge("✔", ":material/check:", "green", N_("steady")),
    "too_few_rows": Badge("·", ":material/hourglass_empty:", "gray", N_("too few rows to say")),
}

MODERATE: Final = 0.1
"""Index from which a difference is words moderate, by custom, and counts as drift if it is no chance."""

LARGE: Final = 0.25
"""Index from which it is words large."""

TESTS: Final[Mapping[Test | None, str]] = {
    "kolmogorov_smirnov": N_("Kolmogorov–Smirnov"),
    "chi_squared": N_("χ²"),
    "missing": N_("χ² of missing cells"),
}

_LEAST_P: Final = 1e-4
"""A smaller p-value is written as less than this."""


def describe_size(index: float) -> str:
    """A population stability index in words."""
    if index >= LARGE:
        return _("a large change")
    return _("a moderate change") if index >= MODERATE else _("a small change")


def format_p_value(p: float) -> str:
    """A p-value as people write it."""
    if p < _LEAST_P:
        return f"< {language.format_decimal(_LEAST_P, '0.0000')}"
    return language.format_decimal(p, "0.0000" if p < 0.001 else "0.000")


def format_index(value: float) -> str:
    """A population stability index as a number."""
    return language.format_decimal(value, "0.000")


def format_column(schema: TaskSchema | None, column: str) -> str:
    """A column, or the target, as people call it, not yet escaped for Markdown."""
    units = {feature.name: feature.unit for feature in schema.features} if schema else {}
    if schema and schema.value:
        units[schema.value.name] = schema.value.unit
    words = language.task_gettext(column.replace("_", " ").strip())
    unit = units.get(column)
    return f"{words[:1].upper()}{words[1:]}" + (f" ({wording.format_unit(unit)})" if unit else "")


def describe_difference(difference: Difference, least_rows: int) -> str:
    """The verdict in words, and why it is drift or none."""
    if difference.psi is None or difference.adjusted is None:
        if difference.rows >= least_rows:
            return _("There are too few rows of then to compare with; it takes {least}.", least=least_rows)
        return ngettext(
            "Only {count} row was compared; below {least} there is no answer.",
            "Only {count} rows were compared; below {least} there is no answer.",
            difference.rows,
            least=least_rows,
        )
    text = N_("No more different than chance has it (index {index}).")
    if difference.status == "drifted" and difference.psi >= MODERATE:
        text = N_("It is {size} (index {index}), and chance does not explain it.")
    elif difference.status == "drifted":
        text = N_("Many of its values are new (index {index}), and chance does not explain it.")
    elif difference.significant:
        text = N_(
            "It is a little different (index {index}), which is more than chance and too small to matter."
        )
    return _(text, size=describe_size(difference.psi), index=format_index(difference.psi))


def list_remarks(difference: Difference) -> list[str]:
    """What the chart does not show: values that were never learned from, and empty cells."""
    before = wording.format_share(difference.missing_before)
    remarks = (
        (difference.unseen, N_("{share} of the rows hold a choice that was never learned from.")),
        (
            difference.outside,
            N_("{share} of the rows are beyond the least or the largest that was learned from."),
        ),
        (difference.missing, N_("{share} of the rows say nothing here; then it was {before}.")),
    )
    sentences = [
        _(text, share=wording.format_share(share), before=before) for share, text in remarks if share
    ]
    if not difference.exact and difference.psi is not None and difference.test == "kolmogorov_smirnov":
        sentences.append(
            _("The distance may be a little larger: the profile does not tell all values apart.")
        )
    return sentences


def difference_row(heading: str, name: str, difference: Difference) -> dict[str, Any]:
    """A row of the table, with the name below a heading; what is not known is None."""
    return {
        heading: name,
        _("Verdict"): STANDINGS[difference.status].text,
        _("Index"): difference.psi,
        _("Change"): None if difference.psi is None else describe_size(difference.psi),
        _("Test"): _(TESTS[difference.test]) if difference.test else None,
        _("p-value"): None if difference.adjusted is None else format_p_value(difference.adjusted),
        _("New values"): max(difference.unseen, difference.outside) * 100,
        _("Missing"): difference.missing * 100,
        _("Rows"): difference.rows,
    }


def describe_errors(drift: ErrorDrift, schema: TaskSchema | None) -> str:
    """Whether errors have grown, as a sentence, of errors that were measured."""
    measure = describe_error_measure(schema)
    now = language.format_percent(drift.error or 0.0, 1)
    if drift.error_before is None:
        return _("No change was seen: {of} is {now}.", of=measure, now=now)
    before = language.format_percent(drift.error_before, 1)
    if drift.status == "drifted":
        return _(
            "**Errors have grown:** {of} went from {before} to {now}.", of=measure, before=before, now=now
        )
    return _("Errors have not grown: {of} went from {before} to {now}.", of=measure, before=before, now=now)


def describe_error_measure(schema: TaskSchema | None) -> str:
    """What the error of this task measures."""
    if schema is not None and schema.value is not None:
        return _(
            "the mean error (50% is an error of {usual})",
            usual=wording.format_value(schema, schema.value.scale),
        )
    return _("the share of wrong answers")
