"""What a settled round did to the nodes' stake, in words and as a table.

It repeats the round's own explanation and reckons nothing. Where nothing has moved it says why: no
block yet, no label yet, no quorum, or a node that did not count.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from concord.tasks.schema import TaskSchema
from concord.types.explanation import Explanation, VoteExplanation
from concord.types.rounds import Round
from frontend.text import language
from frontend.text import wording as words
from frontend.text.language import say, say_count, told


def show(schema: TaskSchema, found: Round) -> None:
    """Shows how stake moved, or why it has not.

    Args:
        schema: The task's.
        found: The round, with its explanation.
    """
    explained = found.explanation
    if explained is None:
        return
    st.markdown("\n".join(f"- {line}" for line in lines(found, explained)))
    if explained.settlement is None:
        return
    frame = pd.DataFrame(rows(schema, explained.votes))
    st.dataframe(
        frame,
        hide_index=True,
        width="stretch",
        placeholder="–",
        alt=say("How the stake of each node moved."),
        column_config={
            say("Node"): st.column_config.TextColumn(pinned=True),
            say("Stake moved"): st.column_config.TextColumn(
                help=say("What this round gave the node or took from it.")
            ),
            say("Stake before"): st.column_config.TextColumn(
                help=say("What the node held when the question was asked.")
            ),
        },
    )


def lines(found: Round, explained: Explanation) -> list[str]:
    """The settlement in sentences."""
    settled = explained.settlement
    if settled is None:
        return [_waits(found, explained)]
    said = [
        say_count(
            "Block {block} settled this round alone.",
            "Block {block} settled this round, among {count}.",
            settled.rounds,
            block=settled.block,
        )
    ]
    if found.verdict.policy == "seed":
        said.append(say("Under the policy seed the majority moves stake at once, whatever was true."))
    gained = [one for one in explained.votes if (one.delta or 0) > 0]
    lost = [one for one in explained.votes if (one.delta or 0) < 0]
    if gained:
        said.append(say("Stake was gained by {nodes}.", nodes=_amounts(gained)))
    if lost:
        said.append(say("Stake was lost by {nodes}.", nodes=_amounts(lost)))
    if not gained and not lost:
        said.append(say("No node's stake moved: all fared alike."))
    still = [one.node for one in explained.votes if one.delta is None]
    if still:
        said.append(say("The stake of {nodes} was not in it: no vote that counts.", nodes=_names(still)))
    return said


def rows(schema: TaskSchema, votes: Sequence[VoteExplanation]) -> list[dict[str, Any]]:
    """The table's rows, the largest gain first and those without a stake in it last."""
    ordered = sorted(votes, key=lambda one: (one.delta is None, -(one.delta or 0.0), one.node))
    return [
        {
            say("Node"): one.node,
            say("Stake moved"): None if one.delta is None else signed(one.delta),
            say("Vote"): opinion(schema, one.label, one.value),
            say("Right"): rightness(one.right, is_value=schema.is_regression),
            say("Stake before"): None if one.stake is None else words.number(round(one.stake, 2)),
        }
        for one in ordered
    ]


def opinion(schema: TaskSchema, label: str | None, value: float | None) -> str | None:
    """A class or a value as people read it."""
    if value is not None:
        return words.value(schema, value) if schema.is_regression else words.number(value)
    return None if label is None else told(label)


def rightness(right: bool | None, *, is_value: bool) -> str | None:  # noqa: FBT001 - a fact with three values
    """Whether a vote was right, with a sign; a value is right within the task's usual error."""
    if right is None:
        return None
    if is_value:
        return f"✔ {say('near')}" if right else f"✕ {say('far off')}"
    return f"✔ {say('right')}" if right else f"✕ {say('wrong')}"


def signed(amount: float) -> str:
    """A change of stake with its sign, never rounded to nothing."""
    pattern = "#,##0.00" if abs(amount) >= 0.01 else "#,##0.######"
    return language.decimal(amount, f"+{pattern};-{pattern}") if amount else "0"


def _waits(found: Round, explained: Explanation) -> str:
    if explained.stage == "due":
        return say("Its block has not come yet: it takes ten seconds or so. No stake has moved so far.")
    if explained.stage == "awaits_label":
        return say("No stake has moved: nobody has said yet what was true.")
    if found.verdict.status == "no_quorum":
        return say("No stake moves by it: too few nodes voted, so there was no consensus.")
    return say("No stake moves by it: nobody said in time what was true.")


def _amounts(votes: Sequence[VoteExplanation]) -> str:
    ordered = sorted(votes, key=lambda one: -abs(one.delta or 0.0))
    return ", ".join(f"**{words.plain(one.node)}** ({signed(one.delta or 0.0)})" for one in ordered)


def _names(nodes: Sequence[str]) -> str:
    return ", ".join(f"**{words.plain(node)}**" for node in nodes)
