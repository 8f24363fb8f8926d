"""Draws a chart in the reader's language and theme, with a text for those who do not see it."""

import altair as alt
import streamlit as st

from frontend.charts.theme import FRENCH, INK
from frontend.text import language


def is_light() -> bool:
    """Whether the page has a light background."""
    return st.context.theme.type == "light"


def show_chart(chart: alt.Chart | alt.LayerChart, alt_text: str, key: str | None = None) -> None:
    """Draws a chart over the whole width.

    Args:
        chart: What is drawn.
        alt_text: The same as text.
        key: Tells it from other charts on the page; None: by its content.
    """
    if language.current() == "fr":
        chart = chart.configure(locale={"number": FRENCH})
    if is_light():
        chart = chart.configure_axis(labelColor=INK, titleColor=INK).configure_legend(labelColor=INK)
    st.altair_chart(chart, width="stretch", alt=alt_text, theme="streamlit", key=key)
