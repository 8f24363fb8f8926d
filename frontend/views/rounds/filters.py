"""Narrowing rounds down: the filters of a list, its pages, and the one round that the address names."""

import re
from datetime import date, datetime, time, timedelta
from typing import Final

import streamlit as st

from concord.tasks.schema import TaskSchema
from concord.types.rounds import RoundPage
from frontend.data.rounds import Filters
from frontend.text import times as moments
from frontend.text.language import mark, say, told

STATUSES: Final = {
    "ok": mark("all nodes voted"),
    "degraded": mark("some nodes were missing"),
    "no_quorum": mark("too few voted"),
}
LABELS: Final = {"known": mark("known"), "unknown": mark("not known yet"), "disputed": mark("disputed")}
SPANS: Final = {
    "hour": (timedelta(hours=1), mark("the last hour")),
    "day": (timedelta(days=1), mark("the last 24 hours")),
    "week": (timedelta(days=7), mark("the last 7 days")),
    "month": (timedelta(days=30), mark("the last 30 days")),
}
DAYS: Final = "days"
_ADDRESS: Final = "round"
_TRAIL: Final = "rounds/trail"
_PREFIX: Final = re.compile(r"[0-9a-f]{4,32}")


def opened() -> str:
    """The id of the round that is open; empty while none is."""
    return st.query_params.get(_ADDRESS, "").strip().lower()


def open_round(round_id: str) -> None:
    """Opens a round, and has the address say so."""
    st.query_params[_ADDRESS] = round_id


def close() -> None:
    """Goes back to the list."""
    st.query_params.pop(_ADDRESS, None)


def draw(schema: TaskSchema) -> Filters | None:
    """Draws the filters of a task's rounds; None where one of them holds what it cannot."""
    with st.expander(say("Narrow down"), icon=":material/filter_alt:"):
        first, second, third = st.columns(3)
        with first:
            status = _one(say("Votes"), STATUSES, "status")
            label = _one(say("Truth"), LABELS, "label")
        with second:
            span = _one(
                say("Asked"), {**{k: v[1] for k, v in SPANS.items()}, DAYS: mark("on chosen days")}, "span"
            )
            since, until = _days() if span == DAYS else (_since(span), None)
        with third:
            answer = None
            if not schema.is_regression:
                answer = st.selectbox(
                    say("Answer"),
                    [one.name for one in schema.labels],
                    index=None,
                    placeholder=say("any"),
                    format_func=told,
                    key=f"rounds/answer/{schema.task}",
                )
            prefix = st.text_input(say("Id, or how it begins"), key="rounds/id", max_chars=40).strip().lower()
        if prefix and not _PREFIX.fullmatch(prefix):
            text = say("An id is made of the digits 0-9 and the letters a-f: enter 4 to 32 of them.")
            st.error(text, icon=":material/edit:")
            return None
    return Filters(status, label, answer, prefix or None, since, until)


def cursor(task: str, filters: Filters) -> str | None:
    """Where the page begins that is looked at; None: with the newest round."""
    trail = _trail(task, filters)
    return trail[-1] if trail else None


def pages(task: str, filters: Filters, page: RoundPage) -> None:
    """The way to older and newer rounds."""
    trail = _trail(task, filters)
    if not trail and page.after is None:
        return
    with st.container(horizontal=True):
        st.button(
            say("Newer"),
            icon=":material/chevron_left:",
            disabled=not trail,
            on_click=_turn,
            args=(task, filters),
        )
        st.button(
            say("Older"),
            icon=":material/chevron_right:",
            disabled=page.after is None,
            on_click=_turn,
            args=(task, filters, page.after),
        )


def _turn(task: str, filters: Filters, after: str | None = None) -> None:
    trail = _trail(task, filters)
    trail = [*trail, after] if after is not None else trail[:-1]
    st.session_state[_TRAIL] = (task, filters, trail)


def _trail(task: str, filters: Filters) -> list[str]:
    """The cursors of the pages that were gone through; another filter begins anew."""
    kept_task, kept_filters, trail = st.session_state.get(_TRAIL, (None, None, []))
    return list(trail) if (kept_task, kept_filters) == (task, filters) else []


def _one(name: str, choices: dict[str, str], key: str) -> str | None:
    return st.selectbox(
        name,
        list(choices),
        index=None,
        placeholder=say("any"),
        format_func=lambda one: say(choices[one]),
        key=f"rounds/{key}",
    )


def _since(span: str | None) -> str | None:
    """When a span begins, by the minute, so that everybody who looks is one question to the service."""
    if span is None:
        return None
    now = datetime.now(moments.zone()).replace(second=0, microsecond=0)
    return (now - SPANS[span][0]).isoformat()


def _days() -> tuple[str | None, str | None]:
    zone = moments.zone()
    today = datetime.now(zone).date()
    chosen = st.date_input(say("From, to"), (today, today), max_value=today, key="rounds/days")
    days: tuple[date, ...] = chosen if isinstance(chosen, tuple) else (chosen,)
    if not days:
        return None, None
    end = datetime.combine(days[-1] + timedelta(days=1), time(), zone)
    return datetime.combine(days[0], time(), zone).isoformat(), end.isoformat()
