"""Labels a round wherever one is shown, and shows what the label did to stake.

A label stays for good, so it is asked for twice: what it is, and whether it is meant. What the service
refuses is shown with what to do about it.
"""

import streamlit as st

from concord.client import Client
from concord.errors import ConcordError
from concord.tasks.schema import TaskSchema
from concord.types.answers import Verdict
from concord.types.explanation import StatedLabel, Truth
from frontend import access
from frontend.components import label_refusals, stake_moves
from frontend.components.message import offer_refresh, show_list
from frontend.data import rounds, service
from frontend.data.rounds import LabelReport
from frontend.text import times, wording
from frontend.text.language import _, task_gettext


def draw_feedback(url: str, schema: TaskSchema, verdict: Verdict, truth: Truth | None = None) -> None:
    """Asks for a round's label, or shows its label and what that did.

    Args:
        url: The consensus service.
        schema: The task's.
        verdict: The round's.
        truth: The label that the round has, if that is known here.
    """
    st.subheader(_("What was true?"))
    report: LabelReport | None = st.session_state.get(_state_key("told", verdict.id))
    if truth is None and report is not None and report.status == "conflict":
        truth = _read_truth(url, verdict)
    if truth is not None:
        _show_truth(schema, truth)
    if report is not None:
        _show_report(report)
        if report.is_good:
            if truth is None:
                _show_moves(url, schema, verdict, report)
            return
    client = access.find_client(url)
    if client is None:
        st.markdown(_describe_effect(verdict, truth))
        access.show_sign_in_hint(f"truth/{verdict.id}")
    elif truth is None:
        _ask(client, schema, verdict, truth)
    else:
        with st.expander(
            _("It was something else"), expanded=_state_key("meant", verdict.id) in st.session_state
        ):
            _ask(client, schema, verdict, truth)


def _describe_label(schema: TaskSchema, label: StatedLabel) -> str:
    """A label with its source and time."""
    return _(
        "**{truth}**, said by {source}, {time}",
        truth=wording.escape(stake_moves.format_vote(schema, label.label, label.value) or "?"),
        source=wording.escape(label.source),
        time=times.format_time(label.time),
    )


def _show_truth(schema: TaskSchema, truth: Truth) -> None:
    st.markdown(f":material/check_circle: {_describe_label(schema, truth.stands)}")
    if truth.disputes:
        st.warning(
            _("**Disputed.** These came later, contradict it and change nothing:"), icon=":material/gavel:"
        )
        show_list(_describe_label(schema, other) for other in truth.disputes)


def _describe_effect(verdict: Verdict, truth: Truth | None) -> str:
    """What a label would do to the stake of this round."""
    if truth is not None:
        return _("Another answer is kept as a dispute and changes nothing.")
    if verdict.status == "no_quorum":
        return _("Too few nodes voted, so no stake moves; models can still learn from what was true.")
    if verdict.policy == "seed":
        return _("Under the policy seed no stake moves by it; models can still learn from what was true.")
    return _("Once you know, say it: nodes that were right gain stake, those that were wrong lose some.")


def _ask(client: Client, schema: TaskSchema, verdict: Verdict, current: Truth | None) -> None:
    meant = _state_key("meant", verdict.id)
    if meant in st.session_state:
        _confirm(client, schema, verdict, current, st.session_state[meant])
        return
    st.markdown(_describe_effect(verdict, current))
    with st.form(_state_key("form", verdict.id), border=False):
        truth = _input(schema, verdict)
        is_sent = st.form_submit_button(_("This was true…"), icon=":material/fact_check:")
    if is_sent and truth is None:
        st.warning(_("Say first what was true."), icon=":material/edit:")
    elif is_sent:
        st.session_state[meant] = truth
        st.session_state.pop(_state_key("told", verdict.id), None)
        st.rerun()


def _input(schema: TaskSchema, verdict: Verdict) -> str | float | None:
    key = _state_key("truth", verdict.id)
    if schema.value is None:
        names = [label.name for label in schema.labels]
        return st.selectbox(
            _("The truth was"), names, index=None, placeholder=_("Choose"), format_func=task_gettext, key=key
        )
    unit = wording.format_unit(schema.value.unit)
    value: float | None = st.number_input(
        _("The truth was ({unit})", unit=wording.escape(unit)) if unit else _("The truth was"),
        value=None,
        step=float(schema.value.step),
        format="%g",
        key=key,
    )
    return value


def _confirm(
    client: Client, schema: TaskSchema, verdict: Verdict, current: Truth | None, truth: str | float
) -> None:
    text = task_gettext(truth) if isinstance(truth, str) else wording.format_value(schema, truth)
    with st.container(border=True):
        st.markdown(_("**You say that this was true: {truth}.**", truth=wording.escape(text)))
        if current is not None:
            st.markdown(_("It contradicts what stands, so it is kept as a dispute and changes nothing."))
        elif verdict.status == "no_quorum" or verdict.policy == "seed":
            st.markdown(_("It stays for good: nobody can change it or take it back."))
        else:
            st.markdown(
                _("It moves the nodes' stake and stays for good: nobody can change it or take it back.")
            )
        with st.container(horizontal=True):
            is_sure = st.button(
                _("Record it"), type="primary", icon=":material/gavel:", key=_state_key("yes", verdict.id)
            )
            st.button(
                _("Cancel"),
                key=_state_key("no", verdict.id),
                on_click=st.session_state.pop,
                args=(_state_key("meant", verdict.id), None),
            )
        if is_sure:
            with st.spinner(_("Recording, and waiting for the block…")):
                report = rounds.label_round(client, schema, verdict.id, truth)
            st.session_state[_state_key("told", verdict.id)] = report
            del st.session_state[_state_key("meant", verdict.id)]
            st.rerun()


def _show_report(report: LabelReport) -> None:
    if report.status == "accepted":
        st.success(_("**Recorded.** This is the truth of the round now."), icon=":material/check:")
    elif report.is_good:
        st.info(_("**The round had this label already.** Nothing has changed."), icon=":material/info:")
    else:
        label_refusals.show_refusal(report.status, report.message)


def _show_moves(url: str, schema: TaskSchema, verdict: Verdict, report: LabelReport) -> None:
    """Shows what the label did to stake, as the round has it now."""
    try:
        round_ = rounds.read_round(access.find_reader(url), verdict.id)
    except ConcordError as error:
        _show_unreadable(error, report)
    else:
        stake_moves.show_moves(schema, round_)
        if round_.explanation is not None and round_.explanation.stage == "due":
            offer_refresh(rounds.clear_cache, _state_key("again", verdict.id))


def _read_truth(url: str, verdict: Verdict) -> Truth | None:
    """The label that the round has; None where the session may not read it."""
    try:
        explanation = rounds.read_round(access.find_reader(url), verdict.id).explanation
    except ConcordError:
        return None
    return explanation.truth if explanation else None


def _show_unreadable(error: ConcordError, report: LabelReport) -> None:
    if report.block is not None:
        st.markdown(_("Block {block} settled this round.", block=report.block))
    if error.code in service.CLOSED:
        st.markdown(_("What moved is not shown: this token does not read rounds (`--reads`)."))
    else:
        st.markdown(_("What moved cannot be shown now: {message}", message=wording.escape(error.message)))


def _state_key(part: str, round_id: str) -> str:
    return f"truth/{part}/{round_id}"
