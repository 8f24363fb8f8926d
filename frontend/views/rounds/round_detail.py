"""One round with all that is known of it: answer, votes, reasons, truth, stake, proof.

The reasons are the service's own sentences. It adds nothing to them, so what stands here is what
`concord explain` prints.
"""

from dataclasses import asdict

import orjson
import streamlit as st

from concord.tasks.schema import TaskSchema
from concord.types.answers import Round
from concord.types.explanation import Explanation, Proof, VoteExplanation
from frontend.components import answer, feedback, stake_moves
from frontend.data.service import AnsweredRow
from frontend.text import times, wording
from frontend.text.language import _, ngettext


def show_round(url: str, schema: TaskSchema, found: Round) -> None:
    """Shows a round.

    Args:
        url: The consensus service.
        schema: Its task's.
        found: The round, with its explanation.
    """
    st.markdown(wording.small(_("Asked {time}", time=times.format_time(found.time))))
    answer.show_answer(schema, AnsweredRow(found.features, found.verdict))
    explained = found.explanation
    if explained is None:
        st.info(_("This service is an older one and explains nothing."), icon=":material/info:")
        return
    _reasons(schema, explained)
    feedback.draw_feedback(url, schema, found.verdict, explained.truth)
    st.subheader(_("What it did to stake"))
    stake_moves.show_moves(schema, found)
    _block(found, explained)
    _decisions(explained)
    for note in (explained.row, explained.problem):
        if note:
            st.warning(wording.escape(note), icon=":material/info:")


def write_proof(proof: Proof) -> bytes:
    """The file that `concord explain --proof` writes."""
    return orjson.dumps(asdict(proof), option=orjson.OPT_INDENT_2) + b"\n"


def _reasons(schema: TaskSchema, explained: Explanation) -> None:
    st.subheader(_("Why each vote weighed what it did"))
    st.markdown(wording.escape(explained.method))
    for one in explained.votes:
        st.markdown(f"- **{wording.escape(one.node)}** {_facts(schema, one)}  \n  {wording.escape(one.why)}")
        if one.challenger is not None:
            said = stake_moves.format_vote(schema, one.challenger.label, one.challenger.value) or "–"
            st.markdown(
                wording.small(
                    _(
                        "Version {version} is tried beside it and does not count: {said}",
                        version=wording.escape(one.challenger.version or "?"),
                        said=wording.escape(said),
                    )
                )
            )


def _facts(schema: TaskSchema, one: VoteExplanation) -> str:
    """What a node said and what that weighed, in a line."""
    said = stake_moves.format_vote(schema, one.label, one.value)
    facts = [wording.escape(said)] if said else []
    if one.counted:
        facts.append(_("weight {weight}", weight=wording.format_share(one.weight)))
    else:
        facts.append(_("not counted"))
    right = stake_moves.format_rightness(one.right, is_value=schema.is_regression)
    return " · ".join([*facts, right] if right else facts)


def _block(found: Round, explained: Explanation) -> None:
    settled, proof = explained.settlement, explained.proof
    if settled is None:
        return
    with st.expander(_("The block and the proof"), icon=":material/verified:"):
        st.markdown(
            _("Block {block} was made {time}.", block=settled.block, time=times.format_time(settled.time))
        )
        st.markdown(wording.escape(settled.note))
        if settled.levelling:
            drawn = ", ".join(
                f"{wording.escape(node)} {stake_moves.format_change(by)}"
                for node, by in settled.levelling.items()
            )
            st.markdown(_("The block's levelling: {moved}.", moved=drawn))
        if proof is None:
            return
        st.markdown(
            ngettext(
                "The proof leads in one step from the round's record to the root in block {block}.",
                "The proof leads in {count} steps from the round's record to the root in block {block}.",
                len(proof.path),
                block=proof.block,
            )
        )
        st.code(proof.root, language=None, wrap_lines=True)
        st.download_button(
            _("Download the proof"),
            write_proof(proof),
            file_name=f"proof-{found.id[:8]}.json",
            mime="application/json",
            icon=":material/download:",
            on_click="ignore",
        )
        st.markdown(_("Whoever has the ledger's export checks it without this service:"))
        st.code(
            f"concord ledger prove blocks.jsonl proof-{found.id[:8]}.json", language="bash", wrap_lines=True
        )


def _decisions(explained: Explanation) -> None:
    if explained.decisions:
        with st.expander(_("How its nodes came to their versions"), icon=":material/history:"):
            lines = (
                f"- **{wording.escape(one.node)}** {times.format_time(one.time)}: {wording.escape(one.words)}"
                for one in explained.decisions
            )
            st.markdown("\n".join(lines))
