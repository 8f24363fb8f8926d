"""Which versions the nodes serve, seen and decided: list, challenge, promote, roll back, dismiss.

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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import orjson

from concord.entries import NOTHING, Entries, Entry, number
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
from concord.members import Member
from concord.panels import Panels
from concord.registry import (
    CHALLENGER,
    CHAMPION,
    PREVIOUS_TAG,
    SCHEMA_TAG,
    SERVED_TAG,
    Registered,
    Registry,
    Version,
)
from concord.schema import TaskSchema
from concord.settler import Settler
from concord.situation import PACKAGED, Plan, Situation, Wish, decide
from concord.stake import Appointment
from concord.testimony import iso
from concord.versions import ListedVersion, ModelView, RegistryView, Wanted

LISTED_VERSIONS: Final = 50
"""The newest versions of a model that are listed; a retraining a week makes as many in a year."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Known:
    """What the registry says of one model."""

    model: Registered
    versions: Sequence[Version]


@dataclass(frozen=True)
class Look:
    """The entries as they are now, or why they could not be read."""

    entries: Mapping[str, Entry]
    problem: str | None = None


class Appointing:
    """Sees and changes the nodes' versions.

    Args:
        panels: Which nodes there are, and their accounts.
        settler: Who appends to the ledger.
        entries: What nodes are to serve.
        registry: Where versions are registered; None where none is known.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        panels: Panels,
        settler: Settler,
        entries: Entries,
        registry: Registry | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._panels, self._settler = panels, settler
        self._entries, self._registry, self._clock = entries, registry, clock
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def close(self) -> None:
        """Lets go of the registry."""
        if self._registry is not None:
            await self._registry.close()

    async def models(self) -> list[ModelView]:
        """Every node's model, in the order of the tasks; what cannot be looked at is said."""
        look = await asyncio.to_thread(self._look)
        members = [member for task in self._panels.declared for member in self._panels.members(task).values()]
        return list(await asyncio.gather(*(self._view(member, look) for member in members)))

    def situation(self, name: str, look: Look) -> Situation:
        """One node's versions as they are now; where entries cannot be read, as the node says.

        Raises:
            UnknownName: There is no such node.
        """
        member = self._member(name)
        info = member.profile.info if member.profile else None
        trying = info.challenger if info else None
        account = self._panels.account(member.task, member.node)
        entry = look.entries.get(name, NOTHING)
        if look.problem is not None and trying is not None:
            entry = Entry(None, trying.version)
        return Situation(
            name,
            served=info.version if info else None,
            tried=trying.version if trying else None,
            dropped=trying.dropped if trying else None,
            entry=entry,
            appointment=account.appointment if account else None,
            recorded=account.version if account else None,
        )

    async def seen(self, name: str) -> Situation:
        """The same, with the entry read now."""
        self._member(name)
        return self.situation(name, await asyncio.to_thread(self._look))

    async def appoint(self, name: str, wish: Wish, by: str, why: str) -> ModelView:
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
        member = self._member(name)
        async with self._locks[name]:
            self._check_ledger(member)
            entries = await asyncio.to_thread(self._checked, name)
            known = await self._known(name)
            seen = self.situation(name, Look(entries))
            if known is not None:
                seen = replace(seen, previous=known.model.tags.get(self._tag))
            plan = decide(seen, replace(wish, shadow=_shadow(seen, member, known)))
            self._check_version(plan, member, known)
            await self._carry_out(
                seen, plan, known, Decision(plan.action, plan.version, plan.before, by, why)
            )
        return await self._view(member, await asyncio.to_thread(self._look))

    # Seeing

    def _member(self, name: str) -> Member:
        task, _, node = name.rpartition(".")
        member = self._panels.members(task).get(node) if task in self._panels.declared else None
        if member is None:
            raise UnknownName(
                f"There is no node {name[:60]!r} here; GET /v1/models lists them.",
                field="name",
                code="unknown_model",
            )
        return member

    def _look(self) -> Look:
        try:
            return Look(self._entries.all())
        except ConcordError as error:
            return Look({}, error.message)

    async def _view(self, member: Member, look: Look) -> ModelView:
        name = f"{member.task}.{member.node}"
        seen, problem = self.situation(name, look), look.problem
        known, registry = None, None
        try:
            known = await self._known(name)
            registry = await self._registry_view(known) if known else None
        except ConcordError as error:
            problem = problem or error.message
        if known is not None:
            seen = replace(seen, previous=known.model.tags.get(self._tag))
        rolling = seen.rolls or await asyncio.to_thread(self._rolls, seen)
        return ModelView(
            name,
            member.task,
            member.node,
            seen.served,
            seen.tried,
            seen.phase,
            None if seen.since is None else iso(seen.since),
            seen.returns_to,
            Wanted(*_named(look.entries.get(name, NOTHING))),
            rolling,
            registry,
            seen.dropped,
            problem,
        )

    def _rolls(self, seen: Situation) -> bool:
        """Whether the cluster still rolls what was decided once; who was never changed does not."""
        if not self._entries.is_cluster or (not seen.entry.text and seen.appointment is None):
            return False
        try:
            return not self._entries.progress(seen.name)[0]
        except ConcordError:
            return False

    async def _known(self, name: str) -> Known | None:
        """What the registry says; None without one."""
        if self._registry is None:
            return None
        try:
            return Known(await self._registry.model(name), await self._registry.versions(name))
        except UnknownName:
            return Known(Registered(name, {}, {}), [])

    async def _registry_view(self, known: Known) -> RegistryView:
        newest = known.versions[:LISTED_VERSIONS]
        metrics = [await self._metric(one.run_id) for one in newest]
        named = known.model.aliases
        listed = [
            ListedVersion(
                one.version,
                one.created,
                sorted(alias for alias, version in named.items() if version == one.version),
                one.run_id,
                one.digest,
                *metric,
            )
            for one, metric in zip(newest, metrics, strict=True)
        ]
        return RegistryView(named.get(CHAMPION), named.get(CHALLENGER), listed)

    async def _metric(self, run_id: str) -> tuple[str | None, float | None]:
        return await self._registry.metric(run_id) if self._registry else (None, None)

    # Deciding

    @property
    def _tag(self) -> str:
        return SERVED_TAG if self._entries.is_cluster else PREVIOUS_TAG

    def _check_ledger(self, member: Member) -> None:
        """Refuses what the ledger could not be told of afterwards."""
        if self._settler.alarm is not None:
            raise LedgerBroken(self._settler.alarm)
        if not self._settler.started:
            raise LedgerUnavailable("The ledger could not be read since the start yet. Try again soon.")
        if self._panels.account(member.task, member.node) is None:
            raise Conflict(f"{member.task}.{member.node} has no account in the ledger yet. Try again soon.")

    def _checked(self, name: str) -> Mapping[str, Entry]:
        """The entries, once it is sure that this one can be changed."""
        with _rights():
            self._entries.check(name)
            return self._entries.all()

    def _check_version(self, plan: Plan, member: Member, known: Known | None) -> None:
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
        if plan.action == "challenge" and stated != self._panels.schema(member.task).digest:
            raise Conflict(
                f"Version {plan.version} of {known.model.name} answers schema {stated[:12]}, the task's is "
                f"{self._panels.schema(member.task).digest[:12]}: it could not be compared.",
                field="version",
            )

    async def _carry_out(self, seen: Situation, plan: Plan, known: Known | None, said: Decision) -> None:
        if known is not None and self._registry is not None:
            await self._name(plan, known, self._registry)
        try:
            await asyncio.to_thread(self._write, seen, plan)
        except Conflict:
            await self._name_again(seen.name)
            raise
        await self._tell(seen, plan, said)
        if plan.action == "rollback" and known is not None and self._registry is not None:
            await self._registry.delete_tag(seen.name, self._tag)
        _log.info(
            "version appointed",
            extra={"model": seen.name, "action": plan.action, "version": plan.version, "by": said.by},
        )

    async def _name(self, plan: Plan, known: Known, registry: Registry) -> None:
        """Has the registry's aliases and its tag say what will be; the tag first, so that nothing is lost."""
        name, aliases = known.model.name, known.model.aliases
        if plan.action == "challenge":
            await registry.set_alias(name, CHALLENGER, plan.version)
            return
        if plan.action == "promote" and plan.before != plan.version:
            await registry.set_tag(name, self._tag, plan.before)
        if plan.action != "dismiss" and plan.version != PACKAGED:
            await registry.set_alias(name, CHAMPION, plan.version)
        leaves = plan.before if plan.action == "rollback" else plan.version
        if aliases.get(CHALLENGER) == leaves:
            await registry.delete_alias(name, CHALLENGER)

    async def _name_again(self, name: str) -> None:
        """Puts the alias back to what somebody else, who was faster, has written into the entry."""
        look = await asyncio.to_thread(self._look)
        champion = number(look.entries.get(name, NOTHING).champion)
        if champion is not None and self._registry is not None:
            await self._registry.set_alias(name, CHAMPION, champion)

    def _write(self, seen: Situation, plan: Plan) -> None:
        with _rights():
            self._entries.write(seen.name, seen.entry, plan.entry)
            if seen.entry != plan.entry or seen.rolls:
                self._entries.restart(seen.name)

    async def _tell(self, seen: Situation, plan: Plan, said: Decision) -> None:
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
            account = self._panels.account(task, node)
            if not _is_of(account.appointment if account else None, said):
                raise


class _Rights:
    """Says of a missing right that it is this service's, and not the caller's."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, NotAllowed):
            raise ConfigurationError(
                f"{error.message} The consensus pod needs get and update of the models ConfigMap, get and "
                "patch of the nodes' Deployments; the chart gives them."
            ) from error


_rights = _Rights


def _named(entry: Entry) -> tuple[str | None, str | None]:
    return entry.champion, entry.challenger


def _is_of(appointment: Appointment | None, said: Decision) -> bool:
    return appointment is not None and (appointment.action, appointment.version) == (
        said.action,
        said.version,
    )


def _shadow(seen: Situation, member: Member, known: Known | None) -> str | None:
    """How the champion of now is named in an entry; None where the registry does not know it.

    What is packaged may come from another registry, whose number 1 is another model: the file's digest tells.
    """
    if seen.entry.champion is not None:
        return seen.champion
    info = member.profile.info if member.profile else None
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
