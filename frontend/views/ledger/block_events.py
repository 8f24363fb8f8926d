"""Describes the events of a block in words.

The ledger counts in µS and ppm; the page shows stake. A kind of event that is unknown here, as of a newer
service, is shown by its name. Reasons that people wrote are escaped.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from babel.dates import format_datetime

from concord.types.ledger import BlockView
from frontend.text import language, times, wording
from frontend.text.language import N_, _, ngettext

EventBody = Mapping[str, Any]

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
"""The order in which a block's events take effect."""

_NODES: Final[Mapping[str, str]] = {
    "deposit": N_("**{node}** gets {amount} of stake paid in"),
    "withdraw": N_("{amount} of **{node}**’s stake are taken out"),
    "promote": N_("**{node}** serves version {version} now"),
}
_PAID: Final[Mapping[str, str]] = {
    "deposit": N_("**{node}** gets {amount} of stake paid in, by {by}: {why}"),
    "withdraw": N_("{amount} of **{node}**’s stake are taken out, by {by}: {why}"),
}
"""The same where the ledger says by whom and why."""

_DECIDED: Final[Mapping[str, str]] = {
    "challenge": N_("**{node}** tries version {version} beside {before}, by {by}: {why}"),
    "promote": N_("**{node}** is to serve version {version} instead of {before}, by {by}: {why}"),
    "rollback": N_("**{node}** goes back to version {version} from {before}, by {by}: {why}"),
    "dismiss": N_("**{node}** tries version {version} no more and keeps {before}, by {by}: {why}"),
}
_JAILED: Final[Mapping[str, str]] = {
    "regret": N_("**{node}** is jailed: it lost too much against the others"),
    "invalid": N_("**{node}** is jailed: it gave malformed answers"),
    "stake": N_("**{node}** is jailed: its stake fell too low"),
}
_RELEASED: Final = {
    True: N_("**{node}** counts again, by {by}: {why}"),
    False: N_("**{node}** is on probation now, by {by}: {why}"),
}
"""By whether it is active."""


def format_block_time(micros: int) -> str:
    """A block's time in the reader's language and time zone."""
    moment = datetime.fromtimestamp(micros / MICRO, UTC)
    return format_datetime(moment, "medium", tzinfo=times.browser_zone(), locale=language.current())


def shorten_hash(digest: str) -> str:
    """A hash that fits into a line."""
    return f"{digest[:SHORT]}…"


def format_stake(micros: int) -> str:
    """µS as stake, exactly."""
    return wording.format_number(micros / MICRO)


def format_gain(amount: float) -> str:
    """Stake won or lost, with its sign."""
    return (
        f"+{wording.format_number(amount)}" if amount > 0 else wording.format_number(amount).replace("-", "−")
    )


def format_title(block: BlockView) -> str:
    """A block in a line: height, time, what happened, the start of its hash."""
    return " · ".join(
        (
            _("Block {height}", height=block.height),
            wording.escape(format_block_time(block.time)),
            summarise(block),
            f"`{shorten_hash(block.hash)}`",
        )
    )


def summarise(block: BlockView) -> str:
    """How many rounds a block settled, and what else it holds."""
    bodies = list(block.events.values())
    rounds = sum(body["rounds"] for body in bodies if body["kind"] == "settle")
    others = [body for body in bodies if body["kind"] != "settle"]
    parts = [ngettext("one round settled", "{count} rounds settled", rounds)] if rounds else []
    if len(others) == 1:
        parts.append(describe_event(others[0]))
    elif others:
        parts.append(ngettext("one event", "{count} events", len(others)))
    return ", ".join(parts) or _("nothing settled")


def list_events(block: BlockView) -> list[str]:
    """A line for each event, in the order in which they take effect; a settlement has one for each node."""
    lines = []
    ordered = [
        block.events[key] for key in sorted(block.events, key=lambda key: (_order_of(block.events[key]), key))
    ]
    for body in ordered:
        lines.append(f"- {wording.escape(str(body['task']))}: {describe_event(body)}")
        if body["kind"] == "settle":
            lines += [f"    - {line}" for line in _describe_settled_nodes(body)]
    return lines


def describe_event(body: EventBody) -> str:
    """An event in words."""
    kind = str(body["kind"])
    descriptions: dict[str, Callable[[EventBody], str]] = {
        "params": _describe_params,
        "open": _describe_opening,
        "settle": _describe_settlement,
        "appoint": lambda decided: _fill_in(_DECIDED[decided["action"]], decided),
        "jail": lambda jailed: _fill_in(_JAILED[jailed["reason"]], jailed),
        "release": lambda released: _fill_in(_RELEASED[released["to"] == "active"], released),
    }
    if kind in descriptions:
        return descriptions[kind](body)
    if kind in _PAID and "by" in body and "why" in body:
        return _fill_in(_PAID[kind], body)
    return _fill_in(_NODES[kind], body) if kind in _NODES else wording.escape(kind)


def _fill_in(text: str, body: EventBody) -> str:
    """A sentence with the fields of an event; its field `from` is called `before` there."""
    fields = {name: _escape(value) for name, value in body.items()}
    return _(text, **{**fields, "amount": format_stake(body.get("amount", 0)), "before": fields.get("from")})


def _describe_params(body: EventBody) -> str:
    text = _("it is settled by the policy {policy}", policy=_escape(body["policy"]))
    if "asks" in body:
        text += ", " + _("and asks the nodes of {task}", task=_escape(body["asks"]))
    return text


def _describe_opening(body: EventBody) -> str:
    text = _(
        "**{node}** opens its account with {amount} of stake",
        node=_escape(body["node"]),
        amount=format_stake(body["deposit"]),
    )
    if body["accuracy"]:
        share = wording.format_share(body["accuracy"] / MICRO)
        text += ", " + _("stated accuracy {accuracy}", accuracy=share)
    return text


def _describe_settlement(body: EventBody) -> str:
    if body["policy"] == "seed":
        return ngettext(
            "one round settled by the policy seed",
            "{count} rounds settled by the policy seed",
            body["rounds"],
        )
    return ngettext(
        "one round with a label settled by the policy wager",
        "{count} rounds with a label settled by the policy wager",
        body["rounds"],
    )


def _describe_settled_nodes(body: EventBody) -> list[str]:
    """What a settlement did to each node."""
    lines = []
    for node, (rounds, delta, *more) in sorted(body["nodes"].items()):
        levelling, hits = (more[0] if more else 0), (more[3] if len(more) > 3 else 0)
        parts = [format_gain((delta + levelling) / MICRO)]
        if body["policy"] != "seed":
            parts.append(_("{hits} of {rounds} right", hits=hits, rounds=rounds))
        if levelling:
            parts.append(_("{amount} of it by levelling", amount=format_gain(levelling / MICRO)))
        lines.append(f"**{_escape(node)}** " + ", ".join(parts))
    return lines


def _order_of(body: EventBody) -> int:
    kind = body["kind"]
    return _ORDER.index(kind) if kind in _ORDER else len(_ORDER)


def _escape(text: object) -> str:
    return wording.escape(str(text))
