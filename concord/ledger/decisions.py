"""The story of a node's versions, as the ledger has it: what was decided, by whom and why.

An account knows its last decision, and the block that holds it is found by its key; the account before
that block knows the one before. Nothing is searched for, so a story costs as much as it is long.
"""

from typing import Final

from concord.ledger.events import Body, appointment_key
from concord.ledger.ledger import Ledger
from concord.ledger.state import State
from concord.types.explanation import Decided
from concord.util.times import iso

USUAL: Final = 4
"""Decisions that are told: a challenge, a promotion and a rollback, and what was before."""


def appointed_words(body: Body) -> str:
    """A decision in words, from its event."""
    version, before = body["version"], body["from"]
    what = {
        "challenge": f"version {version} entered probation beside {before}",
        "promote": f"version {version} was promoted over {before}",
        "rollback": f"version {version} came back instead of {before}",
        "dismiss": f"version {version} left, and {before} serves alone",
    }
    return f"{what[body['action']]}, by {body['by']}: {body['why']}"


def story(ledger: Ledger, task: str, node: str, newest: State, most: int = USUAL) -> list[Decided]:
    """The last decisions about a node's versions, oldest first.

    Args:
        ledger: Where they stand.
        task: The node's task.
        node: The node.
        newest: The state from which to look back.
        most: How many are told.
    """
    found: list[Decided] = []
    state = newest
    while len(found) < most:
        account = state.tasks[task].accounts.get(node) if task in state.tasks else None
        last = account.appointment if account else None
        if last is None:
            break
        key = appointment_key(task, node, last.number)
        block = ledger.holding(key)
        if block is None:
            break
        body = block.events[key]
        found.append(
            Decided(
                node,
                iso(body["at"]),
                block.height,
                body["action"],
                body["version"],
                body["from"],
                body["by"],
                body["why"],
                appointed_words(body),
            )
        )
        state = ledger.state_before(block.height)
    return found[::-1]
