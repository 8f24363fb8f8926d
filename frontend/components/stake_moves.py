"""Shows what a settled round did to the nodes' stake, in words and as a table, or why nothing moved.

All of it comes from the round's explanation.
"""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from concord.tasks.schema import TaskSchema
from concord.types.explanation import Explanation, VoteExplanation
from concord.types.rounds import Round
from frontend.components.message import show_list
from frontend.components.table import show_table
from frontend.text import language, wording
from frontend.text.language import _, ngettext, task_gettext


def show_moves(schema: TaskSchema, round_: Round) -> None:
    """Shows how stake moved, or why it has not.

    Args:
        schema: The task's.
        round_: With its explanation.
    """
    explanation = round_.explanation
    if explanation is None:
        return
    show_list(describe_moves(round_, explanation))
    if explanation.settlement is None:
        return
    show_table(
        list_moves(schema, explanation.votes),
        _("How the stake of each node moved."),
        {
            _("Node"): st.column_config.TextColumn(pinned=True),
            _("Stake moved"): st.column_config.TextColumn(
                help=_("What this round gave the node or took from it.")
            ),
            _("Stake before"): st.column_config.TextColumn(
                help=_("What the node held when the question was asked.")
            ),
        },
    )


def describe_moves(round_: Round, explanation: Explanation) -> list[str]:
    """The settlement in sentences."""
    settlement = explanation.settlement
    if settlement is None:
        return [_describe_waiting(round_, explanation)]
    sentences = [
        ngettext(
            "Block {block} settled this round alone.",
            "Block {block} settled this round, among {count}.",
            settlement.rounds,
            block=settlement.block,
        )
    ]
    if round_.verdict.policy == "seed":
        sentences.append(_("Under the policy seed the majority moves stake at once, whatever was true."))
    gained = [vote for vote in explanation.votes if (vote.delta or 0) > 0]
    lost = [vote for vote in explanation.votes if (vote.delta or 0) < 0]
    if gained:
        sentences.append(_("Stake was gained by {nodes}.", nodes=_amounts(gained)))
    if lost:
        sentences.append(_("Stake was lost by {nodes}.", nodes=_amounts(lost)))
    if not gained and not lost:
        sentences.append(_("No node's stake moved: all fared alike."))
    unmoved = [vote.node for vote in explanation.votes if vote.delta is None]
    if unmoved:
        sentences.append(_("The stake of {nodes} was not in it: no vote that counts.", nodes=_names(unmoved)))
    return sentences


def list_moves(schema: TaskSchema, votes: Sequence[VoteExplanation]) -> list[dict[str, Any]]:
    """The table's rows, the largest gain first, and nodes whose stake was not in it last."""
    ordered = sorted(votes, key=lambda vote: (vote.delta is None, -(vote.delta or 0.0), vote.node))
    return [
        {
            _("Node"): vote.node,
            _("Stake moved"): None if vote.delta is None else format_change(vote.delta),
            _("Vote"): format_vote(schema, vote.label, vote.value),
            _("Right"): format_rightness(vote.right, is_value=schema.is_regression),
            _("Stake before"): None if vote.stake is None else wording.format_number(round(vote.stake, 2)),
        }
        for vote in ordered
    ]


def format_vote(schema: TaskSchema, label: str | None, value: float | None) -> str | None:
    """A class or a value as people read it."""
    if value is not None:
        return wording.format_value(schema, value) if schema.is_regression else wording.format_number(value)
    return None if label is None else task_gettext(label)


def format_rightness(right: bool | None, *, is_value: bool) -> str | None:  # noqa: FBT001 - a fact with three values
    """Whether a vote was right, with a sign; a value is right within the task's usual error."""
    if right is None:
        return None
    if is_value:
        return f"✔ {_('near')}" if right else f"✕ {_('far off')}"
    return f"✔ {_('right')}" if right else f"✕ {_('wrong')}"


def format_change(amount: float) -> str:
    """A change of stake with its sign, never rounded to nothing."""
    pattern = "#,##0.00" if abs(amount) >= 0.01 else "#,##0.######"
    return language.format_decimal(amount, f"+{pattern};-{pattern}") if amount else "0"


def _describe_waiting(round_: Round, explanation: Explanation) -> str:
    if explanation.stage == "due":
        return _("Its block has not come yet: it takes ten seconds or so. No stake has moved so far.")
    if explanation.stage == "awaits_label":
        return _("No stake has moved: nobody has said yet what was true.")
    if round_.verdict.status == "no_quorum":
        return _("No stake moves by it: too few nodes voted, so there was no consensus.")
    return _("No stake moves by it: nobody said in time what was true.")


def _amounts(votes: Sequence[VoteExplanation]) -> str:
    ordered = sorted(votes, key=lambda vote: -abs(vote.delta or 0.0))
    return ", ".join(
        f"**{wording.escape(vote.node)}** ({format_change(vote.delta or 0.0)})" for vote in ordered
    )


def _names(nodes: Sequence[str]) -> str:
    return ", ".join(f"**{wording.escape(node)}**" for node in nodes)
