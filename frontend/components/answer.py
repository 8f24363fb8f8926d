"""Draws an answer: its sentence, how sure it is, the agreement, and what each node did.

A verdict without an answer (below the quorum, where the operator wants no error) is shown as such.
"""

import streamlit as st

from concord.tasks.schema import TaskSchema
from concord.types.answers import Verdict
from frontend.charts.votes import draw_votes, votes_legend
from frontend.components import states, vote_table
from frontend.components.chart import show_chart
from frontend.components.message import show_copyable, show_list, show_metric, show_small
from frontend.data.service import AnsweredRow
from frontend.text import wording
from frontend.text.language import _, ngettext


def show_answer(schema: TaskSchema, answer: AnsweredRow) -> None:
    """Shows an answer from its sentence to its round id."""
    verdict = answer.verdict
    if verdict.status == "no_quorum":
        _show_without_quorum(schema, verdict)
    else:
        _show_sentence(schema, verdict)
        _show_status(verdict)
        _show_metrics(schema, verdict)
        st.subheader(_("How each node voted"))
        st.html(votes_legend(schema, verdict))
        show_chart(draw_votes(schema, verdict), wording.describe_votes(schema, verdict))
    vote_table.show_votes(schema, verdict)
    _show_reference(schema, answer)


def _show_sentence(schema: TaskSchema, verdict: Verdict) -> None:
    badge = wording.answer_badge(schema, verdict)
    st.markdown(f"## {badge.markdown(wording.escape(wording.format_answer(schema, verdict)))}")


def _show_without_quorum(schema: TaskSchema, verdict: Verdict) -> None:
    states.show_no_quorum((verdict.error or {}).get("message") or _("Too few nodes voted."))
    fallback = wording.escape(wording.format_answer(schema, verdict))
    if fallback:
        st.markdown(_("The operator has this answered instead, without the nodes: **{said}**", said=fallback))
    vote_table.show_absent(verdict)


def _show_status(verdict: Verdict) -> None:
    voted, expected = len(wording.select_cast(verdict.votes)), len(wording.select_voters(verdict.votes))
    if verdict.status == "ok":
        text = ngettext("ok · the node voted", "ok · all {count} nodes voted", expected)
        st.badge(text, icon=":material/check:", color="green")
    else:
        text = _("degraded · {voted} of {nodes} nodes voted", voted=voted, nodes=expected)
        st.badge(text, icon=":material/warning:", color="orange")
        st.markdown(
            _("The answer stands: those who voted hold the quorum. Without a vote, and without weight here:")
        )
        vote_table.show_absent(verdict)
    for line in wording.describe_non_voters(verdict.votes):
        show_small(line)


def _show_metrics(schema: TaskSchema, verdict: Verdict) -> None:
    with st.container(horizontal=True, gap="medium"):
        if schema.is_regression:
            _show_spread(schema, verdict)
        elif verdict.probabilities and verdict.label:
            sure = verdict.probabilities.get(verdict.label, 0.0)
            show_metric(_("How sure"), wording.format_share(sure), wording.describe_certainty(sure))
        if verdict.agreement is not None:
            show_metric(
                _("Agreement"),
                wording.format_share(verdict.agreement),
                _("of the weight, {share}", share=wording.describe_agreement(verdict.agreement)),
            )


def _show_spread(schema: TaskSchema, verdict: Verdict) -> None:
    values = [vote.value for vote in wording.select_cast(verdict.votes) if vote.value is not None]
    if values:
        low, high = wording.format_value(schema, min(values)), wording.format_value(schema, max(values))
        spread = wording.format_value(schema, max(values) - min(values))
        show_metric(_("Spread of the votes"), spread, _("from {low} to {high}", low=low, high=high))


def _show_reference(schema: TaskSchema, answer: AnsweredRow) -> None:
    verdict = answer.verdict
    show_copyable(_("Id of this round"), verdict.id)
    decided = _(
        "Decided on block {height} under policy {policy}, by {how}; {money}.",
        height=verdict.height,
        policy=verdict.policy,
        how=wording.describe_pooling(verdict.pool),
        money=wording.describe_settlement(verdict),
    )
    show_small(decided)
    if answer.row is None:
        return
    with st.expander(_("What was asked")):
        show_list(
            f"{wording.format_feature(feature)}: **{_format_input(answer.row.get(feature.name))}**"
            for feature in schema.features
        )


def _format_input(value: float | str | None) -> str:
    return wording.escape(value if isinstance(value, str) else wording.format_number(float(value or 0)))
