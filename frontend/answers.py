"""An answer with its evidence: the sentence, how sure, who agreed, what each node did.

It shows a verdict and adds nothing to it. Where a verdict is no answer (below the quorum, when the
operator wants no error), it says so instead of showing a sentence as if nodes had agreed on it.
"""

import streamlit as st

from concord.schema import TaskSchema
from concord.wire import Verdict
from frontend import pictures, states, votes, words
from frontend.service import Answer


def show(schema: TaskSchema, answer: Answer) -> None:
    """Shows an answer from its sentence to its round id."""
    verdict = answer.verdict
    if verdict.status == "no_quorum":
        _without_quorum(schema, verdict)
    else:
        _sentence(schema, verdict)
        _status(verdict)
        _figures(schema, verdict)
        st.subheader("How each node voted")
        st.html(pictures.legend(schema, verdict))
        st.altair_chart(
            pictures.of(schema, verdict, is_light=st.context.theme.type == "light"),
            width="stretch",
            alt=words.describe(schema, verdict),
            theme="streamlit",
        )
    votes.table(schema, verdict)
    _reference(schema, answer)


def _sentence(schema: TaskSchema, verdict: Verdict) -> None:
    look = words.tone(schema, verdict)
    sentence = verdict.sentence or verdict.label or ""
    st.markdown(f"## :{look.colour}[{look.icon} {words.plain(sentence)}]")


def _without_quorum(schema: TaskSchema, verdict: Verdict) -> None:
    states.no_quorum((verdict.error or {}).get("message") or "Too few nodes voted.")
    said = verdict.sentence or verdict.label
    if verdict.value is not None:
        said = said or words.value(schema, verdict.value)
    if said:
        st.markdown(f"The operator has this answered instead, without the nodes: **{words.plain(said)}**")
    votes.absent(verdict)


def _status(verdict: Verdict) -> None:
    voted, all_of_them = len(words.voters(verdict.votes)), len(words.counted(verdict.votes))
    if verdict.status == "ok":
        st.badge(f"ok · all {all_of_them} nodes voted", icon=":material/check:", color="green")
        _aside(verdict)
        return
    st.badge(f"degraded · {voted} of {all_of_them} nodes voted", icon=":material/warning:", color="orange")
    st.markdown(
        "The answer stands: those who voted hold the quorum. Without a vote, and without weight here:"
    )
    votes.absent(verdict)
    _aside(verdict)


def _aside(verdict: Verdict) -> None:
    """Says of the nodes that were not to count why."""
    for line in words.aside(verdict.votes):
        st.markdown(f":small[{line}]")


def _figures(schema: TaskSchema, verdict: Verdict) -> None:
    with st.container(horizontal=True, gap="medium"):
        if schema.is_regression:
            _spread(schema, verdict)
        elif verdict.probabilities and verdict.label:
            sure = verdict.probabilities.get(verdict.label, 0.0)
            _figure("How sure", words.percent(sure), words.sureness(sure))
        if verdict.agreement is not None:
            _figure(
                "Agreement",
                words.percent(verdict.agreement),
                f"of the weight, {words.agreement(verdict.agreement)}",
            )


def _spread(schema: TaskSchema, verdict: Verdict) -> None:
    values = [vote.value for vote in words.voters(verdict.votes) if vote.value is not None]
    if values:
        low, high = words.value(schema, min(values)), words.value(schema, max(values))
        _figure(
            "Spread of the votes", words.value(schema, max(values) - min(values)), f"from {low} to {high}"
        )


def _figure(name: str, figure: str, in_words: str) -> None:
    with st.container(width="content", gap=None):
        st.metric(name, figure, width="content")
        st.markdown(f":small[{in_words}]")


def _reference(schema: TaskSchema, answer: Answer) -> None:
    verdict = answer.verdict
    st.markdown(":small[Id of this round]")
    st.code(verdict.id, language=None, wrap_lines=True)
    st.markdown(
        f":small[Decided on block {verdict.height} under policy {verdict.policy}, "
        f"by {words.how(verdict.pool)}; {words.money(verdict)}.]"
    )
    with st.expander("What was asked"):
        lines = [
            f"- {words.label(feature)}: **{_said(answer.row.get(feature.name))}**"
            for feature in schema.features
        ]
        st.markdown("\n".join(lines))


def _said(entered: float | str | None) -> str:
    return words.plain(entered if isinstance(entered, str) else words.number(float(entered or 0)))
