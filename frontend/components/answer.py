"""An answer with its evidence: the sentence, how sure, who agreed, what each node did.

It shows a verdict and adds nothing to it. Where a verdict is no answer (below the quorum, when the
operator wants no error), it says so instead of showing a sentence as if nodes had agreed on it.
"""

import streamlit as st

from concord.tasks.schema import TaskSchema
from concord.types.answers import Verdict
from frontend.charts import votes as pictures
from frontend.components import states
from frontend.components import vote_table as votes
from frontend.data.service import Answer
from frontend.text import wording as words
from frontend.text.language import _, ngettext


def show(schema: TaskSchema, answer: Answer) -> None:
    """Shows an answer from its sentence to its round id."""
    verdict = answer.verdict
    if verdict.status == "no_quorum":
        _without_quorum(schema, verdict)
    else:
        _sentence(schema, verdict)
        _status(verdict)
        _figures(schema, verdict)
        st.subheader(_("How each node voted"))
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
    st.markdown(f"## :{look.colour}[{look.icon} {words.plain(words.sentence(schema, verdict))}]")


def _without_quorum(schema: TaskSchema, verdict: Verdict) -> None:
    states.no_quorum((verdict.error or {}).get("message") or _("Too few nodes voted."))
    said = words.plain(words.sentence(schema, verdict))
    if said:
        st.markdown(_("The operator has this answered instead, without the nodes: **{said}**", said=said))
    votes.absent(verdict)


def _status(verdict: Verdict) -> None:
    voted, all_of_them = len(words.voters(verdict.votes)), len(words.counted(verdict.votes))
    if verdict.status == "ok":
        text = ngettext("ok · the node voted", "ok · all {count} nodes voted", all_of_them)
        st.badge(text, icon=":material/check:", color="green")
        _aside(verdict)
        return
    text = _("degraded · {voted} of {nodes} nodes voted", voted=voted, nodes=all_of_them)
    st.badge(text, icon=":material/warning:", color="orange")
    st.markdown(
        _("The answer stands: those who voted hold the quorum. Without a vote, and without weight here:")
    )
    votes.absent(verdict)
    _aside(verdict)


def _aside(verdict: Verdict) -> None:
    """Says of the nodes that were not to count why."""
    for line in words.aside(verdict.votes):
        st.markdown(words.small(line))


def _figures(schema: TaskSchema, verdict: Verdict) -> None:
    with st.container(horizontal=True, gap="medium"):
        if schema.is_regression:
            _spread(schema, verdict)
        elif verdict.probabilities and verdict.label:
            sure = verdict.probabilities.get(verdict.label, 0.0)
            _figure(_("How sure"), words.percent(sure), words.sureness(sure))
        if verdict.agreement is not None:
            _figure(
                _("Agreement"),
                words.percent(verdict.agreement),
                _("of the weight, {share}", share=words.agreement(verdict.agreement)),
            )


def _spread(schema: TaskSchema, verdict: Verdict) -> None:
    values = [vote.value for vote in words.voters(verdict.votes) if vote.value is not None]
    if values:
        low, high = words.value(schema, min(values)), words.value(schema, max(values))
        spread = words.value(schema, max(values) - min(values))
        _figure(_("Spread of the votes"), spread, _("from {low} to {high}", low=low, high=high))


def _figure(name: str, figure: str, in_words: str) -> None:
    with st.container(width="content", gap=None):
        st.metric(name, figure, width="content")
        st.markdown(words.small(in_words))


def _reference(schema: TaskSchema, answer: Answer) -> None:
    verdict = answer.verdict
    st.markdown(words.small(_("Id of this round")))
    st.code(verdict.id, language=None, wrap_lines=True)
    decided = _(
        "Decided on block {height} under policy {policy}, by {how}; {money}.",
        height=verdict.height,
        policy=verdict.policy,
        how=words.how(verdict.pool),
        money=words.money(verdict),
    )
    st.markdown(words.small(decided))
    if answer.row is None:
        return
    with st.expander(_("What was asked")):
        lines = [
            f"- {words.label(feature)}: **{_said(answer.row.get(feature.name))}**"
            for feature in schema.features
        ]
        st.markdown("\n".join(lines))


def _said(entered: float | str | None) -> str:
    return words.plain(entered if isinstance(entered, str) else words.number(float(entered or 0)))
