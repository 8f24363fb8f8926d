"""Filters of the list of rounds, its paging, and the round that the address names."""

import re
from datetime import date, datetime, time, timedelta
from typing import Final

import streamlit as st

from concord.tasks.schema import TaskSchema
from concord.types.rounds import RoundPage
from frontend.data.rounds import Filters
from frontend.text import times
from frontend.text.language import N_, _, task_gettext

STATUSES: Final = {
    "ok": N_("all nodes voted"),
    "degraded": N_("some nodes were missing"),
    "no_quorum": N_("too few voted"),
}
LABELS: Final = {
    "known": N_("known"),
    "unknown": N_("not known yet"),
    "disputed": N_("disputed"),
}
SPANS: Final = {
    "hour": (timedelta(hours=1), N_("the last hour")),
    "day": (timedelta(days=1), N_("the last 24 hours")),
    "week": (timedelta(days=7), N_("the last 7 days")),
    "month": (timedelta(days=30), N_("the last 30 days")),
}
DAYS: Final = "days"
_ADDRESS: Final = "round"
_TRAIL: Final = "rounds/trail"
_PREFIX: Final = re.compile(r"[0-9a-f]{4,32}")


def opened_round() -> str:
    """The id of the round that is open; empty while none is."""
    return st.query_params.get(_ADDRESS, "").strip().lower()


def open_round(round_id: str) -> None:
    """Opens a round, and writes its id to the address."""
    st.query_params[_ADDRESS] = round_id


def close_round() -> None:
    """Goes back to the list."""
    st.query_params.pop(_ADDRESS, None)


def draw_filters(schema: TaskSchema) -> Filters | None:
    """Draws the filters of a task's rounds; None where one of them is invalid."""
    with st.expander(_("Narrow down"), icon=":material/filter_alt:"):
        first, second, third = st.columns(3)
        with first:
            status = _choose(_("Votes"), STATUSES, "status")
            label = _choose(_("Truth"), LABELS, "label")
        with second:
            span = _choose(
                _("Asked"),
                {**{k: v[1] for k, v in SPANS.items()}, DAYS: N_("on chosen days")},
                "span",
            )
            since, until = _days() if span == DAYS else (_since(span), None)
        with third:
            answer = None
            if not schema.is_regression:
                answer = st.selectbox(
                    _("Answer"),
                    [label_.name for label_ in schema.labels],
                    index=None,
                    placeholder=_("any"),
                    format_func=task_gettext,
                    key=f"rounds/answer/{schema.task}",
                )
            prefix = st.text_input(_("Id, or how it begins"), key="rounds/id", max_chars=40).strip().lower()
        if prefix and not _PREFIX.fullmatch(prefix):
            text = _("An id is made of the digits 0-9 and the letters a-f: enter 4 to 32 of them.")
            st.error(text, icon=":material/edit:")
            return None
    return Filters(status, label, answer, prefix or None, since, until)


def page_cursor(task: str, filters: Filters) -> str | None:
    """The cursor of the page that is shown; None for the newest rounds."""
    trail = _trail(task, filters)
    return trail[-1] if trail else None


def draw_paging(task: str, filters: Filters, page: RoundPage) -> None:
    """Draws the buttons to older and newer rounds."""
    trail = _trail(task, filters)
    if not trail and page.after is None:
        return
    with st.container(horizontal=True):
        for text, icon, after, is_end in (
            (_("Newer"), ":material/chevron_left:", None, not trail),
            (_("Older"), ":material/chevron_right:", page.after, page.after is None),
        ):
            st.button(text, icon=icon, disabled=is_end, on_click=_turn, args=(task, filters, after))


def _turn(task: str, filters: Filters, after: str | None) -> None:
    trail = _trail(task, filters)
    trail = [*trail, after] if after is not None else trail[:-1]
    st.session_state[_TRAIL] = (task, filters, trail)


def _trail(task: str, filters: Filters) -> list[str]:
    """The cursors of the pages so far; empty after another filter."""
    kept_task, kept_filters, trail = st.session_state.get(_TRAIL, (None, None, []))
    return list(trail) if (kept_task, kept_filters) == (task, filters) else []


def _choose(name: str, choices: dict[str, str], key: str) -> str | None:
    return st.selectbox(
        name,
        list(choices),
        index=None,
        placeholder=_("any"),
        format_func=lambda choice: _(choices[choice]),
        key=f"rounds/{key}",
    )


def _since(span: str | None) -> str | None:
    """When a span begins, to the minute, so that all sessions share one request to the service."""
    if span is None:
        return None
    now = datetime.now(times.browser_zone()).replace(second=0, microsecond=0)
    return (now - SPANS[span][0]).isoformat()


def _days() -> tuple[str | None, str | None]:
    zone = times.browser_zone()
    today = datetime.now(zone).date()
    chosen = st.date_input(_("From, to"), (today, today), max_value=today, key="rounds/days")
    days: tuple[date, ...] = chosen if isinstance(chosen, tuple) else (chosen,)
    if not days:
        return None, None
    end = datetime.combine(days[-1] + timedelta(days=1), time(), zone)
    return datetime.combine(days[0], time(), zone).isoformat(), end.isoformat()
