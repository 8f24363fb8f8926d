"""What happened in a block of the ledger, in words: its line in a list, and each of its events.

The ledger counts in whole µS and ppm; people read stake. A kind of event that is not known here, since the
service is newer than the page, is named as it stands. Reasons that people wrote are escaped.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import streamlit as st
from babel.dates import format_datetime, get_timezone

from concord.types.ledger import BlockView
from frontend.text import language
from frontend.text import wording as words
from frontend.text.language import mark, say, say_count

Body = Mapping[str, Any]

MICRO: Final = 1_000_000
"""µS in 1 stake, and ppm in a whole."""

SHORT: Final = 10
"""Digits of a hash that tell blocks apart."""

_ORDER: Final = (
    "params",
    "open",
    "appoint",
    "promote",
    "deposit",
    "settle",
    "jail",
    "release",
    "withdraw",
)
"""In which a block's events take effect."""

_NODES: Final[Mapping[str, str]] = {
    "deposit": mark("**{node}** gets {amount} of stake paid in"),
    "withdraw": mark("{amount} of **{node}**’s stake are taken out"),
    "promote": mark("**{node}** serves version {version} now"),
}
_DECIDED: Final[Mapping[str, str]] = {
    "challenge": mark("**{node}** tries version {version} beside {before}, by {by}: {why}"),
    "promote": mark("**{node}** is to serve version {version} instead of {before}, by {by}: {why}"),
    "rollback": mark("**{node}** goes back to version {version} from {before}, by {by}: {why}"),
    "dismiss": mark("**{node}** tries version {version} no more and keeps {before}, by {by}: {why}"),
}
_JAILED: Final[Mapping[str, str]] = {
    "regret": mark("**{node}** is jailed: it lost too much against the others"),
    "invalid": mark("**{node}** is jailed: it gave malformed answers"),
    "stake": mark("**{node}** is jailed: its stake fell too low"),
}


def time(micros: int) -> str:
    """A block's time in the reader's language and place."""
    moment = datetime.fromtimestamp(micros / MICRO, UTC)
    return format_datetime(moment, "medium", tzinfo=get_timezone(zone()), locale=language.current())


def zone() -> str:
    """The place whose time is shown."""
    stated = st.context.timezone or "UTC"
    try:
        get_timezone(stated)
    except LookupError:
        return "UTC"
    return stated


def short(digest: str) -> str:
    """A hash that fits into a line."""
    return f"{digest[:SHORT]}…"


def stake(micros: int) -> str:
    """µS as stake, exactly."""
    return words.number(micros / MICRO)


def gain(amount: float) -> str:
    """Stake won or lost, with its sign."""
    return f"+{words.number(amount)}" if amount > 0 else words.number(amount).replace("-", "−")


def title(block: BlockView) -> str:
    """A block in a line: height, time, what happened, the start of its hash."""
    return " · ".join(
        (
            say("Block {height}", height=block.height),
            words.plain(time(block.time)),
            summary(block),
            f"`{short(block.hash)}`",
        )
    )


def summary(block: BlockView) -> str:
    """How many rounds a block settled, and what else it holds."""
    bodies = list(block.events.values())
    rounds = sum(body["rounds"] for body in bodies if body["kind"] == "settle")
    others = [body for body in bodies if body["kind"] != "settle"]
    parts = [say_count("one round settled", "{count} rounds settled", rounds)] if rounds else []
    if len(others) == 1:
        parts.append(event(others[0]))
    elif others:
        parts.append(say_count("one event", "{count} events", len(others)))
    return ", ".join(parts) or say("nothing settled")


def lines(block: BlockView) -> list[str]:
    """A line for each event, in the order in which they take effect; a settlement has one for each node."""
    found = []
    ordered = sorted(block.events.items(), key=lambda one: (_place(one[1]), one[0]))
    for _, body in ordered:
        found.append(f"- {words.plain(str(body['task']))}: {event(body)}")
        if body["kind"] == "settle":
            found += [f"    - {line}" for line in _settled(body)]
    return found


def event(body: Body) -> str:
    """One event."""
    kind = str(body["kind"])
    named: dict[str, Callable[[Body], str]] = {
        "params": _params,
        "open": _opened,
        "settle": _settlement,
        "appoint": _appointed,
        "jail": lambda jailed: say(_JAILED[jailed["reason"]], node=_plain(jailed["node"])),
        "release": _released,
    }
    if kind in named:
        return named[kind](body)
    if kind not in _NODES:
        return words.plain(kind)
    return say(
        _NODES[kind],
        node=_plain(body["node"]),
        amount=stake(body.get("amount", 0)),
        version=_plain(body.get("version", "")),
    )


def _params(body: Body) -> str:
    said = say("it is settled by the policy {policy}", policy=_plain(body["policy"]))
    if "asks" in body:
        said += ", " + say("and asks the nodes of {task}", task=_plain(body["asks"]))
    return said


def _opened(body: Body) -> str:
    said = say(
        "**{node}** opens its account with {amount} of stake",
        node=_plain(body["node"]),
        amount=stake(body["deposit"]),
    )
    if body["accuracy"]:
        share = words.percent(body["accuracy"] / MICRO)
        said += ", " + say("stated accuracy {accuracy}", accuracy=share)
    return said


def _appointed(body: Body) -> str:
    return say(
        _DECIDED[body["action"]],
        node=_plain(body["node"]),
        version=_plain(body["version"]),
        before=_plain(body["from"]),
        by=_plain(body["by"]),
        why=_plain(body["why"]),
    )


def _released(body: Body) -> str:
    said = mark("**{node}** counts again, by {by}: {why}")
    if body["to"] != "active":
        said = mark("**{node}** is on probation now, by {by}: {why}")
    return say(said, node=_plain(body["node"]), by=_plain(body["by"]), why=_plain(body["why"]))


def _settlement(body: Body) -> str:
    if body["policy"] == "seed":
        return say_count(
            "one round settled by the policy seed",
            "{count} rounds settled by the policy seed",
            body["rounds"],
        )
    return say_count(
        "one round with a label settled by the policy wager",
        "{count} rounds with a label settled by the policy wager",
        body["rounds"],
    )


def _settled(body: Body) -> list[str]:
    """What a settlement did to each node."""
    found = []
    for node, (rounds, delta, *more) in sorted(body["nodes"].items()):
        levelling, hits = (more[0] if more else 0), (more[3] if len(more) > 3 else 0)
        parts = [gain((delta + levelling) / MICRO)]
        if body["policy"] != "seed":
            parts.append(say("{hits} of {rounds} right", hits=hits, rounds=rounds))
        if levelling:
            parts.append(say("{amount} of it by levelling", amount=gain(levelling / MICRO)))
        found.append(f"**{_plain(node)}** " + ", ".join(parts))
    return found


def _place(body: Body) -> int:
    kind = body["kind"]
    return _ORDER.index(kind) if kind in _ORDER else len(_ORDER)


def _plain(text: object) -> str:
    return words.plain(str(text))
