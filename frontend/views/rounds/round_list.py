"""Lists rounds: when, the answer, what was true, and how far the stake is settled.

A row is opened in the table or, by keyboard and with a screen reader, in the box below.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import streamlit as st

from concord.tasks.schema import TaskSchema
from concord.types.rounds import Round, RoundPage
from frontend.components import stake_moves
from frontend.components.table import show_table
from frontend.text import times
from frontend.text.language import _
from frontend.views.rounds import filters

SHORT: Final = 8
"""Digits of an id that are shown: enough to tell rounds apart, and to find one again."""

_SIGNS: Final = {"ok": "✔", "degraded": "!", "no_quorum": "✕"}
_TABLE: Final = "rounds/table"
_BOX: Final = "rounds/box"


def show_rounds(schema: TaskSchema, rounds: Sequence[Round]) -> None:
    """Shows rounds, and opens the one that is chosen."""
    by_id = {round_.id: round_ for round_ in rounds}
    text = st.column_config.TextColumn
    show_table(
        list_rows(schema, rounds),
        _("Rounds, the newest first."),
        {
            _("Answer"): text(help=_("✔ all nodes voted, ! some were missing, ✕ too few voted")),
            _("Truth"): text(help=_("What was true, where somebody has said it.")),
        },
        key=_TABLE,
        # With the ids as they are drawn now: rounds may have come in by the time that a row is chosen.
        on_select=partial(_open_row, list(by_id)),
        selection_mode="single-row",
    )
    st.selectbox(
        _("Open a round"),
        list(by_id),
        index=None,
        placeholder=_("Choose one, or a row of the table"),
        format_func=lambda round_: _name(schema, by_id[round_]) if round_ in by_id else round_,
        key=_BOX,
        on_change=_open_chosen,
    )


def show_no_rounds(page: RoundPage, *, is_narrowed: bool) -> None:
    """Shows why there is no round to list."""
    if page.after is not None:
        text = _("**None of the rounds looked through fits.** There are older ones: look on below.")
    elif is_narrowed:
        text = _("**No round fits.** Widen what you look for.")
    else:
        text = _(
            "**There are no rounds yet.** Each question that is asked makes one: ask one on the page Predict."
        )
    st.info(text, icon=":material/inbox:")


def list_rows(schema: TaskSchema, rounds: Sequence[Round]) -> list[dict[str, Any]]:
    """The table's rows."""
    return [
        {
            _("Time"): times.format_time(round_.time),
            _("Answer"): f"{_SIGNS[round_.verdict.status]} {_answer(schema, round_) or '–'}",
            _("Truth"): _truth(schema, round_),
            _("Stake"): describe_stage(round_),
            _("Id"): round_.id[:SHORT],
        }
        for round_ in rounds
    ]


def describe_stage(round_: Round) -> str:
    """How far the settlement of a round is, in two words."""
    if round_.block is not None:
        return _("moved in block {block}", block=round_.block)
    if round_.verdict.settlement == "due":
        return _("moves soon")
    return _("moves not") if round_.verdict.status == "no_quorum" else _("awaits the truth")


def _answer(schema: TaskSchema, round_: Round) -> str | None:
    return stake_moves.format_vote(schema, round_.verdict.label, round_.verdict.value)


def _truth(schema: TaskSchema, round_: Round) -> str | None:
    if round_.truth is None:
        return None
    truth = stake_moves.format_vote(schema, round_.truth.label, round_.truth.value)
    if schema.is_regression or round_.verdict.label is None:
        return truth
    return f"{'✔' if round_.truth.label == round_.verdict.label else '✕'} {truth}"


def _name(schema: TaskSchema, round_: Round) -> str:
    return f"{times.format_time(round_.time)} · {_answer(schema, round_) or '–'} · {round_.id[:SHORT]}"


def _open_row(ids: Sequence[str]) -> None:
    chosen = st.session_state[_TABLE]["selection"]["rows"]
    if chosen and chosen[0] < len(ids):
        filters.open_round(ids[chosen[0]])


def _open_chosen() -> None:
    if st.session_state[_BOX]:
        filters.open_round(st.session_state[_BOX])
