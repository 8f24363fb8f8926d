"""One round with all that is known of it: answer, votes, reasons, truth, stake, proof.

The reasons are the service's own sentences. It adds nothing to them, so what stands here is what
`concord explain` prints.
"""

from dataclasses import asdict

import orjson
import streamlit as st

from concord.tasks.schema import TaskSchema
from concord.types.explanation import Explanation, Proof, VoteExplanation
from concord.types.rounds import Round
from frontend.components import answer as answers
from frontend.components import feedback as truth
from frontend.components import stake_moves as moves
from frontend.data.service import Answer
from frontend.text import times as moments
from frontend.text import wording as words
from frontend.text.language import say, say_count


def show(url: str, schema: TaskSchema, found: Round) -> None:
    """Shows a round.

    Args:
        url: The consensus service.
        schema: Its task's.
        found: The round, with its explanation.
    """
    st.markdown(words.small(say("Asked {time}", time=moments.local(found.time))))
    answers.show(schema, Answer(found.features, found.verdict))
    explained = found.explanation
    if explained is None:
        st.info(say("This service is an older one and explains nothing."), icon=":material/info:")
        return
    _reasons(schema, explained)
    truth.draw(url, schema, found.verdict, explained.truth)
    st.subheader(say("What it did to stake"))
    moves.show(schema, found)
    _block(found, explained)
    _decisions(explained)
    for note in (explained.row, explained.problem):
        if note:
            st.warning(words.plain(note), icon=":material/info:")


def proof_file(proof: Proof) -> bytes:
    """The file that `concord explain --proof` writes."""
    return orjson.dumps(asdict(proof), option=orjson.OPT_INDENT_2) + b"\n"


def _reasons(schema: TaskSchema, explained: Explanation) -> None:
    st.subheader(say("Why each vote weighed what it did"))
    st.markdown(words.plain(explained.method))
    for one in explained.votes:
        st.markdown(f"- **{words.plain(one.node)}** {_facts(schema, one)}  \n  {words.plain(one.why)}")
        if one.challenger is not None:
            said = moves.opinion(schema, one.challenger.label, one.challenger.value) or "–"
            st.markdown(
                words.small(
                    say(
                        "Version {version} is tried beside it and does not count: {said}",
                        version=words.plain(one.challenger.version or "?"),
                        said=words.plain(said),
                    )
                )
            )


def _facts(schema: TaskSchema, one: VoteExplanation) -> str:
    """What a node said and what that weighed, in a line."""
    said = moves.opinion(schema, one.label, one.value)
    facts = [words.plain(said)] if said else []
    if one.counted:
        facts.append(say("weight {weight}", weight=words.percent(one.weight)))
    else:
        facts.append(say("not counted"))
    right = moves.rightness(one.right, is_value=schema.is_regression)
    return " · ".join([*facts, right] if right else facts)


def _block(found: Round, explained: Explanation) -> None:
    settled, proof = explained.settlement, explained.proof
    if settled is None:
        return
    with st.expander(say("The block and the proof"), icon=":material/verified:"):
        st.markdown(
            say("Block {block} was made {time}.", block=settled.block, time=moments.local(settled.time))
        )
        st.markdown(words.plain(settled.note))
        if settled.levelling:
            drawn = ", ".join(
                f"{words.plain(node)} {moves.signed(by)}" for node, by in settled.levelling.items()
            )
            st.markdown(say("The block's levelling: {moved}.", moved=drawn))
        if proof is None:
            return
        st.markdown(
            say_count(
                "The proof leads in one step from the round's record to the root in block {block}.",
                "The proof leads in {count} steps from the round's record to the root in block {block}.",
                len(proof.path),
                block=proof.block,
            )
        )
        st.code(proof.root, language=None, wrap_lines=True)
        st.download_button(
            say("Download the proof"),
            proof_file(proof),
            file_name=f"proof-{found.id[:8]}.json",
            mime="application/json",
            icon=":material/download:",
            on_click="ignore",
        )
        st.markdown(say("Whoever has the ledger's export checks it without this service:"))
        st.code(
            f"concord ledger prove blocks.jsonl proof-{found.id[:8]}.json", language="bash", wrap_lines=True
        )


def _decisions(explained: Explanation) -> None:
    if explained.decisions:
        with st.expander(say("How its nodes came to their versions"), icon=":material/history:"):
            lines = (
                f"- **{words.plain(one.node)}** {moments.local(one.time)}: {words.plain(one.words)}"
                for one in explained.decisions
            )
            st.markdown("\n".join(lines))
