"""Shows differences of columns or answers: a table of all, and charts of those that a person chooses.

At first the charts are of those that differ most; each has its verdict in words and a table of its own.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import streamlit as st

from concord.types.drift import Difference, Shares
from frontend.components.chart import is_light, show_chart
from frontend.components.message import show_small
from frontend.components.table import show_table
from frontend.text import wording
from frontend.text.language import _, ngettext
from frontend.views.drift import difference_text
from frontend.views.drift.distribution_chart import (
    describe_distribution,
    distribution_legend,
    draw_distribution,
    list_rows,
)

FIRST_CHARTS: Final = 4
"""Charts at first; each is a hundred marks that a browser draws."""

NamedDifferences = Mapping[str, Difference]
"""By the name that people read."""


def show_differences(differences: NamedDifferences, heading: str) -> None:
    """Shows a table of all differences.

    Args:
        differences: What was compared.
        heading: Of the first column.
    """
    rows = [
        difference_text.difference_row(heading, name, difference) for name, difference in differences.items()
    ]
    verdicts = "; ".join(
        f"{name}: {_(difference_text.STANDINGS[difference.status].word)}"
        for name, difference in differences.items()
    )
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    columns = {
        heading: text(pinned=True),
        _("Index"): number(
            format="%.3f",
            help=_(
                "Population stability index: how far the shares of the bins are apart. By custom a "
                "change is moderate from 0.1 and large from 0.25."
            ),
        ),
        _("p-value"): text(
            help=_("How often chance alone would look like this, corrected for all that was tested.")
        ),
        _("New values"): number(format="%.1f%%", help=_("Rows with a value that was never learned from.")),
        _("Missing"): number(format="%.1f%%", help=_("Rows that say nothing here.")),
        _("Rows"): number(format="localized"),
    }
    show_table(rows, _("Verdicts: {said}.", said=verdicts), columns)


def show_distributions(differences: NamedDifferences, then: str, least_rows: int, key: str) -> None:
    """Draws the distributions that a person chooses.

    Args:
        differences: What was compared.
        then: What the upper bars are of.
        least_rows: With fewer rows there is no verdict.
        key: Tells these charts from others on the page.
    """
    names = _choose(differences, key)
    for start in range(0, len(names), 2):
        for name, column in zip(names[start : start + 2], st.columns(2, gap="large"), strict=False):
            difference = differences[name]
            with column:
                _show_verdict(name, difference, least_rows)
                if difference.shares is not None:
                    _show_distribution(name, difference.rows, difference.shares, then, f"drift/{key}/{name}")


def _choose(differences: NamedDifferences, key: str) -> Sequence[str]:
    drawable = {name: difference for name, difference in differences.items() if difference.shares is not None}
    if len(drawable) <= 1:
        return list(drawable)
    by_index = sorted(drawable, key=lambda name: -(drawable[name].psi or 0.0))
    return st.multiselect(
        _("Pictures of"),
        list(drawable),
        default=by_index[:FIRST_CHARTS],
        # The choices differ by task and by language.
        key=f"drift/{key}/{hash(tuple(drawable))}",
        placeholder=_("Choose"),
    )


def _show_verdict(name: str, difference: Difference, least_rows: int) -> None:
    badge = difference_text.STANDINGS[difference.status]
    sentence = difference_text.describe_difference(difference, least_rows)
    st.markdown(f"#### {wording.escape(name)}\n{badge.markdown(f'**{_(badge.word)}**')}. {sentence}")
    for remark in difference_text.list_remarks(difference):
        show_small(remark)


def _show_distribution(name: str, rows: int, shares: Shares, then: str, key: str) -> None:
    now = ngettext("now: {count} row", "now: {count} rows", rows)
    st.html(distribution_legend(then, now, is_light=is_light()))
    description = describe_distribution(name, shares)
    show_chart(draw_distribution(shares, is_light=is_light()), description, key)
    with st.expander(_("The same as a table")):
        number = st.column_config.NumberColumn(format="%.1f%%")
        show_table(list_rows(shares), description, {_("Then"): number, _("Now"): number}, key=f"{key}/table")
