"""From where models are decided about: the consensus service, on this machine or in a cluster.

A decision takes a token that administers, which a newcomer on a laptop has not made yet: the error says
the one command that makes it. In a cluster the way to the service is opened with kubectl while it is
needed, unless CONCORD_URL names it or the command runs in a pod.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from concord.errors import ConfigurationError
from concord.kubernetes.names import Target

if TYPE_CHECKING:
    from concord.client import Client

SERVICE_PORT: Final = 3000

_options: Final = (
    click.option("--namespace", "-n", help="Where Concord runs in a cluster; a laptop's without it."),
    click.option("--release", default="concord", show_default=True, help="Name of its Helm release."),
)


def placed(command: Any) -> Any:  # noqa: ANN401 - click's decorators
    """Adds the options that say where Concord runs."""
    for option in reversed(_options):
        command = option(command)
    return command


def target_of(stated: str | None, namespace: str | None, release: str) -> Target | None:
    """Of the options, or of CONCORD_DEPLOYMENT; None on a laptop."""
    if namespace is not None:
        return Target(namespace, release if "concord" in release else f"{release}-concord")
    return Target.parse(stated) if stated else None


@dataclass(frozen=True)
class ServiceAccess:
    """What a command works with.

    Attributes:
        client: The service.
        target: The cluster that it runs in; None on a laptop.
        has_token: Whether there is a token to show.
    """

    client: "Client"
    target: Target | None
    has_token: bool

    def check_token(self) -> None:
        """Looks whether there is a token, before anything is asked that takes one.

        Raises:
            ConfigurationError: Says how one is made.
        """
        if self.has_token:
            return
        if self.target:
            raise ConfigurationError(
                "Deciding about models takes a token that administers: set CONCORD_TOKEN to one that the "
                "installation knows (the Secret of consensus.tokens.existingSecret).",
                field="CONCORD_TOKEN",
            )
        raise ConfigurationError(
            "Deciding about models takes a token that administers. On the machine that runs Concord this "
            "makes one:\n  export CONCORD_TOKEN=$(concord tokens add operator --administers)",
            field="CONCORD_TOKEN",
        )


@contextmanager
def service_access(namespace: str | None, release: str) -> Iterator[ServiceAccess]:
    """Opens the way to the service.

    Raises:
        ConfigurationError: There is no kubectl, and the cluster's service has no other address.
        ServiceAway: The service cannot be reached through kubectl.
    """
    from concord.cli.home import service_url, settings
    from concord.client import Client

    read = settings()
    target = target_of(read.deployment, namespace, release)
    token = read.token.get_secret_value() if read.token else None
    is_named = "url" in read.model_fields_set
    with _way(target, service_url(read), is_named=is_named) as url, Client(url, 10.0, token) as client:
        yield ServiceAccess(client, target, token is not None)


@contextmanager
def _way(target: Target | None, url: str, *, is_named: bool) -> Iterator[str]:
    from concord.cli.port_forward import forwarded

    if target is None or is_named:
        yield url
    elif "KUBERNETES_SERVICE_HOST" in os.environ:
        yield f"http://{target.consensus}.{target.namespace}:{SERVICE_PORT}"
    else:
        with forwarded(target.namespace, target.consensus, SERVICE_PORT) as found:
            yield found
