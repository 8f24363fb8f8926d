"""Badges, reasons and sentences about a node's standing and what happened to it."""

from collections.abc import Iterable, Mapping
from typing import Final

from concord.types.nodes import HistoryEntry, NodeView
from frontend.text import language, reasons, wording
from frontend.text.language import N_, _
from frontend.text.wording import Badge

STANDINGS: Final[Mapping[str, Badge]] = {
    "active": Badge("✔", ":material/check_circle:", "green", N_("active"), N_("its vote counts")),
    "probation": Badge(
        "◌",
        ":material/visibility:",
        "orange",
        N_("on probation"),
        N_("it is asked and scored, and its vote does not count"),
    ),
    "jailed": Badge("⊘", ":material/block:", "red", N_("jailed"), N_("its vote does not count")),
}

STATES: Final[Mapping[str, Badge]] = {
    "up": Badge("✔", ":material/check:", "green", N_("up")),
    "down": Badge("✕", ":material/link_off:", "red", N_("down")),
    "mismatched": Badge("!", ":material/error:", "red", N_("mismatched")),
    "unknown": Badge("?", ":material/help:", "gray", N_("unknown")),
}

_GAINED: Final = Badge("▲", ":material/trending_up:", "green", N_("gained"))
_LOST: Final = Badge("▼", ":material/trending_down:", "red", N_("lost"))
_SLASHED: Final = Badge("▼", ":material/content_cut:", "red", N_("slashed"))
_SAME: Final = Badge("=", ":material/equal:", "gray", N_("settled, stake unchanged"))

_EVENTS: Final[Mapping[str, Badge]] = {
    "open": Badge("✚", ":material/add:", "blue", N_("account opened")),
    "deposit": Badge("▲", ":material/savings:", "green", N_("topped up")),
    "withdraw": Badge("▼", ":material/output:", "gray", N_("withdrawn from")),
    "jail": Badge("⊘", ":material/block:", "red", N_("jailed")),
    "release": Badge("✔", ":material/lock_open:", "green", N_("released")),
    "promote": Badge("↻", ":material/deployed_code:", "blue", N_("serves another version")),
    "appoint": Badge("✎", ":material/gavel:", "blue", N_("version decided")),
}
_OTHER: Final = Badge("•", ":material/info:", "gray", N_("changed"))

_TRIALS: Final = {"probation": N_("too few to say"), "proven": N_("enough to judge it")}

ORDINARY: Final = "settle"
"""The event of every labelled round; all others are rare."""


def standing_badge(node: NodeView) -> Badge:
    """The badge that says whether a node counts."""
    return STANDINGS[node.standing]


def state_badge(node: NodeView) -> Badge:
    """The badge that says whether a node is up."""
    return STATES[node.status]


def event_badge(entry: HistoryEntry) -> Badge:
    """The badge of an entry of a node's history."""
    if entry.event != ORDINARY:
        return _EVENTS.get(entry.event, _OTHER)
    if entry.change == 0:
        return _SAME
    if entry.change > 0:
        return _GAINED
    # Who dissents under `seed` is slashed; under `wager` money goes from those who were wrong to the right.
    return _SLASHED if "under seed" in (entry.reason or "") else _LOST


def event_reason(entry: HistoryEntry) -> str:
    """The reason of an entry, in the reader's language."""
    return reasons.translate_reason(entry.reason or "")


def list_concerns(nodes: Iterable[NodeView]) -> list[str]:
    """A line for every node that is down or does not count: its state, why, and what that means."""
    lines = []
    for node in nodes:
        name = wording.escape(node.node)
        if node.status != "up":
            reason = wording.escape(node.reason or _("it has not said why"))
            lines.append(
                _(
                    "**{node}** is {state}: {reason}",
                    node=name,
                    state=state_badge(node).markdown(),
                    reason=reason,
                )
            )
        if node.standing != "active":
            badge = standing_badge(node)
            lines.append(
                _(
                    "**{node}** is {standing}: {meaning}. {reason}",
                    node=name,
                    standing=badge.markdown(),
                    meaning=_(badge.meaning),
                    reason=wording.escape(reasons.translate_reason(node.standing_reason or "")),
                ).strip()
            )
        elif node.standing_reason:
            reason = wording.escape(reasons.translate_reason(node.standing_reason))
            lines.append(f"**{name}**: {reason}")
    return lines


def list_trials(nodes: Iterable[NodeView]) -> list[str]:
    """A line for every challenger: its labelled rounds and skill."""
    return [
        _(
            "Version {version} is tried beside **{node}**: {rounds} labelled rounds, skill {skill}, "
            "{standing}",
            version=wording.escape(node.challenger.version),
            node=wording.escape(node.node),
            rounds=wording.format_number(node.challenger.labelled),
            skill=language.format_decimal(node.challenger.skill, "0.000"),
            standing=_(_TRIALS[node.challenger.standing]),
        )
        for node in nodes
        if node.challenger is not None
    ]


def format_stake(stake: float, *, signed: bool = False) -> str:
    """Stake, or with its sign a change of stake."""
    return language.format_decimal(stake, "+#,##0.00##;-#,##0.00##" if signed else "#,##0.00##")
