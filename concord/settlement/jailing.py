"""Who is jailed and who counts again: changes of standing that follow from a task's state, as events.

    probation ──20 labelled rounds──▶ active ──regret, malformed answers, no stake──▶ jailed
        ▲                                ▲                                              │
        └──────── a new version ─────────┼──────────────── good as a shadow ────────────┘

A pure function of the state, so replicas with the same head make the same events under the same keys, and
each is written once. A jailing that would leave too few voters is withheld and reported: a consensus of one
is worse than a bad node among several.
"""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from concord.ledger import events
from concord.ledger.events import Event
from concord.ledger.state import FEWEST_ACTIVE, PROBATION_ROUNDS, SHADOW_ROUNDS, TaskState, fold_task
from concord.policies.stake import MICRO, MIN_STAKE, Account, JailReason
from concord.policies.voting import PPM

MOST_REGRET: Final = 6 * PPM
"""C above this jails: a node that always lies reaches it in eight rounds, a random one in about thirty."""

SHADOW_REGRET: Final = 100_000
"""Mean regret (ppm a round) up to which a jailed node is as good as the others."""

INVALID_ANSWERS: Final = 3
INVALID_WINDOW: Final = 100
"""So many malformed answers among so many of a node's latest ones jail it."""


@dataclass(frozen=True, slots=True)
class Review:
    """The changes of standing that are due in a task.

    Attributes:
        events: The changes.
        withheld: Nodes that are due to be jailed, and would leave too few voters.
    """

    events: tuple[Event, ...]
    withheld: tuple[str, ...]


def review(name: str, task: TaskState, malformed: Mapping[str, int] | None = None) -> Review:
    """Finds the changes of standing that are due in a task under `wager`; under `seed` every node counts.

    Args:
        name: The task's name.
        task: Its state.
        malformed: Node → malformed answers among its last `INVALID_WINDOW`, as far as this service saw them.
    """
    if task.policy != "wager":
        return Review((), ())
    due = list(_releases(name, task))
    for event in due:
        task = fold_task(task, event)
    released = {event.body["node"] for event in due}
    withheld: list[str] = []
    for node, reason, measured in _accused(task, malformed or {}):
        account = task.accounts[node]
        if node in released:
            # Two changes of one node in one block have no order; the next review makes the second.
            continue
        if account.standing == "active" and not _can_spare(task, node):
            withheld.append(node)
            continue
        due.append(events.jail(name, node, reason, measured, account.changes))
        task = fold_task(task, due[-1])
    return Review(tuple(due), tuple(withheld))


def release_missing_voters(name: str, task: TaskState, declared: Container[str]) -> tuple[Event, ...]:
    """Releases from probation where fewer than two of the declared nodes count.

    Nodes that left the nodes file still count in the ledger, which cannot tell that they are gone. If all
    declared nodes were on probation, no round would reach its quorum, and no probation would end.

    Args:
        name: The task's name.
        task: Its state.
        declared: The nodes of the nodes file.
    """
    if task.policy != "wager":
        return ()
    missing = FEWEST_ACTIVE - sum(node in declared for node in task.active)
    ready = [
        (node, account)
        for node, account in sorted(task.accounts.items())
        if node in declared and _may_count(account)
    ]
    why = "fewer than two nodes of the nodes file count"
    return tuple(
        # It follows from the operator's nodes file, and not from the ledger alone.
        events.release(name, node, to="active", by="operator", why=why, key=_key(name, node, account))
        for node, account in ready[: max(0, missing)]
    )


def _releases(name: str, task: TaskState) -> Iterator[Event]:
    active = len(task.active)
    for node, account in sorted(task.accounts.items()):
        why = _release_reason(account, active)
        if why is not None:
            active += 1
            yield events.release(
                name, node, to="active", by=events.RULE, why=why, key=_key(name, node, account)
            )


def _key(name: str, node: str, account: Account) -> str:
    return f"{name}:{node}:{account.changes}"


def _may_count(account: Account) -> bool:
    """Whether nothing but its probation keeps a node from counting."""
    return account.standing == "probation" and account.regret <= MOST_REGRET and account.stake >= MIN_STAKE


def _release_reason(account: Account, active: int) -> str | None:
    """Why a node is released, in words; None if it is not."""
    n, regret = account.watched, account.watched_regret
    if _may_count(account):
        if n >= PROBATION_ROUNDS:
            return f"{n} labelled rounds on probation"
        return "fewer than two nodes count" if active < FEWEST_ACTIVE else None
    if account.reason == "stake" and account.stake >= MIN_STAKE:
        return f"its stake is back at {account.stake / MICRO:,.2f}"
    if account.reason == "regret" and n >= SHADOW_ROUNDS and regret <= SHADOW_REGRET * n:
        return f"a mean regret of {regret / n / PPM:.3f} over {n} labelled rounds as a shadow"
    return None


def _accused(task: TaskState, malformed: Mapping[str, int]) -> list[tuple[str, JailReason, int]]:
    """Nodes that are to be jailed, with the reason and the measured value; the most regret first."""
    accused: list[tuple[str, JailReason, int]] = []
    free = {node: account for node, account in task.accounts.items() if account.standing != "jailed"}
    for node, account in sorted(free.items(), key=lambda item: (-item[1].regret, item[0])):
        if account.regret > MOST_REGRET:
            accused.append((node, "regret", account.regret))
        elif malformed.get(node, 0) >= INVALID_ANSWERS:
            accused.append((node, "invalid", malformed[node]))
        elif account.stake < MIN_STAKE and account.standing == "active":
            accused.append((node, "stake", account.stake))
    return accused


def _can_spare(task: TaskState, node: str) -> bool:
    """Whether enough voters would be left without this one: two, and half of all deposits."""
    deposits_left = [account.deposit for voter, account in task.active.items() if voter != node]
    deposits = sum(account.deposit for account in task.accounts.values())
    return len(deposits_left) >= FEWEST_ACTIVE and 2 * sum(deposits_left) >= deposits
