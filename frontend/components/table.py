"""Draws rows as a table over the whole width, with a text for those who do not see it."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st


def show_table(
    rows: Sequence[Mapping[str, Any]] | pd.DataFrame,
    alt_text: str,
    columns: Mapping[str, Any] | None = None,
    key: str | None = None,
    **options: Any,  # noqa: ANN401 - Streamlit's
) -> None:
    """Draws a table; a missing value is a dash.

    Args:
        rows: Column → value, row by row.
        alt_text: What the table shows.
        columns: Column → Streamlit's configuration of it.
        key: Tells it from other tables on the page; None: by its content.
        options: Streamlit's own, such as `on_select`.
    """
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        width="stretch",
        placeholder="–",
        alt=alt_text,
        column_config=columns,
        key=key,
        **options,
    )
