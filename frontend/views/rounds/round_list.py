"""Rounds as a list: when, what was answered, what was true, and where the stake of each is.

A row is opened by choosing it in the table or, by keyboard and with a screen reader, in the box below.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import pandas as pd
import streamlit as st

from concord.tasks.schema import TaskSchema
from concord.types.rounds import Round, RoundPage
from frontend.components import stake_moves as moves
from frontend.text import times as moments
from frontend.text.language import say
from frontend.views.rounds import filters as finding

SHORT: Final = 8
"""Digits of an id that are shown: enough to tell rounds apart, and to find one again."""

_SIGNS: Final = {"ok": "✔", "degraded": "!", "no_quorum": "✕"}
_TABLE: Final = "rounds/table"
_BOX: Final = "rounds/box"


def show(schema: TaskSchema, found: Sequence[Round]) -> None:
    """Shows rounds, and opens the one that is chosen."""
    by_id = {one.id: one for one in found}
    st.dataframe(
        pd.DataFrame(rows(schema, found)),
        hide_index=True,
        width="stretch",
        placeholder="–",
        alt=say("Rounds, the newest first."),
        # With the ids as they are drawn now: rounds may have come in by the time that a row is chosen.
        on_select=partial(_open_row, list(by_id)),
        selection_mode="single-row",
        key=_TABLE,
        column_config={
            say("Answer"): st.column_config.TextColumn(
                help=say("✔ all nodes voted, ! some were missing, ✕ too few voted")
            ),
            say("Truth"): st.column_config.TextColumn(help=say("What was true, where somebody has said it.")),
        },
    )
    st.selectbox(
        say("Open a round"),
        list(by_id),
        index=None,
        placeholder=say("Choose one, or a row of the table"),
        format_func=lambda one: _name(schema, by_id[one]) if one in by_id else one,
        key=_BOX,
        on_change=_open_chosen,
    )


def nothing(page: RoundPage, *, is_narrowed: bool) -> None:
    """There is no round to show."""
    if page.after is not None:
        text = say("**None of the rounds looked through fits.** There are older ones: look on below.")
    elif is_narrowed:
        text = say("**No round fits.** Widen what you look for.")
    else:
        text = say(
            "**There are no rounds yet.** Each question that is asked makes one: ask one on the page Predict."
        )
    st.info(text, icon=":material/inbox:")


def rows(schema: TaskSchema, found: Sequence[Round]) -> list[dict[str, Any]]:
    """The table's rows."""
    return [
        {
            say("Time"): moments.local(one.time),
            say("Answer"): f"{_SIGNS[one.verdict.status]} {_answer(schema, one) or '–'}",
            say("Truth"): _truth(schema, one),
            say("Stake"): stage(one),
            say("Id"): one.id[:SHORT],
        }
        for one in found
    ]


def stage(one: Round) -> str:
    """How far the settlement of a round is, in two words."""
    if one.block is not None:
        return say("moved in block {block}", block=one.block)
    if one.verdict.settlement == "due":
        return say("moves soon")
    return say("moves not") if one.verdict.status == "no_quorum" else say("awaits the truth")


def _answer(schema: TaskSchema, one: Round) -> str | None:
    return moves.opinion(schema, one.verdict.label, one.verdict.value)


def _truth(schema: TaskSchema, one: Round) -> str | None:
    if one.truth is None:
        return None
    truth = moves.opinion(schema, one.truth.label, one.truth.value)
    if schema.is_regression or one.verdict.label is None:
        return truth
    return f"{'✔' if one.truth.label == one.verdict.label else '✕'} {truth}"


def _name(schema: TaskSchema, one: Round) -> str:
    return f"{moments.local(one.time)} · {_answer(schema, one) or '–'} · {one.id[:SHORT]}"


def _open_row(ids: Sequence[str]) -> None:
    chosen = st.session_state[_TABLE]["selection"]["rows"]
    if chosen and chosen[0] < len(ids):
        finding.open_round(ids[chosen[0]])


def _open_chosen() -> None:
    if st.session_state[_BOX]:
        finding.open_round(st.session_state[_BOX])
