"""Differences between a block and its rounds settled again, in sentences that name block and round."""

from collections.abc import Container, Iterator, Mapping
from typing import Any

import orjson

from concord.journal.rows import SettlementRound
from concord.ledger.chain import Block, canonical
from concord.ledger.events import RULE, Event
from concord.ledger.merkle import merkle_root
from concord.ledger.state import State
from concord.settlement.batch import Rounds
from concord.settlement.jailing import review
from concord.settlement.records import WORDS, compare_record


def unsettled(where: str, task: str, policy: str, rounds: Rounds) -> str:
    """Rounds that the journal marks as settled in a block that settles none of their task and policy."""
    others = f" and {len(rounds) - 1} more" if len(rounds) > 1 else ""
    return (
        f"{where} settles no round of {task} under {policy}, and the journal says that it settled "
        f"round {rounds[0].id}{others}."
    )


def unfit_rounds(where: str, event: Event, rounds: Rounds) -> list[str]:
    """Why the journal's rounds of a settlement cannot be settled again: too few, too many, or unlabelled."""
    count, group = int(event.body["rounds"]), f"of {event.body['task']} under {event.body['policy']}"
    if len(rounds) < count:
        missing = count - len(rounds)
        which = "one is" if missing == 1 else f"{missing} are"
        return [f"{where} settled {count} rounds {group}; {which} missing in the journal."]
    if len(rounds) > count:
        extra = _odd_round(rounds, str(event.body["root"]))
        which = f"round {extra} is too many" if extra else f"{len(rounds) - count} are too many"
        return [f"{where} settled {count} rounds {group}, the journal has {len(rounds)}: {which}."]
    return [
        f"{where}: round {round_.id} was settled with a label, and the journal has none."
        for round_ in rounds
        if round_.label is None and event.body["policy"] != "seed"
    ]


def compare_settlement(
    where: str, stored: Event, computed: Event, rounds: Rounds, records: Mapping[str, bytes]
) -> list[str]:
    """Differences between a settlement in a block and the one computed from its rounds."""
    # A round that is not marked yet has no record; the settler that marks it writes this one.
    changed = [
        round_ for round_ in rounds if round_.block is not None and round_.record != records[round_.id]
    ]
    task, policy, root = (str(stored.body[name]) for name in ("task", "policy", "root"))
    if changed:
        is_intact = merkle_root([round_.leaf for round_ in rounds]) == root
        if policy == "seed":
            # Each round is settled on what the one before left, so those after a changed one differ too.
            later = f" {len(changed) - 1} rounds after it differ with it." if len(changed) > 1 else ""
            return [_changed_round(where, changed[0], is_intact=is_intact) + later]
        return [_changed_round(where, round_, is_intact=is_intact) for round_ in changed]
    if canonical(stored.body) == canonical(computed.body):
        return []
    where = f"{where}, {task} under {policy}:"
    if root != computed.body["root"]:
        return [f"{where} the rounds fit their records, and together lead to another root than it names."]
    parts = ", ".join(sorted(_differing_parts(stored.body, computed.body)))
    return [f"{where} it says what its rounds do not come to, of {parts}."]


def compare_standing(
    block: Block, computed: Mapping[str, Event], before: State, broken: Container[str]
) -> Iterator[str]:
    """Changes of standing that follow from the rounds and the block lacks, and the other way round.

    Args:
        block: The block.
        computed: Key → the events that follow from its rounds.
        before: The state before it.
        broken: Tasks whose rounds could not be settled again; they are left out.
    """
    stored = {event.key: event for event in block.event_list}
    for key, event in computed.items():
        if event.kind == "settle" or event.body["task"] in broken:
            continue
        if key not in stored or canonical(stored[key].body) != canonical(event.body):
            yield f"Block {block.height} lacks that {_change(event)}, as its rounds call for."
    for key, event in stored.items():
        if key in computed or event.body["task"] in broken:
            continue
        if _follows_from_state(event) and not _is_due(event, before):
            yield f"Block {block.height} says that {_change(event)}, and nothing before it calls for that."


def _changed_round(where: str, round_: SettlementRound, *, is_intact: bool) -> str:
    """What was changed in the journal of a round; `is_intact`: the records still lead to the block's root."""
    where = f"{where}, round {round_.id}:"
    if round_.record is None:
        return f"{where} its record is missing in the journal."
    if not is_intact:
        return f"{where} its record in the journal is not what its votes and its label come to."
    for name, settled, now in compare_record(round_, orjson.loads(round_.record)):
        if settled != now:
            return f"{where} its {WORDS[name]} was changed in the journal from {settled} to {now}."
    return f"{where} its votes were changed in the journal after it was settled."


def _odd_round(rounds: Rounds, root: str) -> str | None:
    """The round without which the records of the others lead to the root."""
    records = [round_.leaf for round_ in rounds]
    for index, round_ in enumerate(rounds):
        if merkle_root(records[:index] + records[index + 1 :]) == root:
            return round_.id
    return None


def _differing_parts(stored: Mapping[str, Any], computed: Mapping[str, Any]) -> set[str]:
    """Parts of two bodies that differ; of `nodes`, the nodes."""
    names = {name for name in {*stored, *computed} if stored.get(name) != computed.get(name)}
    if "nodes" in names:
        before, after = stored["nodes"], computed["nodes"]
        names |= {node for node in {*before, *after} if before.get(node) != after.get(node)}
    return names - {"nodes"}


def _is_due(event: Event, before: State) -> bool:
    """Whether the state before the block called for a change, as the reconciler would have written it."""
    task = str(event.body["task"])
    due = review(task, before.task(task)).events if task in before.tasks else ()
    return any(change.key == event.key and canonical(change.body) == canonical(event.body) for change in due)


def _follows_from_state(event: Event) -> bool:
    """Whether a change of standing is one by the rule; a jailing for malformed answers is not."""
    if event.kind == "jail":
        return bool(event.body["reason"] != "invalid")
    return event.kind == "release" and bool(event.body["by"] == RULE)


def _change(event: Event) -> str:
    body = event.body
    change = f"jailed for {body['reason']}" if event.kind == "jail" else f"released to {body['to']}"
    return f"{body['node']} of {body['task']} is {change}"
