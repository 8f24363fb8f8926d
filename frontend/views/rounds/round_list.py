"""Rounds as a list: when, what was answered, what was true, and where the stake of each is.

A row is opened by choosing it in the table or, by keyboard and with a screen reader, in the box below.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import pandas as pd
import streamlit as st

from concord.tasks.schema import TaskSchema
from concord.types.answers import Round, RoundPage
from frontend.components import stake_moves
from frontend.text import times
from frontend.text.language import _
from frontend.views.rounds import filters

SHORT: Final = 8
"""Digits of an id that are shown: enough to tell rounds apart, and to find one again."""

_SIGNS: Final = {"ok": "✔", "degraded": "!", "no_quorum": "✕"}
_TABLE: Final = "rounds/table"
_BOX: Final = "rounds/box"


def show_rounds(schema: TaskSchema, found: Sequence[Round]) -> None:
    """Shows rounds, and opens the one that is chosen."""
    by_id = {one.id: one for one in found}
    st.dataframe(
        pd.DataFrame(list_rows(schema, found)),
        hide_index=True,
        width="stretch",
        placeholder="–",
        alt=_("Rounds, the newest first."),
        # With the ids as they are drawn now: rounds may have come in by the time that a row is chosen.
        on_select=partial(_open_row, list(by_id)),
        selection_mode="single-row",
        key=_TABLE,
        column_config={
            _("Answer"): st.column_config.TextColumn(
                help=_("✔ all nodes voted, ! some were missing, ✕ too few voted")
            ),
            _("Truth"): st.column_config.TextColumn(help=_("What was true, where somebody has said it.")),
        },
    )
    st.selectbox(
        _("Open a round"),
        list(by_id),
        index=None,
        placeholder=_("Choose one, or a row of the table"),
        format_func=lambda one: _name(schema, by_id[one]) if one in by_id else one,
        key=_BOX,
        on_change=_open_chosen,
    )


def show_no_rounds(page: RoundPage, *, is_narrowed: bool) -> None:
    """There is no round to show."""
    if page.after is not None:
        text = _("**None of the rounds looked through fits.** There are older ones: look on below.")
    elif is_narrowed:
        text = _("**No round fits.** Widen what you look for.")
    else:
        text = _(
            "**There are no rounds yet.** Each question that is asked makes one: ask one on the page Predict."
        )
    st.info(text, icon=":material/inbox:")


def list_rows(schema: TaskSchema, found: Sequence[Round]) -> list[dict[str, Any]]:
    """The table's rows."""
    return [
        {
            _("Time"): times.format_time(one.time),
            _("Answer"): f"{_SIGNS[one.verdict.status]} {_answer(schema, one) or '–'}",
            _("Truth"): _truth(schema, one),
            _("Stake"): describe_stage(one),
            _("Id"): one.id[:SHORT],
        }
        for one in found
    ]


def describe_stage(one: Round) -> str:
    """How far the settlement of a round is, in two words."""
    if one.block is not None:
        return _("moved in block {block}", block=one.block)
    if one.verdict.settlement == "due":
        return _("moves soon")
    return _("moves not") if one.verdict.status == "no_quorum" else _("awaits the truth")


def _answer(schema: TaskSchema, one: Round) -> str | None:
    return stake_moves.format_vote(schema, one.verdict.label, one.verdict.value)


def _truth(schema: TaskSchema, one: Round) -> str | None:
    if one.truth is None:
        return None
    truth = stake_moves.format_vote(schema, one.truth.label, one.truth.value)
    if schema.is_regression or one.verdict.label is None:
        return truth
    return f"{'✔' if one.truth.label == one.verdict.label else '✕'} {truth}"


def _name(schema: TaskSchema, one: Round) -> str:
    return f"{times.format_time(one.time)} · {_answer(schema, one) or '–'} · {one.id[:SHORT]}"


def _open_row(ids: Sequence[str]) -> None:
    chosen = st.session_state[_TABLE]["selection"]["rows"]
    if chosen and chosen[0] < len(ids):
        filters.open_round(ids[chosen[0]])


def _open_chosen() -> None:
    if st.session_state[_BOX]:
        filters.open_round(st.session_state[_BOX])
