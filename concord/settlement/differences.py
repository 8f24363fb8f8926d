"""Settling one block again: the rule's own outcome, and every way in which the block or the journal differs.

The rounds are the journal's, the state is the one that the block was built on, and the rule is
`concord.settlement.batch`. What differs is told in sentences that name the block, and the round where it can be
told; when one part of a block cannot be settled again as it is, the others are all the same. The module
folds nothing and changes nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from concord.errors import ConcordError
from concord.journal import Journal, StoredRound
from concord.ledger.chain import Block, canonical
from concord.ledger.events import Event
from concord.ledger.merkle import merkle_root
from concord.ledger.state import State
from concord.settlement.batch import Settlement, settle_batch
from concord.settlement.standing import review

Key = tuple[str, str]
"""Task and policy."""

Parts = Mapping[Key, Sequence[StoredRound]]


@dataclass(frozen=True, slots=True)
class Resettled:
    """What settling a block again came to.

    Attributes:
        settles: Whether the block settles anything.
        rounds: Rounds that were settled again.
        unmarked: Those of them that the journal has under a claim still.
        problems: Sentences.
    """

    settles: bool
    rounds: int
    unmarked: int
    problems: tuple[str, ...]


def resettle(block: Block, before: State, after: State, journal: Journal) -> Resettled:
    """Settles a block again.

    Args:
        block: The block.
        before: The state that it was built on.
        after: The state that it leads to.
        journal: Where its rounds are.

    Raises:
        JournalUnavailable: The journal is away.
    """
    return _Resettling(block, before, after, journal).run()


class _Resettling:
    """One block, settled again.

    Args:
        block: The block.
        state: The state that it was built on.
        after: The state that it leads to.
        journal: Where its rounds are.
    """

    def __init__(self, block: Block, state: State, after: State, journal: Journal) -> None:
        self._block, self._state, self._after, self._journal = block, state, after, journal
        self._rounds = self._unmarked = 0
        self._problems: list[str] = []
        self._said = {event.key: event for event in block.event_list if event.kind == "settle"}
        self._where = f"Block {block.height}"

    def run(self) -> Resettled:
        """Settles it, and compares."""
        batches = {_batch(key) for key in self._said}
        if len(batches) > 1:
            self._problems.append(f"{self._where} settles {len(batches)} batches, and a block settles one.")
        else:
            parts = self._parts()
            self._problems += self._strangers(parts)
            if batches:
                self._settle(batches.pop(), parts)
        return Resettled(bool(self._said), self._rounds, self._unmarked, tuple(self._problems))

    # What there is to settle

    def _parts(self) -> dict[Key, list[StoredRound]]:
        """The journal's rounds of the block, by task and policy and in the order of their ids."""
        parts = self._marked()
        wanted = {_key(event): int(event.body["rounds"]) for event in self._said.values()}
        if all(len(parts.get(key, ())) >= count for key, count in wanted.items()):
            return parts
        # Between a block and its mark in the journal its rounds are under the claim that made it.
        batch = _batch(next(iter(self._said)))
        claimed = [
            one for claim in self._journal.open_claims() if claim.batch == batch for one in claim.rounds
        ]
        if not claimed:
            return self._marked()
        self._unmarked += len(claimed)
        return _by_key(claimed)

    def _marked(self) -> dict[Key, list[StoredRound]]:
        tasks = sorted(self._after.tasks)
        height = self._block.height
        return _by_key(one for task in tasks for one in self._journal.rounds_of_block(height, task))

    def _strangers(self, parts: Parts) -> list[str]:
        """Rounds that the journal says were settled here, of what the block does not settle."""
        settled = {_key(event) for event in self._said.values()}
        return [
            f"{self._where} settles no round of {task} under {policy}, and the journal says that it settled "
            f"round {some[0].id}{_others(some)}."
            for (task, policy), some in parts.items()
            if (task, policy) not in settled
        ]

    # Settling

    def _settle(self, batch: str, parts: Parts) -> None:
        whole: list[StoredRound] = []
        broken: set[str] = set()
        for event in self._said.values():
            key = _key(event)
            faults = self._lacks(event, parts.get(key, ()))
            self._problems += faults
            if faults:
                broken.add(key[0])
            else:
                whole += parts[key]
        self._rounds += len(whole)
        if not whole:
            return
        try:
            settlement = settle_batch(batch, whole, self._state)
        except (ConcordError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            # Whatever somebody wrote in the place of votes: it is theirs, and no reason to stop here.
            self._problems.append(f"{self._where} cannot be settled again: {error}")
            return
        self._compare(settlement, whole, broken)

    def _lacks(self, event: Event, there: Sequence[StoredRound]) -> list[str]:
        """Why the rounds cannot be settled again as they are."""
        task, policy = _key(event)
        count, what = int(event.body["rounds"]), f"of {task} under {policy}"
        if len(there) < count:
            gone = count - len(there)
            which = "one is" if gone == 1 else f"{gone} are"
            return [f"{self._where} settled {count} rounds {what}; {which} missing in the journal."]
        if len(there) > count:
            extra = _odd_one(there, str(event.body["root"]))
            which = f"round {extra} is too many" if extra else f"{len(there) - count} are too many"
            return [f"{self._where} settled {count} rounds {what}, the journal has {len(there)}: {which}."]
        if policy == "seed":
            return []
        return [
            f"{self._where}: round {one.id} was settled with a label, and the journal has none."
            for one in there
            if one.label is None
        ]

    # Comparing

    def _compare(self, settlement: Settlement, rounds: Sequence[StoredRound], broken: set[str]) -> None:
        again = {event.key: event for event in settlement.events}
        parts = _by_key(rounds)
        for key, said in self._said.items():
            if _key(said) not in parts:
                continue
            if key in again:
                self._problems += self._differences(said, again[key], parts[_key(said)], settlement.records)
            else:
                self._problems.append(
                    f"{self._where} settles under the key {key!r}, which is none of a settlement's."
                )
        self._problems += self._standing(again, broken)

    def _differences(
        self, said: Event, again: Event, rounds: Sequence[StoredRound], records: Mapping[str, bytes]
    ) -> list[str]:
        """How a block's settlement of one task and policy differs from what its rounds come to."""
        # Without a mark there is no record yet; whoever marks the round writes this one.
        changed = [one for one in rounds if one.block is not None and one.record != records[one.id]]
        if changed:
            kept = [one.record or b"" for one in rounds]
            is_kept = merkle_root(kept) == said.body["root"]
            if _key(said)[1] == "seed":
                # Under `seed` each round is settled on what the one before left, so one change has a train.
                return [self._changed(changed[0], is_kept=is_kept) + _train(changed)]
            return [self._changed(one, is_kept=is_kept) for one in changed]
        if canonical(said.body) == canonical(again.body):
            return []
        task, policy = _key(said)
        where = f"{self._where}, {task} under {policy}:"
        if said.body["root"] != again.body["root"]:
            return [f"{where} the rounds fit their records, and together lead to another root than it names."]
        parts = ", ".join(sorted(_differing(said.body, again.body)))
        return [f"{where} it says what its rounds do not come to, of {parts}."]

    def _changed(self, one: StoredRound, *, is_kept: bool) -> str:
        where = f"{self._where}, round {one.id}:"
        if one.record is None:
            return f"{where} its record is missing in the journal."
        if not is_kept:
            return f"{where} its record in the journal is not what its votes and its label come to."
        was = orjson.loads(one.record)
        if was.get("label") != one.label and one.policy == "wager":
            return f"{where} its label was changed in the journal from {was.get('label')} to {one.label}."
        return f"{where} its votes were changed in the journal after it was settled."

    def _standing(self, again: Mapping[str, Event], broken: set[str]) -> list[str]:
        """Changes of standing that the settlement calls for and the block lacks, and the other way round."""
        found = []
        there = {event.key: event for event in self._block.event_list}
        for key, event in again.items():
            task, node = str(event.body["task"]), event.body.get("node")
            if event.kind == "settle" or task in broken:
                continue
            if key not in there or canonical(there[key].body) != canonical(event.body):
                found.append(
                    f"{self._where} lacks that {node} of {task} {_becomes(event)}, as its rounds call for."
                )
        for key, event in there.items():
            task = str(event.body["task"])
            if key not in again and task not in broken and _is_ruled(event) and not self._is_due(event):
                found.append(
                    f"{self._where} says that {event.body['node']} of {task} {_becomes(event)}, and nothing "
                    "before it calls for that."
                )
        return found

    def _is_due(self, event: Event) -> bool:
        """Whether the state before the block called for a change, as housekeeping would have written it."""
        task = str(event.body["task"])
        due = review(task, self._state.task(task)).events if task in self._state.tasks else ()
        return any(one.key == event.key and canonical(one.body) == canonical(event.body) for one in due)


def _is_ruled(event: Event) -> bool:
    """Whether an event is a change of standing that follows from the state; a malformed answer does not."""
    if event.kind == "jail":
        return bool(event.body["reason"] != "invalid")
    return event.kind == "release" and bool(event.body["by"] == "rule")


def _becomes(event: Event) -> str:
    if event.kind == "jail":
        return f"is jailed for {event.body['reason']}"
    return f"is released to {event.body['to']}"


def _batch(key: str) -> str:
    """The batch that a settlement's key names."""
    return key.split(":")[1] if ":" in key else key


def _key(event: Event) -> Key:
    return str(event.body["task"]), str(event.body["policy"])


def _by_key(rounds: Iterable[StoredRound]) -> dict[Key, list[StoredRound]]:
    parts: dict[Key, list[StoredRound]] = {}
    for one in sorted(rounds, key=lambda one: one.id):
        parts.setdefault((one.task, one.policy), []).append(one)
    return parts


def _odd_one(rounds: Sequence[StoredRound], root: str) -> str | None:
    """The round without which the records of the others lead to the root."""
    records = [one.record or b"" for one in rounds]
    for index, one in enumerate(rounds):
        if merkle_root(records[:index] + records[index + 1 :]) == root:
            return one.id
    return None


def _differing(said: Mapping[str, Any], again: Mapping[str, Any]) -> set[str]:
    """Parts of two bodies that differ; of `nodes`, the nodes."""
    names = {name for name in {*said, *again} if said.get(name) != again.get(name)}
    if "nodes" in names:
        nodes = {*said["nodes"], *again["nodes"]}
        names |= {node for node in nodes if said["nodes"].get(node) != again["nodes"].get(node)}
    return names - {"nodes"}


def _others(some: Sequence[StoredRound]) -> str:
    return f" and {len(some) - 1} more" if len(some) > 1 else ""


def _train(changed: Sequence[StoredRound]) -> str:
    return f" {len(changed) - 1} rounds after it differ with it." if len(changed) > 1 else ""
