"""The decisions about a node's versions in the ledger: what was decided, by whom and why."""

from typing import Final

from concord.ledger.events import Body, appointment_key
from concord.ledger.ledger import Ledger
from concord.ledger.state import State
from concord.types.explanation import Decided
from concord.util.times import iso

DECISIONS: Final = 4
"""Enough for a challenge, a promotion, a rollback and the decision before."""


def describe_decision(body: Body) -> str:
    """A decision in a sentence, from its event."""
    version, before = body["version"], body["from"]
    actions = {
        "challenge": f"version {version} entered probation beside {before}",
        "promote": f"version {version} was promoted over {before}",
        "rollback": f"version {version} came back instead of {before}",
        "dismiss": f"version {version} left, and {before} serves alone",
    }
    return f"{actions[body['action']]}, by {body['by']}: {body['why']}"


def list_decisions(ledger: Ledger, task: str, node: str, state: State) -> list[Decided]:
    """The last decisions about a node's versions, oldest first.

    An account names its last decision, and the account before that block the one before.

    Args:
        ledger: Where they are recorded.
        task: The node's task.
        node: The node.
        state: The state after the newest decision.
    """
    decisions: list[Decided] = []
    while len(decisions) < DECISIONS:
        account = state.tasks[task].accounts.get(node) if task in state.tasks else None
        if account is None or account.appointment is None:
            break
        key = appointment_key(task, node, account.appointment.number)
        block = ledger.find_event(key)
        if block is None:
            break
        decisions.append(_read_decision(node, block.height, block.events[key]))
        state = ledger.state_before(block.height)
    return decisions[::-1]


def _read_decision(node: str, height: int, body: Body) -> Decided:
    action, version, before, by, why = (body[name] for name in ("action", "version", "from", "by", "why"))
    return Decided(node, iso(body["at"]), height, action, version, before, by, why, describe_decision(body))
