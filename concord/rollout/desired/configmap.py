"""Desired versions in a cluster: keys of the models ConfigMap, read by the pods of the nodes' Deployments.

A key is changed and written back on the `resourceVersion` that was read; after a conflict the ConfigMap is
read again. A restart is an annotation of the pod template that nothing else sets, so that later upgrades by
Helm meet no conflict.
"""

import random
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from concord.errors import ConfigurationError, Conflict
from concord.kubernetes.cluster import Cluster
from concord.kubernetes.names import Target
from concord.rollout.desired.store import changed_meanwhile, format_versions, parse_versions
from concord.types.models import DesiredVersions

ATTEMPTS: Final = 12
"""Writes of a ConfigMap that others change too, in some seconds; more conflicts in a row mean that something
writes in a loop."""

LONGEST_PAUSE: Final = 1.0
"""Seconds between two attempts, at most."""


class ConfigMapVersionsStore:
    """Stores desired versions in the models ConfigMap.

    Args:
        cluster: The namespace's API.
        target: The installation.
    """

    is_cluster = True

    def __init__(self, cluster: Cluster, target: Target) -> None:
        self._cluster, self.target = cluster, target

    def check(self, name: str) -> None:
        """Checks that the ConfigMap and the node's Deployment exist."""
        self._read_configmap()
        self._read_deployment(name)

    def read_all(self) -> Mapping[str, DesiredVersions]:
        """Registered name → desired versions, of the nodes that have any."""
        data = self._read_configmap().get("data") or {}
        desired = {name: parse_versions(text) for name, text in data.items()}
        return {name: versions for name, versions in desired.items() if versions != DesiredVersions()}

    def write(self, name: str, expected: DesiredVersions, desired: DesiredVersions) -> None:
        """Changes the node's key, or removes it where nothing is desired."""
        for attempt in range(ATTEMPTS):
            configmap = self._read_configmap()
            data = dict(configmap.get("data") or {})
            stored = parse_versions(data.pop(name, ""))
            if stored != expected:
                raise changed_meanwhile(name, expected, stored)
            if stored == desired:
                return
            if text := format_versions(desired):
                data[name] = text
            try:
                self._cluster.replace("configmaps", configmap | {"data": data})
            except Conflict:
                # A random length, so that two writers that conflicted once do not meet again.
                time.sleep(min(LONGEST_PAUSE, 0.05 * 2**attempt) * random.uniform(0.5, 1))  # noqa: S311
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

    def is_restarted(self, name: str) -> bool:
        """Whether all pods are new and ready."""
        deployment = self._read_deployment(name)
        status, replicas = deployment.get("status", {}), int(deployment["spec"].get("replicas", 1))
        counts = [int(status.get(part, 0)) for part in ("replicas", "updatedReplicas", "availableReplicas")]
        is_observed = int(status.get("observedGeneration", 0)) >= int(deployment["metadata"]["generation"])
        return is_observed and all(count == replicas for count in counts)

    def _read_configmap(self) -> dict[str, Any]:
        return self._read(
            "configmaps", self.target.models, "Concord's chart makes it, where MLflow is enabled"
        )

    def _read_deployment(self, name: str) -> dict[str, Any]:
        origin = f"The chart makes it, where {name} is enabled"
        return self._read("deployments", self.target.deployment(name), origin)

    def _read(self, resource: str, name: str, origin: str) -> dict[str, Any]:
        document = self._cluster.get(resource, name)
        if document is None:
            kind = {"configmaps": "ConfigMap", "deployments": "Deployment"}[resource]
            raise ConfigurationError(
                f"There is no {kind} {name} in the namespace {self.target.namespace}. {origin}; check "
                "CONCORD_DEPLOYMENT, or --namespace and --release.",
                field="release",
            )
        return document
