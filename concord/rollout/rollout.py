"""Decides which versions the nodes serve: challenge, promote, roll back, dismiss.

A decision has four effects, in an order in which any of them can be the last one that happens: the
registry's aliases, the node's entry, the node's restart, the ledger's event. The same call again ends
what was left. Two at once cannot both happen: within this process they wait for one another, and between
replicas the entry is written in the place of the one that was seen, and the event under a key that only
one of them gets. Nothing is decided here about when to promote; `training upkeep` and people do that.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import orjson

from concord.consensus.node_client import NodeClient
from concord.errors import (
    ConcordError,
    ConfigurationError,
    Conflict,
    LedgerBroken,
    LedgerUnavailable,
    NotAllowed,
    UnknownName,
)
from concord.ledger import events
from concord.ledger.events import Decision, Event
from concord.ledger.state import State
from concord.policies.stake import Appointment
from concord.rollout.desired import NOTHING, Entry, number
from concord.rollout.inventory import Inventory, Known, Look
from concord.rollout.planning import RolloutPlan, RolloutRequest, decide
from concord.rollout.registry import CHALLENGER, CHAMPION, SCHEMA_TAG, RegistryClient, Version
from concord.rollout.state import PACKAGED, RolloutState
from concord.settlement.settler import Settler
from concord.tasks.schema import TaskSchema
from concord.types.models import ModelView

_log = logging.getLogger(__name__)


class Rollout:
    """Changes the nodes' versions.

    Args:
        overview: Sees them, and has what they are changed in.
        settler: Who appends to the ledger.
        clock: Seconds since the epoch.
    """

    def __init__(self, overview: Inventory, settler: Settler, clock: Callable[[], float] = time.time) -> None:
        self._overview, self._settler, self._clock = overview, settler, clock
        self._ensembles, self._entries, self._registry = (
            overview.ensembles,
            overview.entries,
            overview.registry,
        )
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def appoint(self, name: str, wish: RolloutRequest, by: str, why: str) -> ModelView:
        """Carries a decision out, or ends one that was begun.

        Args:
            name: Registered name.
            wish: What is asked for.
            by: Name of the token.
            why: The reason, for people.

        Raises:
            UnknownName: There is no such node, model or version.
            Conflict: It does not fit what is; nothing was changed.
            ServiceAway: Registry or cluster do not serve; what was begun is ended by the same call.
        """
        member = self._overview.member(name)
        async with self._locks[name]:
            self._check_ledger(member)
            entries = await asyncio.to_thread(self._checked, name)
            known = await self._overview.known(name)
            seen = self._overview.situation(member, Look(entries), known)
            plan = decide(seen, replace(wish, shadow=_shadow(seen, member, known)))
            self._check_version(plan, member, known)
            await self._carry_out(
                seen, plan, known, Decision(plan.action, plan.version, plan.before, by, why)
            )
        return await self._overview.view(member)

    def _check_ledger(self, member: NodeClient) -> None:
        """Refuses what the ledger could not be told of afterwards."""
        if self._settler.alarm is not None:
            raise LedgerBroken(self._settler.alarm)
        if not self._settler.started:
            raise LedgerUnavailable("The ledger could not be read since the start yet. Try again soon.")
        if self._ensembles.account(member.task, member.node) is None:
            raise Conflict(f"{member.task}.{member.node} has no account in the ledger yet. Try again soon.")

    def _checked(self, name: str) -> Mapping[str, Entry]:
        """The entries, once it is sure that this one can be changed."""
        with _rights():
            self._entries.check(name)
            return self._entries.all()

    def _check_version(self, plan: RolloutPlan, member: NodeClient, known: Known | None) -> None:
        """Looks whether a node can serve the version."""
        if plan.version == PACKAGED or plan.action == "dismiss":
            return
        if known is None:
            if plan.action == "rollback":
                return
            raise Conflict(
                "No registry is known here, so no version can be brought in. Name MLflow's address in "
                "MLFLOW_TRACKING_URI (http://HOST:PORT) and start the service again.",
                code="no_registry",
            )
        found = next((one for one in known.versions if one.version == plan.version), None)
        if found is None:
            there = ", ".join(one.version for one in reversed(known.versions[:20])) or "none"
            raise UnknownName(
                f"{known.model.name} has no version {plan.version[:20]} in the registry; it has {there}.",
                field="version",
                code="unknown_version",
            )
        stated = _schema_digest(found, known.model.name)
        if plan.action == "challenge" and stated != self._ensembles.schema(member.task).digest:
            raise Conflict(
                f"Version {plan.version} of {known.model.name} answers schema {stated[:12]}, the task's is "
                f"{self._ensembles.schema(member.task).digest[:12]}: it could not be compared.",
                field="version",
            )

    async def _carry_out(
        self, seen: RolloutState, plan: RolloutPlan, known: Known | None, said: Decision
    ) -> None:
        if known is not None and self._registry is not None:
            await self._name(plan, known, self._registry)
        try:
            await asyncio.to_thread(self._write, seen, plan)
        except Conflict:
            if known is not None and self._registry is not None:
                await self._name_again(seen, known, self._registry)
            raise
        await self._tell(seen, plan, said)
        if plan.action == "rollback" and known is not None and self._registry is not None:
            await self._registry.delete_tag(seen.name, self._overview.tag)
        _log.info(
            "version appointed",
            extra={"model": seen.name, "action": plan.action, "version": plan.version, "by": said.by},
        )

    async def _name(self, plan: RolloutPlan, known: Known, registry: RegistryClient) -> None:
        """Has the registry's aliases and its tag say what will be; the tag first, so that nothing is lost."""
        name, aliases = known.model.name, known.model.aliases
        if plan.action == "challenge":
            await registry.set_alias(name, CHALLENGER, plan.version)
            return
        if plan.action == "promote" and plan.before != plan.version:
            await registry.set_tag(name, self._overview.tag, plan.before)
        if plan.action != "dismiss" and plan.version != PACKAGED:
            await registry.set_alias(name, CHAMPION, plan.version)
        leaves = plan.before if plan.action == "rollback" else plan.version
        if aliases.get(CHALLENGER) == leaves:
            await registry.delete_alias(name, CHALLENGER)

    async def _name_again(self, seen: RolloutState, known: Known, registry: RegistryClient) -> None:
        """Puts the aliases back to what somebody else, who was faster, has written into the entry."""
        try:
            entry = (await asyncio.to_thread(self._entries.all)).get(seen.name, NOTHING)
            champion, challenger = number(entry.champion), number(entry.challenger)
            champion = champion or known.model.aliases.get(CHAMPION)
            if champion is not None:
                await registry.set_alias(seen.name, CHAMPION, champion)
            if challenger is not None and entry.champion == seen.entry.champion:
                # Else it may be a former champion, which has no alias.
                await registry.set_alias(seen.name, CHALLENGER, challenger)
        except ConcordError as error:
            # The caller is to hear of the conflict; the next decision sets the aliases anyway.
            _log.warning("aliases not put back", extra={"model": seen.name, "reason": error.message})

    def _write(self, seen: RolloutState, plan: RolloutPlan) -> None:
        with _rights():
            self._entries.write(seen.name, seen.entry, plan.entry)
            if seen.entry != plan.entry or seen.rolls:
                self._entries.restart(seen.name)

    async def _tell(self, seen: RolloutState, plan: RolloutPlan, said: Decision) -> None:
        """Writes the event, unless the ledger has it or another replica writes it now."""
        if plan.is_said:
            return
        task, _, node = seen.name.rpartition(".")
        at = int(self._clock() * 1_000_000)

        def build(state: State) -> list[Event]:
            account = state.task(task).account(node)
            if account.appointment != seen.appointment:
                raise Conflict(f"Somebody else has just decided about {seen.name}; look at it again.")
            return [events.appoint(task, node, said, at, account.changes)]

        try:
            await self._settler.append(build)
        except Conflict:
            account = self._ensembles.account(task, node)
            if not _is_of(account.appointment if account else None, said):
                raise


@contextmanager
def _rights() -> Iterator[None]:
    """Says of a missing right that it is this service's, and not the caller's."""
    try:
        yield
    except NotAllowed as error:
        raise ConfigurationError(
            f"{error.message} The consensus pod needs get and update of the models ConfigMap, get and "
            "patch of the nodes' Deployments; the chart gives them."
        ) from error


def _is_of(appointment: Appointment | None, said: Decision) -> bool:
    return appointment is not None and (appointment.action, appointment.version) == (
        said.action,
        said.version,
    )


def _shadow(seen: RolloutState, member: NodeClient, known: Known | None) -> str | None:
    """How the champion of now is named in an entry; None where the registry does not know it.

    What is packaged may come from another registry, whose number 1 is another model: the file's digest tells.
    """
    if seen.entry.champion is not None:
        return seen.champion
    info = member.description.info if member.description else None
    if known is None or info is None:
        return None
    for one in known.versions:
        if one.version == info.version and one.digest in {"", info.digest}:
            return one.version
    return None


def _schema_digest(version: Version, name: str) -> str:
    """The digest of the schema that a version answers by; Conflict where no node can serve it."""
    text = version.tags.get(SCHEMA_TAG)
    if text is None or not version.is_ready:
        what = "carries no task's schema" if text is None else "has no file"
        raise Conflict(
            f"Version {version.version} of {name} {what}, so no node can serve it.", field="version"
        )
    try:
        return TaskSchema.from_json(orjson.loads(text)).digest
    except (ValueError, ConfigurationError) as error:
        raise Conflict(
            f"The schema of version {version.version} of {name} cannot be read.", field="version"
        ) from error
