"""Entries of a cluster: keys of the models ConfigMap, and the nodes' Deployments.

An entry is read, changed and put back on the `resourceVersion` that was read; where another node's entry
was written meanwhile, this one is looked at again. A restart is an annotation of the pod template, which
belongs to nobody else: Helm's later upgrades don't conflict.
"""

import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from concord.errors import ConfigurationError, Conflict
from concord.kubernetes.api import Cluster
from concord.kubernetes.names import Target
from concord.rollout.desired.versions import Entry, changed

ATTEMPTS: Final = 12
"""At a ConfigMap that others change too, in some seconds; more in a row means that something writes in a
loop."""

LONGEST_PAUSE: Final = 1.0
"""Seconds between two attempts, at most."""


class ConfigMapEntries:
    """Entries in the models ConfigMap.

    Args:
        cluster: The namespace's API.
        target: The installation.
        pause: Sleeps.
    """

    is_cluster = True

    def __init__(self, cluster: Cluster, target: Target, pause: Callable[[float], None] = time.sleep) -> None:
        self._cluster, self.target, self._pause = cluster, target, pause

    def check(self, name: str) -> None:
        """Looks whether ConfigMap and Deployment are there."""
        self._read()
        self._deployment(name)

    def all(self) -> Mapping[str, Entry]:
        """Every entry that names something."""
        found = {name: Entry.read(text) for name, text in (self._read().get("data") or {}).items()}
        return {name: entry for name, entry in found.items() if entry.text}

    def write(self, name: str, expected: Entry, wanted: Entry) -> None:
        """Changes the node's key; an empty entry is removed."""
        for attempt in range(ATTEMPTS):
            found = self._read()
            data = dict(found.get("data") or {})
            before = Entry.read(data.pop(name, ""))
            if before != expected:
                raise changed(name, expected, before)
            if before == wanted:
                return
            if wanted.text:
                data[name] = wanted.text
            try:
                self._cluster.replace("configmaps", found | {"data": data})
            except Conflict:
                # Of different length for each, or those who met once would meet again.
                self._pause(min(LONGEST_PAUSE, 0.05 * 2**attempt) * random.uniform(0.5, 1))  # noqa: S311
                continue
            return
        raise Conflict(
            f"The ConfigMap {self.target.models} changes all the time; see what writes it, and try again."
        )

    def restart(self, name: str) -> None:
        """Has the Deployment replace its pods one by one."""
        stamp = datetime.now(UTC).isoformat(timespec="microseconds")
        annotations = {"kubectl.kubernetes.io/restartedAt": stamp}
        changes = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
        self._cluster.patch("deployments", self.target.deployment(name), changes)

    def progress(self, name: str) -> tuple[bool, str]:
        """Whether all pods are new ones and ready, and how far it is."""
        deployment = self._deployment(name)
        status, wanted = deployment.get("status", {}), int(deployment["spec"].get("replicas", 1))
        counts = {
            part: int(status.get(part, 0)) for part in ("replicas", "updatedReplicas", "availableReplicas")
        }
        is_seen = int(status.get("observedGeneration", 0)) >= int(deployment["metadata"]["generation"])
        is_done = is_seen and all(count == wanted for count in counts.values())
        updated = counts["updatedReplicas"] if is_seen else 0
        old = max(0, counts["replicas"] - updated)
        return is_done, f"{updated} of {wanted} pods are new, {old} old ones are left."

    def _read(self) -> dict[str, Any]:
        found = self._cluster.get("configmaps", self.target.models)
        if found is None:
            raise ConfigurationError(
                f"There is no ConfigMap {self.target.models} in the namespace {self.target.namespace}. "
                "Concord's chart makes it, where MLflow is enabled; check CONCORD_DEPLOYMENT, or --namespace "
                "and --release.",
                field="release",
            )
        return found

    def _deployment(self, name: str) -> dict[str, Any]:
        deployment = self.target.deployment(name)
        found = self._cluster.get("deployments", deployment)
        if found is None:
            raise ConfigurationError(
                f"There is no Deployment {deployment} in the namespace {self.target.namespace}. "
                f"The chart makes it, where {name} is enabled; check CONCORD_DEPLOYMENT, or --namespace and "
                "--release.",
                field="release",
            )
        return found
