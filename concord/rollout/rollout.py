"""Carries out decisions about which versions the nodes serve: challenge, promote, roll back, dismiss.

A decision has four effects, in this order: the registry's aliases, the desired versions, the node's restart,
the ledger's event. A process may die after any of them; the same call again does the rest. Within a process
calls wait for one another; between replicas desired versions and event are each written by compare-and-set.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterator
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
from concord.ledger.state import PACKAGED, State
from concord.rollout.desired.store import version_number
from concord.rollout.inventory import DesiredSnapshot, Inventory
from concord.rollout.pinning import decided_digest, pin_plan
from concord.rollout.planning import RolloutPlan, RolloutRequest, plan_rollout
from concord.rollout.registry import CHALLENGER, CHAMPION, SCHEMA_TAG, ModelVersion, RegisteredModel
from concord.rollout.state import RolloutState
from concord.settlement.settler import Settler
from concord.tasks.schema import TaskSchema
from concord.types.models import DesiredVersions, ModelView
from concord.util.times import now

_log = logging.getLogger(__name__)


class Rollout:
    """Carries out decisions about the nodes' versions.

    Args:
        inventory: Reads the versions, and holds the stores that are written.
        settler: Appends to the ledger.
    """

    def __init__(self, inventory: Inventory, settler: Settler) -> None:
        self._inventory, self._settler = inventory, settler
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def apply(self, name: str, request: RolloutRequest, by: str, why: str) -> ModelView:
        """Carries a decision out, or completes one that was begun.

        Args:
            name: Registered name.
            request: What is asked for.
            by: Name of the token.
            why: The reason, for people.

        Raises:
            UnknownName: There is no such node, model or version.
            Conflict: The decision does not fit the state; nothing was changed.
            ServiceAway: Registry or cluster do not serve; the same call again completes what was begun.
        """
        client = self._inventory.find_client(name)
        async with self._locks[name]:
            self._check_ledger(client)
            desired = await asyncio.to_thread(self._read_changeable, name)
            model = await self._inventory.read_registered(name)
            state = self._inventory.build_state(client, desired, model)
            registered = _find_registered(state, client, model)
            plan = plan_rollout(state, replace(request, registered=registered))
            self._check_version(plan, client, model)
            plan = pin_plan(plan, self._inventory.ensembles.account(client.task, client.node), model)
            decision = Decision(plan.action, plan.version, plan.before, by, why, decided_digest(plan))
            await self._carry_out(state, plan, model, decision)
        return await self._inventory.describe(client)

    def _check_ledger(self, client: NodeClient) -> None:
        """Refuses a decision that the ledger could not record afterwards."""
        if self._settler.alarm is not None:
            raise LedgerBroken(self._settler.alarm)
        if not self._settler.started:
            raise LedgerUnavailable("The ledger could not be read since the start yet. Try again soon.")
        if self._inventory.ensembles.account(client.task, client.node) is None:
            raise Conflict(f"{client.task}.{client.node} has no account in the ledger yet. Try again soon.")

    def _read_changeable(self, name: str) -> DesiredSnapshot:
        """The desired versions, after checking that those of this node can be changed."""
        with _blame_service():
            self._inventory.desired.check(name)
            return DesiredSnapshot(self._inventory.desired.read_all())

    def _check_version(self, plan: RolloutPlan, client: NodeClient, model: RegisteredModel | None) -> None:
        """Checks that a node can serve the version."""
        if plan.version == PACKAGED or plan.action == "dismiss":
            return
        if model is None:
            if plan.action == "rollback":
                return
            raise Conflict(
                "No registry is known here, so no version can be brought in. Name MLflow's address in "
                "MLFLOW_TRACKING_URI (http://HOST:PORT) and start the service again.",
                code="no_registry",
            )
        version = model.find_version(plan.version)
        if version is None:
            registered = ", ".join(version.version for version in reversed(model.versions[:20])) or "none"
            raise UnknownName(
                f"{model.name} has no version {plan.version[:20]} in the registry; it has {registered}.",
                field="version",
                code="unknown_version",
            )
        digest = _schema_digest(version, model.name)
        task_digest = self._inventory.ensembles.schema(client.task).digest
        if plan.action == "challenge" and digest != task_digest:
            raise Conflict(
                f"Version {plan.version} of {model.name} answers schema {digest[:12]}, the task's is "
                f"{task_digest[:12]}: it could not be compared.",
                field="version",
            )

    async def _carry_out(
        self, state: RolloutState, plan: RolloutPlan, model: RegisteredModel | None, decision: Decision
    ) -> None:
        await self._set_aliases(plan, model)
        try:
            await asyncio.to_thread(self._write_desired, state, plan)
        except Conflict:
            await self._restore_aliases(state, model)
            raise
        await self._record(state, plan, decision)
        if plan.action == "rollback" and self._inventory.registry is not None:
            await self._inventory.registry.delete_tag(state.name, self._inventory.previous_tag)
        _log.info(
            "version appointed",
            extra={"model": state.name, "action": plan.action, "version": plan.version, "by": decision.by},
        )

    async def _set_aliases(self, plan: RolloutPlan, model: RegisteredModel | None) -> None:
        """Writes the registry's tag and aliases; the tag first, so that the former champion is never lost."""
        registry = self._inventory.registry
        if registry is None or model is None:
            return
        if plan.action == "challenge":
            await registry.set_alias(model.name, CHALLENGER, plan.version)
            return
        if plan.action == "promote" and plan.before != plan.version:
            await registry.set_tag(model.name, self._inventory.previous_tag, plan.before)
        if plan.action != "dismiss" and plan.version != PACKAGED:
            await registry.set_alias(model.name, CHAMPION, plan.version)
        leaving = plan.before if plan.action == "rollback" else plan.version
        if model.aliases.get(CHALLENGER) == leaving:
            await registry.delete_alias(model.name, CHALLENGER)

    async def _restore_aliases(self, state: RolloutState, model: RegisteredModel | None) -> None:
        """Sets the aliases to the desired versions that another replica wrote first."""
        registry, name = self._inventory.registry, state.name
        if registry is None or model is None:
            return
        try:
            desired = (await asyncio.to_thread(self._inventory.desired.read_all)).get(name, DesiredVersions())
            champion, challenger = version_number(desired.champion), version_number(desired.challenger)
            champion = champion or model.aliases.get(CHAMPION)
            if champion is not None:
                await registry.set_alias(name, CHAMPION, champion)
            if challenger is not None and desired.champion == state.desired.champion:
                # Otherwise it may be a former champion, which has no alias.
                await registry.set_alias(name, CHALLENGER, challenger)
        except ConcordError as error:
            # The caller gets the conflict as its answer; the next decision sets the aliases anyway.
            _log.warning("aliases not put back", extra={"model": name, "reason": error.message})

    def _write_desired(self, state: RolloutState, plan: RolloutPlan) -> None:
        with _blame_service():
            self._inventory.desired.write(state.name, state.desired, plan.desired)
            if state.desired != plan.desired or state.is_rolling:
                self._inventory.desired.restart(state.name)

    async def _record(self, state: RolloutState, plan: RolloutPlan, decision: Decision) -> None:
        """Appends the event, unless the ledger has it or another replica appends it now."""
        if plan.is_recorded:
            return
        task, _, node = state.name.rpartition(".")
        at = now()

        def build(ledger_state: State) -> list[Event]:
            account = ledger_state.task(task).account(node)
            if account.appointment != state.appointment:
                raise Conflict(f"Somebody else has just decided about {state.name}; look at it again.")
            return [events.appoint(task, node, decision, at, account.changes)]

        try:
            await self._settler.append(build)
        except Conflict:
            account = self._inventory.ensembles.account(task, node)
            last = account.appointment if account else None
            if last is None or (last.action, last.version) != (decision.action, decision.version):
                raise


@contextmanager
def _blame_service() -> Iterator[None]:
    """Turns a missing right in the cluster into an error of this service's configuration."""
    try:
        yield
    except NotAllowed as error:
        raise ConfigurationError(
            f"{error.message} The consensus pod needs get and update of the models ConfigMap, get and "
            "patch of the nodes' Deployments; the chart gives them."
        ) from error


def _find_registered(state: RolloutState, client: NodeClient, model: RegisteredModel | None) -> str | None:
    """The registered version of the present champion; None where the registry does not have it.

    The packaged version may come from another registry, where the same number is another model, so the file's
    digest is compared too.
    """
    if state.desired.champion is not None:
        return state.champion
    info = client.description.info if client.description else None
    if model is None or info is None:
        return None
    version = model.find_version(info.version)
    return info.version if version is not None and version.digest == info.digest else None


def _schema_digest(version: ModelVersion, name: str) -> str:
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
