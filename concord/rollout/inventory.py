"""The inventory: of every node the served, desired, recorded and registered versions.

It only reads. What cannot be read is named as a problem of that model, and the rest is listed all the same.
A list asks registry and cluster about every node, so requests that wait while one is made share the next one.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from concord.consensus.ensembles import Ensembles
from concord.consensus.node_client import NodeClient
from concord.errors import ConcordError, UnknownName
from concord.rollout.desired.store import DesiredVersionsStore
from concord.rollout.registry import (
    CHALLENGER,
    CHAMPION,
    PREVIOUS_TAG,
    SERVED_TAG,
    RegisteredModel,
    RegistryClient,
)
from concord.rollout.state import RolloutState
from concord.types.models import DesiredVersions, ListedVersion, ModelView, RegistryView
from concord.util.times import iso

LISTED_VERSIONS: Final = 50
"""The newest versions of a model that are listed; a retraining a week makes as many in a year."""


@dataclass(frozen=True)
class DesiredSnapshot:
    """The desired versions of all nodes at one moment, or why they could not be read."""

    versions: Mapping[str, DesiredVersions]
    problem: str | None = None


class Inventory:
    """Reads the nodes' versions.

    Args:
        ensembles: The tasks' nodes and their accounts.
        desired: The store of desired versions.
        registry: Where versions are registered; None where no registry is configured.
    """

    def __init__(
        self, ensembles: Ensembles, desired: DesiredVersionsStore, registry: RegistryClient | None
    ) -> None:
        self.ensembles, self.desired, self.registry = ensembles, desired, registry
        self.previous_tag = SERVED_TAG if desired.is_cluster else PREVIOUS_TAG
        """The registry's tag of the version that was served before the last promotion."""
        self._listing = asyncio.Lock()
        self._next: asyncio.Future[list[ModelView]] | None = None

    async def close(self) -> None:
        """Closes the registry's connections."""
        if self.registry is not None:
            await self.registry.close()

    async def list_models(self) -> list[ModelView]:
        """Every node's model, in the order of the tasks."""
        if self._next is None:
            self._next = asyncio.ensure_future(self._list())
        # Shielded: a caller that disconnects does not cancel the list for the others.
        return await asyncio.shield(self._next)

    async def describe(self, client: NodeClient) -> ModelView:
        """One node's model."""
        return await self._describe(client, await asyncio.to_thread(self._read_desired))

    async def read_state(self, name: str) -> RolloutState:
        """One node's rollout state now.

        Raises:
            UnknownName: There is no such node.
        """
        client = self.find_client(name)
        return self.build_state(client, await asyncio.to_thread(self._read_desired))

    def build_state(
        self, client: NodeClient, desired: DesiredSnapshot, model: RegisteredModel | None = None
    ) -> RolloutState:
        """A node's rollout state; its challenger is the node's own where desired versions cannot be read."""
        name = f"{client.task}.{client.node}"
        info = client.description.info if client.description else None
        challenger = info.challenger if info else None
        account = self.ensembles.account(client.task, client.node)
        versions = desired.versions.get(name, DesiredVersions())
        if desired.problem is not None and challenger is not None:
            versions = DesiredVersions(None, challenger.version)
        return RolloutState(
            name,
            served=info.version if info else None,
            served_challenger=challenger.version if challenger else None,
            dropped=challenger.dropped if challenger else None,
            desired=versions,
            appointment=account.appointment if account else None,
            recorded=account.version if account else None,
            previous=model.tags.get(self.previous_tag) if model else None,
        )

    def find_client(self, name: str) -> NodeClient:
        """The client of the node with a registered name.

        Raises:
            UnknownName: There is none.
        """
        task, _, node = name.rpartition(".")
        client = self.ensembles.clients(task).get(node) if task in self.ensembles.declared else None
        if client is None:
            raise UnknownName(
                f"There is no node {name[:60]!r} here; GET /v1/models lists them.",
                field="name",
                code="unknown_model",
            )
        return client

    async def read_registered(self, name: str) -> RegisteredModel | None:
        """A model with its versions; empty where it is not registered, None where no registry is configured.

        Raises:
            ServiceAway: The registry does not serve.
        """
        if self.registry is None:
            return None
        try:
            model = await self.registry.model(name)
            return replace(model, versions=await self.registry.versions(name))
        except UnknownName:
            return RegisteredModel(name)

    async def _list(self) -> list[ModelView]:
        async with self._listing:
            self._next = None
            desired = await asyncio.to_thread(self._read_desired)
            declared = self.ensembles.declared
            clients = [client for task in declared for client in self.ensembles.clients(task).values()]
            return list(await asyncio.gather(*(self._describe(client, desired) for client in clients)))

    def _read_desired(self) -> DesiredSnapshot:
        try:
            return DesiredSnapshot(self.desired.read_all())
        except ConcordError as error:
            return DesiredSnapshot({}, error.message)

    async def _describe(self, client: NodeClient, desired: DesiredSnapshot) -> ModelView:
        name = f"{client.task}.{client.node}"
        model, registry, problem = None, None, desired.problem
        try:
            model = await self.read_registered(name)
            registry = await self._list_versions(model) if model else None
        except ConcordError as error:
            problem = problem or error.message
        state = self.build_state(client, desired, model)
        return ModelView(
            name,
            client.task,
            client.node,
            state.served,
            state.served_challenger,
            state.phase,
            None if state.since is None else iso(state.since),
            state.rollback_version,
            desired.versions.get(name, DesiredVersions()),
            state.is_rolling or await asyncio.to_thread(self._is_restarting, state),
            registry,
            state.dropped,
            problem,
        )

    def _is_restarting(self, state: RolloutState) -> bool:
        """Whether the cluster still replaces the pods of a node whose versions were changed once."""
        is_changed = state.desired != DesiredVersions() or state.appointment is not None
        try:
            return is_changed and not self.desired.is_restarted(state.name)
        except ConcordError:
            return False

    async def _list_versions(self, model: RegisteredModel) -> RegistryView:
        listed = []
        for version in model.versions[:LISTED_VERSIONS]:
            aliases = sorted(alias for alias, number in model.aliases.items() if number == version.version)
            metric = await self.registry.metric(version.run_id) if self.registry else (None, None)
            listed.append(
                ListedVersion(
                    version.version, version.created, aliases, version.run_id, version.digest, *metric
                )
            )
        return RegistryView(model.aliases.get(CHAMPION), model.aliases.get(CHALLENGER), listed)
