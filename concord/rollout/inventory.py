"""Which versions the nodes serve and try: what nodes, entries, ledger and registry say, together.

Nothing is cached and nothing decided (`concord.rollout.rollout` does that). What cannot be looked at is said in
its place, and the rest is told all the same. A list asks the registry and the cluster about every node, so
one is made at a time, however many ask: who asks while it is made gets the next one, which no earlier
decision is missing from.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from concord.consensus.ensembles import Ensembles
from concord.consensus.node_client import NodeClient
from concord.errors import ConcordError, UnknownName
from concord.rollout.desired import NOTHING, Entries, Entry
from concord.rollout.registry import (
    CHALLENGER,
    CHAMPION,
    PREVIOUS_TAG,
    SERVED_TAG,
    RegisteredModel,
    RegistryClient,
    Version,
)
from concord.rollout.state import RolloutState
from concord.types.models import ListedVersion, ModelView, RegistryView, Wanted
from concord.util.times import iso

LISTED_VERSIONS: Final = 50
"""The newest versions of a model that are listed; a retraining a week makes as many in a year."""


@dataclass(frozen=True)
class Known:
    """What the registry says of one model."""

    model: RegisteredModel
    versions: Sequence[Version]


@dataclass(frozen=True)
class Look:
    """The entries as they are now, or why they could not be read."""

    entries: Mapping[str, Entry]
    problem: str | None = None


class Inventory:
    """Sees the nodes' versions.

    Args:
        panels: Which nodes there are, and their accounts.
        entries: What nodes are to serve.
        registry: Where versions are registered; None where none is known.
    """

    def __init__(self, panels: Ensembles, entries: Entries, registry: RegistryClient | None) -> None:
        self.ensembles, self.entries, self.registry = panels, entries, registry
        self._making = asyncio.Lock()
        self._next: asyncio.Future[list[ModelView]] | None = None

    async def close(self) -> None:
        """Lets go of the registry."""
        if self.registry is not None:
            await self.registry.close()

    @property
    def tag(self) -> str:
        """The registry's tag of what was served before the last promotion."""
        return SERVED_TAG if self.entries.is_cluster else PREVIOUS_TAG

    async def models(self) -> list[ModelView]:
        """Every node's model, in the order of the tasks; what cannot be looked at is said."""
        if self._next is None:
            self._next = asyncio.ensure_future(self._list())
        # Who leaves takes the list away from nobody.
        return await asyncio.shield(self._next)

    async def view(self, member: NodeClient) -> ModelView:
        """One node's model."""
        return await self._view(member, await asyncio.to_thread(self._look))

    async def seen(self, name: str) -> RolloutState:
        """One node's versions as they are now; where entries cannot be read, as the node says.

        Raises:
            UnknownName: There is no such node.
        """
        member = self.member(name)
        return self.situation(member, await asyncio.to_thread(self._look))

    def situation(self, member: NodeClient, look: Look, known: Known | None = None) -> RolloutState:
        """The same, from what was looked up."""
        name = f"{member.task}.{member.node}"
        info = member.description.info if member.description else None
        trying = info.challenger if info else None
        account = self.ensembles.account(member.task, member.node)
        entry = look.entries.get(name, NOTHING)
        if look.problem is not None and trying is not None:
            entry = Entry(None, trying.version)
        return RolloutState(
            name,
            served=info.version if info else None,
            tried=trying.version if trying else None,
            dropped=trying.dropped if trying else None,
            entry=entry,
            appointment=account.appointment if account else None,
            recorded=account.version if account else None,
            previous=known.model.tags.get(self.tag) if known else None,
        )

    def member(self, name: str) -> NodeClient:
        """The node of a registered name.

        Raises:
            UnknownName: There is none.
        """
        task, _, node = name.rpartition(".")
        member = self.ensembles.clients(task).get(node) if task in self.ensembles.declared else None
        if member is None:
            raise UnknownName(
                f"There is no node {name[:60]!r} here; GET /v1/models lists them.",
                field="name",
                code="unknown_model",
            )
        return member

    async def known(self, name: str) -> Known | None:
        """What the registry says of a model; None without one.

        Raises:
            ServiceAway: It does not serve.
        """
        if self.registry is None:
            return None
        try:
            return Known(await self.registry.model(name), await self.registry.versions(name))
        except UnknownName:
            return Known(RegisteredModel(name, {}, {}), [])

    async def _list(self) -> list[ModelView]:
        async with self._making:
            self._next = None
            look = await asyncio.to_thread(self._look)
            declared = self.ensembles.declared
            members = [member for task in declared for member in self.ensembles.clients(task).values()]
            return list(await asyncio.gather(*(self._view(member, look) for member in members)))

    def _look(self) -> Look:
        try:
            return Look(self.entries.all())
        except ConcordError as error:
            return Look({}, error.message)

    async def _view(self, member: NodeClient, look: Look) -> ModelView:
        name = f"{member.task}.{member.node}"
        known, registry, problem = None, None, look.problem
        try:
            known = await self.known(name)
            registry = await self._registry_view(known) if known else None
        except ConcordError as error:
            problem = problem or error.message
        seen = self.situation(member, look, known)
        rolling = seen.rolls or await asyncio.to_thread(self._rolls, seen)
        entry = look.entries.get(name, NOTHING)
        return ModelView(
            name,
            member.task,
            member.node,
            seen.served,
            seen.tried,
            seen.phase,
            None if seen.since is None else iso(seen.since),
            seen.returns_to,
            Wanted(entry.champion, entry.challenger),
            rolling,
            registry,
            seen.dropped,
            problem,
        )

    def _rolls(self, seen: RolloutState) -> bool:
        """Whether the cluster still rolls what was decided once; who was never changed does not."""
        if not self.entries.is_cluster or (not seen.entry.text and seen.appointment is None):
            return False
        try:
            return not self.entries.progress(seen.name)[0]
        except ConcordError:
            return False

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
        return await self.registry.metric(run_id) if self.registry else (None, None)
