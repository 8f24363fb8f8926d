"""How a node stands, and what happened to it: symbol, word and reason for each.

Values only, so that wording is tested without a browser. A sign is never alone: a word stands beside it.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from concord.types.nodes import HistoryEntry, NodeView
from frontend.text import language, reasons
from frontend.text import wording as words
from frontend.text.language import mark, say
from frontend.text.wording import Look

STANDINGS: Final[Mapping[str, Look]] = {
    "active": Look("✔", ":material/check_circle:", "green", mark("active"), mark("its vote counts")),
    "probation": Look(
        "◌",
        ":material/visibility:",
        "orange",
        mark("on probation"),
        mark("it is asked and scored, and its vote does not count"),
    ),
    "jailed": Look("⊘", ":material/block:", "red", mark("jailed"), mark("its vote does not count")),
}

STATES: Final[Mapping[str, Look]] = {
    "up": Look("✔", ":material/check:", "green", mark("up")),
    "down": Look("✕", ":material/link_off:", "red", mark("down")),
    "mismatched": Look("!", ":material/error:", "red", mark("mismatched")),
    "unknown": Look("?", ":material/help:", "gray", mark("unknown")),
}

_GAINED: Final = Look("▲", ":material/trending_up:", "green", mark("gained"))
_LOST: Final = Look("▼", ":material/trending_down:", "red", mark("lost"))
_SLASHED: Final = Look("▼", ":material/content_cut:", "red", mark("slashed"))
_SAME: Final = Look("=", ":material/equal:", "gray", mark("settled, stake unchanged"))

_EVENTS: Final[Mapping[str, Look]] = {
    "open": Look("✚", ":material/add:", "blue", mark("account opened")),
    "deposit": Look("▲", ":material/savings:", "green", mark("topped up")),
    "withdraw": Look("▼", ":material/output:", "gray", mark("withdrawn from")),
    "jail": Look("⊘", ":material/block:", "red", mark("jailed")),
    "release": Look("✔", ":material/lock_open:", "green", mark("released")),
    "promote": Look("↻", ":material/deployed_code:", "blue", mark("serves another version")),
    "appoint": Look("✎", ":material/gavel:", "blue", mark("version decided")),
}
_OTHER: Final = Look("•", ":material/info:", "gray", mark("changed"))

_TRIALS: Final = {"probation": mark("too few to say"), "proven": mark("enough to judge it")}

ORDINARY: Final = "settle"
"""The event that every labelled round brings; all others are out of the ordinary."""


def standing(node: NodeView) -> Look:
    """Whether a node counts."""
    return STANDINGS[node.standing]


def state(node: NodeView) -> Look:
    """Whether it can be asked."""
    return STATES[node.status]


def happened(entry: HistoryEntry) -> Look:
    """What an entry of a node's history is."""
    if entry.event != ORDINARY:
        return _EVENTS.get(entry.event, _OTHER)
    if entry.change == 0:
        return _SAME
    if entry.change > 0:
        return _GAINED
    # Who dissents under `seed` is slashed; under `wager` money goes from those who were wrong to the right.
    return _SLASHED if "under seed" in (entry.reason or "") else _LOST


def why(entry: HistoryEntry) -> str:
    """Its reason in the reader's language."""
    return reasons.said(entry.reason or "")


def told(look: Look) -> str:
    """Symbol and word, for tables and pictures."""
    return f"{look.symbol} {say(look.word)}"


def shown(look: Look) -> str:
    """Icon and word in its colour, for Markdown."""
    return f":{look.colour}[{look.icon} {say(look.word)}]"


def concerns(nodes: Iterable[NodeView]) -> list[str]:
    """A line for every node that is away or does not count: which, how it stands, why, what that means."""
    lines = []
    for node in nodes:
        name = words.plain(node.node)
        if node.status != "up":
            reason = words.plain(node.reason or say("it has not said why"))
            lines.append(
                say("**{node}** is {state}: {reason}", node=name, state=shown(state(node)), reason=reason)
            )
        if node.standing != "active":
            look = standing(node)
            lines.append(
                say(
                    "**{node}** is {standing}: {meaning}. {reason}",
                    node=name,
                    standing=shown(look),
                    meaning=say(look.meaning),
                    reason=words.plain(reasons.said(node.standing_reason or "")),
                ).strip()
            )
    return lines


def trials(nodes: Iterable[NodeView]) -> list[str]:
    """A line for every version that is tried beside a node's own, and what it has shown."""
    return [
        say(
            "Version {version} is tried beside **{node}**: {rounds} labelled rounds, skill {skill}, "
            "{standing}",
            version=words.plain(node.challenger.version),
            node=words.plain(node.node),
            rounds=words.number(node.challenger.labelled),
            skill=language.decimal(node.challenger.skill, "0.000"),
            standing=say(_TRIALS[node.challenger.standing]),
        )
        for node in nodes
        if node.challenger is not None
    ]


def amount(stake: float, *, signed: bool = False) -> str:
    """Stake for people; what moved it comes with its sign."""
    return language.decimal(stake, "+#,##0.00##;-#,##0.00##" if signed else "#,##0.00##")


def moment(iso: str) -> str:
    """A time of the service's, which is UTC, as far as the second."""
    return f"{iso[:10]} {iso[11:19]}"
