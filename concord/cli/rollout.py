"""The cluster's side of a promotion: a node's entry in the models ConfigMap, and its Deployment's restart.

The entry says which version the node serves from its next start on, so it is written first. It is read,
changed and put back on the state that was read; whoever else wrote meanwhile is read again. The restart
is an annotation of the pod template, which belongs to nobody else: Helm's later upgrades don't conflict.
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from concord.errors import ConfigurationError, Conflict, ServiceAway

if TYPE_CHECKING:
    from concord.cluster import Cluster

ATTEMPTS: Final = 8
"""At an entry that others change too; more in a row means that something writes in a loop."""

POLL_SECONDS: Final = 0.5

Entry = dict[str, str]
Change = Callable[[Entry], Entry]


@dataclass(frozen=True)
class Target:
    """Concord's installation in a cluster.

    Attributes:
        namespace: Where it is.
        fullname: What its objects' names begin with.
    """

    namespace: str
    fullname: str

    @classmethod
    def of(cls, namespace: str | None, release: str) -> "Target | None":
        """Of the options, or of CONCORD_DEPLOYMENT; None on a laptop.

        Raises:
            ConfigurationError: The variable is not NAMESPACE/FULLNAME.
        """
        if namespace is not None:
            return cls(namespace, release if "concord" in release else f"{release}-concord")
        stated = os.environ.get("CONCORD_DEPLOYMENT")
        if not stated:
            return None
        namespace, sign, fullname = stated.partition("/")
        if not (namespace and sign and fullname):
            raise ConfigurationError(
                f"CONCORD_DEPLOYMENT is NAMESPACE/FULLNAME, such as concord/concord, not {stated!r}.",
                field="CONCORD_DEPLOYMENT",
            )
        return cls(namespace, fullname)

    @property
    def models(self) -> str:
        """The ConfigMap that says which version a node serves."""
        return f"{self.fullname}-models"

    def deployment(self, model: str) -> str:
        """A node's Deployment and Service."""
        return f"{self.fullname}-{model.replace('.', '-').replace('_', '-')}"


class Rollout:
    """Changes what one node serves.

    Args:
        cluster: The namespace's API.
        target: The installation.
        model: Registered name of the node.
        pause: Sleeps.
    """

    def __init__(
        self, cluster: "Cluster", target: Target, model: str, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._cluster, self._target, self._model, self._pause = cluster, target, model, pause
        self.deployment = target.deployment(model)

    def check(self) -> None:
        """Looks whether everything is there, before anything is changed.

        Raises:
            ConfigurationError: The ConfigMap or the Deployment is not there.
        """
        self._read()
        self._deployment()

    def entry(self) -> Entry:
        """The node's entry; empty where it serves the packaged version."""
        return _entry_of(self._read(), self._model)

    def write(self, change: Change) -> bool:
        """Changes the node's entry; an empty one is removed. Returns whether it was another one before.

        Raises:
            Conflict: Others change the ConfigMap all the time.
        """
        for attempt in range(ATTEMPTS):
            found = self._read()
            before = _entry_of(found, self._model)
            after = change(dict(before))
            if before == after:
                return False
            data = dict(found.get("data") or {})
            data.pop(self._model, None)
            if after:
                data[self._model] = json.dumps(after)
            try:
                self._cluster.replace("configmaps", found | {"data": data})
            except Conflict:
                self._pause(0.05 * 2**attempt)
                continue
            return True
        raise Conflict(
            f"The ConfigMap {self._target.models} changes all the time; see what writes it, and try again."
        )

    def restart(self) -> None:
        """Has the Deployment replace its pods one by one."""
        stamp = datetime.now(UTC).isoformat(timespec="microseconds")
        annotations = {"kubectl.kubernetes.io/restartedAt": stamp}
        changes = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
        self._cluster.patch("deployments", self.deployment, changes)

    def wait(self, seconds: float, tell: Callable[[str], None]) -> None:
        """Waits until the new pods have taken over.

        Raises:
            ServiceAway: They have not in time; the old ones go on serving.
        """
        end = time.monotonic() + seconds
        while True:
            try:
                is_done, words = _progress(self._deployment())
            except ServiceAway as error:
                is_done, words = False, error.message
            if is_done:
                return
            tell(words)
            if time.monotonic() > end:
                raise self._stuck(words, seconds)
            self._pause(POLL_SECONDS)

    def _stuck(self, words: str, seconds: float) -> ServiceAway:
        where = f"-n {self._target.namespace} deployment/{self.deployment}"
        return ServiceAway(
            f"{self.deployment} has not rolled out within {seconds:.0f} s: {words} The old pods go on. "
            f"`kubectl logs {where} --all-pods --all-containers --prefix` says why; "
            f"`concord models rollback {self._model}` goes back."
        )

    def _read(self) -> dict[str, Any]:
        found = self._cluster.get("configmaps", self._target.models)
        if found is None:
            raise ConfigurationError(
                f"There is no ConfigMap {self._target.models} in the namespace {self._target.namespace}. "
                "Concord's chart makes it, where MLflow is enabled; check --namespace and --release.",
                field="release",
            )
        return found

    def _deployment(self) -> dict[str, Any]:
        found = self._cluster.get("deployments", self.deployment)
        if found is None:
            raise ConfigurationError(
                f"There is no Deployment {self.deployment} in the namespace {self._target.namespace}. "
                f"The chart makes it, where {self._model} is enabled; check --namespace and --release.",
                field="release",
            )
        return found


def _entry_of(found: dict[str, Any], model: str) -> Entry:
    try:
        entry = json.loads((found.get("data") or {}).get(model, "{}"))
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def _progress(deployment: dict[str, Any]) -> tuple[bool, str]:
    """Whether all pods are new ones and ready, and how far it is, in words."""
    status, wanted = deployment.get("status", {}), int(deployment["spec"].get("replicas", 1))
    counts = {name: int(status.get(name, 0)) for name in ("replicas", "updatedReplicas", "availableReplicas")}
    is_seen = int(status.get("observedGeneration", 0)) >= int(deployment["metadata"]["generation"])
    is_done = is_seen and all(count == wanted for count in counts.values())
    updated = counts["updatedReplicas"] if is_seen else 0
    old = max(0, counts["replicas"] - updated)
    return is_done, f"{updated} of {wanted} pods are new, {old} old ones are left."
