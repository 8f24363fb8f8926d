"""One round with all that is known of it: answer, votes, reasons, label, stake, proof.

The reasons are the service's own sentences, as `concord explain` prints them.
"""

from collections.abc import Sequence
from dataclasses import asdict

import orjson
import streamlit as st

from concord.tasks.schema import TaskSchema
from concord.types.explanation import Decided, Explanation, Proof, Settled, VoteExplanation
from concord.types.rounds import Round
from frontend.components import answer, feedback, stake_moves
from frontend.components.message import offer_download, show_list, show_small
from frontend.data.service import AnsweredRow
from frontend.text import times, wording
from frontend.text.language import _, ngettext


def show_round(url: str, schema: TaskSchema, round_: Round) -> None:
    """Shows a round.

    Args:
        url: The consensus service.
        schema: Its task's.
        round_: With its explanation.
    """
    explanation = round_.explanation
    if explanation is not None and explanation.contradiction is not None:
        st.error(wording.escape(explanation.contradiction), icon=":material/gpp_bad:")
        if explanation.settlement is not None:
            _show_block(round_.id, explanation.settlement, explanation.proof)
        return
    show_small(_("Asked {time}", time=times.format_time(round_.time)))
    answer.show_answer(schema, AnsweredRow(round_.features, round_.verdict))
    if explanation is None:
        st.info(_("This service is an older one and explains nothing."), icon=":material/info:")
        return
    _show_reasons(schema, explanation)
    feedback.draw_feedback(url, schema, round_.verdict, explanation.truth)
    st.subheader(_("What it did to stake"))
    stake_moves.show_moves(schema, round_)
    if explanation.settlement is not None:
        _show_block(round_.id, explanation.settlement, explanation.proof)
    if explanation.decisions:
        _show_decisions(explanation.decisions)
    for note in (explanation.row, explanation.problem):
        if note:
            st.warning(wording.escape(note), icon=":material/info:")


def write_proof(proof: Proof) -> bytes:
    """The file that `concord explain --proof` writes."""
    return orjson.dumps(asdict(proof), option=orjson.OPT_INDENT_2) + b"\n"


def _show_reasons(schema: TaskSchema, explanation: Explanation) -> None:
    st.subheader(_("Why each vote weighed what it did"))
    st.markdown(wording.escape(explanation.method))
    for vote in explanation.votes:
        st.markdown(
            f"- **{wording.escape(vote.node)}** {_list_facts(schema, vote)}  \n  {wording.escape(vote.why)}"
        )
        if vote.challenger is not None:
            opinion = stake_moves.format_vote(schema, vote.challenger.label, vote.challenger.value) or "–"
            show_small(
                _(
                    "Version {version} is tried beside it and does not count: {said}",
                    version=wording.escape(vote.challenger.version or "?"),
                    said=wording.escape(opinion),
                )
            )


def _list_facts(schema: TaskSchema, vote: VoteExplanation) -> str:
    """A node's vote, its weight and whether it was right, in a line."""
    opinion = stake_moves.format_vote(schema, vote.label, vote.value)
    facts = [wording.escape(opinion)] if opinion else []
    if vote.counted:
        facts.append(_("weight {weight}", weight=wording.format_share(vote.weight)))
    else:
        facts.append(_("not counted"))
    right = stake_moves.format_rightness(vote.right, is_value=schema.is_regression)
    return " · ".join([*facts, right] if right else facts)


def _show_block(round_id: str, settlement: Settled, proof: Proof | None) -> None:
    with st.expander(_("The block and the proof"), icon=":material/verified:"):
        time = times.format_time(settlement.time)
        st.markdown(_("Block {block} was made {time}.", block=settlement.block, time=time))
        st.markdown(wording.escape(settlement.note))
        if settlement.levelling:
            levelling = ", ".join(
                f"{wording.escape(node)} {stake_moves.format_change(change)}"
                for node, change in settlement.levelling.items()
            )
            st.markdown(_("The block's levelling: {moved}.", moved=levelling))
        if proof is not None:
            _show_proof(round_id, proof)


def _show_proof(round_id: str, proof: Proof) -> None:
    st.markdown(
        ngettext(
            "The proof leads in one step from the round's record to the root in block {block}.",
            "The proof leads in {count} steps from the round's record to the root in block {block}.",
            len(proof.path),
            block=proof.block,
        )
    )
    st.code(proof.root, language=None, wrap_lines=True)
    name = f"proof-{round_id[:8]}.json"
    offer_download(_("Download the proof"), write_proof(proof), name, "application/json")
    st.markdown(_("Whoever has the ledger's export checks it without this service:"))
    st.code(f"concord ledger prove blocks.jsonl {name}", language="bash", wrap_lines=True)


def _show_decisions(decisions: Sequence[Decided]) -> None:
    with st.expander(_("How its nodes came to their versions"), icon=":material/history:"):
        show_list(
            f"**{wording.escape(decision.node)}** {times.format_time(decision.time)}: "
            f"{wording.escape(decision.words)}"
            for decision in decisions
        )
