"""What is said of a column, or of a node's answers, that was compared with what was learned from.

Pure functions of a report's values and the reader's language. Every verdict has a symbol and a word, so that
its colour is never alone; and none says more than the tests did.
"""

from collections.abc import Mapping
from typing import Any, Final

from concord.tasks.schema import TaskSchema
from concord.types.drift import Difference, ErrorDrift, Standing, Test
from frontend.text import language, wording
from frontend.text.language import N_, _, ngettext
from frontend.text.wording import Badge

STANDINGS: Final[Mapping[Standing, Badge]] = {
    "drifted": Badge("✕", ":material/trending_up:", "red", N_("drifted")),
    "steady": Badge("✔", ":material/check:", "green", N_("steady")),
    "too_few_rows": Badge("·", ":material/hourglass_empty:", "gray", N_("too few rows to say")),
}

MODERATE: Final = 0.1
"""Index from which a difference is called moderate, by custom, and counts as drift if it is no chance."""

LARGE: Final = 0.25
"""Index from which it is called large."""

TESTS: Final[Mapping[Test | None, str]] = {
    "kolmogorov_smirnov": N_("Kolmogorov–Smirnov"),
    "chi_squared": N_("χ²"),
    "missing": N_("χ² of missing cells"),
}

_LEAST_P: Final = 1e-4
"""Below it, how much less is of no use to anybody."""


def _format_standing(status: Standing) -> str:
    """Symbol and word."""
    look = STANDINGS[status]
    return f"{look.symbol} {_(look.word)}"


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
    """A column, or what is predicted, as people call it; for Markdown it needs `words.escape`."""
    units = {feature.name: feature.unit for feature in schema.features} if schema else {}
    if schema and schema.value:
        units[schema.value.name] = schema.value.unit
    called = language.task_gettext(column.replace("_", " ").strip())
    unit = units.get(column)
    return f"{called[:1].upper()}{called[1:]}" + (f" ({wording.format_unit(unit)})" if unit else "")


def describe_difference(one: Difference, least_rows: int) -> str:
    """The verdict in words: what was found, and why that is drift or is none."""
    if one.psi is None or one.adjusted is None:
        if one.rows >= least_rows:
            return _("There are too few rows of then to compare with; it takes {least}.", least=least_rows)
        return ngettext(
            "Only {count} row was compared; below {least} there is no answer.",
            "Only {count} rows were compared; below {least} there is no answer.",
            one.rows,
            least=least_rows,
        )
    if one.status == "drifted":
        if one.psi >= MODERATE:
            return _(
                "It is {size} (index {index}), and chance does not explain it.",
                size=describe_size(one.psi),
                index=format_index(one.psi),
            )
        return _(
            "Many of its values are new (index {index}), and chance does not explain it.",
            index=format_index(one.psi),
        )
    if one.significant:
        return _(
            "It is a little different (index {index}), which is more than chance and too small to matter.",
            index=format_index(one.psi),
        )
    return _("No more different than chance has it (index {index}).", index=format_index(one.psi))


def list_remarks(one: Difference) -> list[str]:
    """What the picture does not show: values never learned from, and cells that say nothing."""
    said = []
    if one.unseen:
        said.append(
            _(
                "{share} of the rows hold a choice that was never learned from.",
                share=wording.format_share(one.unseen),
            )
        )
    if one.outside:
        said.append(
            _(
                "{share} of the rows are beyond the least or the largest that was learned from.",
                share=wording.format_share(one.outside),
            )
        )
    if one.missing:
        said.append(
            _(
                "{share} of the rows say nothing here; then it was {before}.",
                share=wording.format_share(one.missing),
                before=wording.format_share(one.missing_before),
            )
        )
    if not one.exact and one.psi is not None and one.test == "kolmogorov_smirnov":
        said.append(_("The distance may be a little larger: the profile does not tell all values apart."))
    return said


def difference_row(title: str, one: Difference) -> dict[str, Any]:
    """A line of the table; what is not known is None."""
    return {
        _("Column"): title,
        _("Verdict"): _format_standing(one.status),
        _("Index"): one.psi,
        _("Change"): None if one.psi is None else describe_size(one.psi),
        _("Test"): _(TESTS[one.test]) if one.test else None,
        _("p-value"): None if one.adjusted is None else format_p_value(one.adjusted),
        _("New values"): max(one.unseen, one.outside) * 100,
        _("Missing"): one.missing * 100,
        _("Rows"): one.rows,
    }


def describe_errors(found: ErrorDrift, schema: TaskSchema | None) -> str:
    """Whether errors have grown, as a sentence; of what could be told."""
    of = describe_error_measure(schema)
    now = language.format_percent(found.error or 0.0, 1)
    if found.error_before is None:
        return _("No change was seen: {of} is {now}.", of=of, now=now)
    before = language.format_percent(found.error_before, 1)
    if found.status == "drifted":
        return _("**Errors have grown:** {of} went from {before} to {now}.", of=of, before=before, now=now)
    return _("Errors have not grown: {of} went from {before} to {now}.", of=of, before=before, now=now)


def describe_error_measure(schema: TaskSchema | None) -> str:
    """What an error is of this task."""
    if schema is not None and schema.value is not None:
        return _(
            "the mean error (50% is an error of {usual})",
            usual=wording.format_value(schema, schema.value.scale),
        )
    return _("the share of wrong answers")
