"""Columns, or nodes' answers, that were compared with what was learned from: as a table and as pictures.

The table has all of them; pictures, each with its verdict in words and a table of its own, are drawn of those
that a person chooses, at first of those that differ most.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import pandas as pd
import streamlit as st

from concord.types.drift import Difference, Shares
from frontend.text import wording
from frontend.text.language import _, ngettext
from frontend.views.drift import difference_text, distribution_chart

FIRST_CHARTS: Final = 4
"""Pictures at first; each is a hundred marks that a browser draws."""

NamedDifferences = Mapping[str, Difference]
"""By what people call them."""


def show_table(named: NamedDifferences, of: str) -> None:
    """Shows what was found of each.

    Args:
        named: What was compared.
        of: What the first column is called.
    """
    rows = [difference_text.difference_row(title, one) for title, one in named.items()]
    said = [f"{title}: {_(difference_text.STANDINGS[one.status].word)}" for title, one in named.items()]
    number = st.column_config.NumberColumn
    st.dataframe(
        pd.DataFrame(rows).rename(columns={_("Column"): of}),
        hide_index=True,
        width="stretch",
        placeholder="–",
        alt=_("Verdicts: {said}.", said="; ".join(said)),
        column_config={
            of: st.column_config.TextColumn(pinned=True),
            _("Index"): number(
                format="%.3f",
                help=_(
                    "Population stability index: how far the shares of the bins are apart. By custom a "
                    "change is moderate from 0.1 and large from 0.25."
                ),
            ),
            _("p-value"): st.column_config.TextColumn(
                help=_("How often chance alone would look like this, corrected for all that was tested.")
            ),
            _("New values"): number(
                format="%.1f%%", help=_("Rows with a value that was never learned from.")
            ),
            _("Missing"): number(format="%.1f%%", help=_("Rows that say nothing here.")),
            _("Rows"): number(format="localized"),
        },
    )


def show_charts(named: NamedDifferences, then: str, least_rows: int, place: str) -> None:
    """Draws those that a person chooses.

    Args:
        named: What was compared.
        then: What the upper bars are of.
        least_rows: Below it there is no answer.
        place: Tells these pictures from others on the page.
    """
    shown = _choose(named, place)
    for start in range(0, len(shown), 2):
        for title, column in zip(shown[start : start + 2], st.columns(2, gap="large"), strict=False):
            one = named[title]
            with column:
                _verdict(title, one, least_rows)
                if one.shares is not None:
                    _show_chart(title, one, one.shares, then, f"drift/{place}/{title}")


def _choose(named: NamedDifferences, place: str) -> Sequence[str]:
    drawn = {title: one for title, one in named.items() if one.shares is not None}
    if len(drawn) <= 1:
        return list(drawn)
    by_index = sorted(drawn, key=lambda title: -(drawn[title].psi or 0.0))
    return st.multiselect(
        _("Pictures of"),
        list(drawn),
        default=by_index[:FIRST_CHARTS],
        # What there is to choose from differs by task and by language.
        key=f"drift/{place}/{hash(tuple(drawn))}",
        placeholder=_("Choose"),
    )


def _verdict(title: str, one: Difference, least_rows: int) -> None:
    look = difference_text.STANDINGS[one.status]
    said = f":{look.colour}[{look.icon} **{_(look.word)}**]. {difference_text.describe_difference(one, least_rows)}"
    st.markdown(f"#### {wording.escape(title)}\n{said}")
    for remark in difference_text.list_remarks(one):
        st.markdown(wording.small(remark))


def _show_chart(title: str, one: Difference, shares: Shares, then: str, key: str) -> None:
    is_light = st.context.theme.type == "light"
    now = ngettext("now: {count} row", "now: {count} rows", one.rows)
    st.html(distribution_chart.distribution_legend(then, now, is_light=is_light))
    st.altair_chart(
        distribution_chart.draw_distribution(shares, is_light=is_light),
        width="stretch",
        alt=distribution_chart.describe_distribution(title, shares),
        theme="streamlit",
        key=key,
    )
    with st.expander(_("The same as a table")):
        number = st.column_config.NumberColumn(format="%.1f%%")
        st.dataframe(
            pd.DataFrame(distribution_chart.list_rows(shares)),
            hide_index=True,
            width="stretch",
            alt=distribution_chart.describe_distribution(title, shares),
            column_config={_("Then"): number, _("Now"): number},
            key=f"{key}/table",
        )
