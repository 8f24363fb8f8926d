"""The cluster's side of a promotion for the command line: a node's entry, its restart, and the wait for it.

The entry says which version the node serves from its next start on, so it is written first. Where both
stand, and how they are changed, is `concord.entries`' to say.
"""

import os
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from concord import entries
from concord.entries import ConfigMapEntries, Entry
from concord.errors import ConfigurationError, ServiceAway

if TYPE_CHECKING:
    from concord.cluster import Cluster

POLL_SECONDS: Final = 0.5

Change = Callable[[dict[str, str]], dict[str, str]]


class Target(entries.Target):
    """Concord's installation in a cluster, as a command's options or the environment name it."""

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
        self._entries = ConfigMapEntries(cluster, target, pause)
        self.deployment = target.deployment(model)

    def check(self) -> None:
        """Looks whether everything is there, before anything is changed.

        Raises:
            ConfigurationError: The ConfigMap or the Deployment is not there.
        """
        self._entries.check(self._model)

    def entry(self) -> dict[str, str]:
        """The node's entry; empty where it serves the packaged version."""
        return _named(self._entries.all().get(self._model, Entry()))

    def write(self, change: Change) -> bool:
        """Changes the node's entry; an empty one is removed. Returns whether it was another one before.

        Raises:
            Conflict: Others change it meanwhile.
        """
        before = self.entry()
        after = change(dict(before))
        self._entries.write(self._model, Entry(**before), Entry(**after))
        return before != after

    def restart(self) -> None:
        """Has the Deployment replace its pods one by one."""
        self._entries.restart(self._model)

    def wait(self, seconds: float, tell: Callable[[str], None]) -> None:
        """Waits until the new pods have taken over.

        Raises:
            ServiceAway: They have not in time; the old ones go on serving.
        """
        end = time.monotonic() + seconds
        while True:
            try:
                is_done, words = self._entries.progress(self._model)
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


def _named(entry: Entry) -> dict[str, str]:
    return {role: one for role, one in asdict(entry).items() if one is not None}
