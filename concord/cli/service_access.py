"""Access to the consensus service whose models are decided about, on this machine or in a cluster.

In a cluster the service is reached through `kubectl port-forward` while it is needed, unless CONCORD_URL
names it or the command runs in a pod; by TLS where CONCORD_CA names its certificate's authority. A decision
takes a token that administers; where there is none the error says the command that makes one.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from concord.cli.console import combine
from concord.cli.home import read_settings, service_url
from concord.errors import ConfigurationError
from concord.kubernetes.names import Target

if TYPE_CHECKING:
    from concord.client import Client

SERVICE_PORT: Final = 3000

target_options: Final = combine(
    click.option("--namespace", "-n", help="Where Concord runs in a cluster; a laptop's without it."),
    click.option("--release", default="concord", show_default=True, help="Name of its Helm release."),
)
"""The options that say where Concord runs."""


def find_target(deployment: str | None, namespace: str | None, release: str) -> Target | None:
    """The cluster of the options, or of CONCORD_DEPLOYMENT; None on a laptop."""
    if namespace is not None:
        return Target(namespace, release if "concord" in release else f"{release}-concord")
    return Target(*deployment.split("/")) if deployment else None


@dataclass(frozen=True)
class ServiceAccess:
    """An open connection to the service.

    Attributes:
        client: The service's client.
        target: The cluster that it runs in; None on a laptop.
        has_token: Whether the environment names a token.
    """

    client: "Client"
    target: Target | None
    has_token: bool

    def check_token(self) -> None:
        """Checks that there is a token, before a call that takes one.

        Raises:
            ConfigurationError: Says how one is made.
        """
        if self.has_token:
            return
        remedy = (
            "Set CONCORD_TOKEN to one that the installation knows (the Secret of "
            "consensus.tokens.existingSecret)."
            if self.target
            else "On the machine that runs Concord this makes one:\n"
            "  export CONCORD_TOKEN=$(concord tokens add operator --administers)"
        )
        raise ConfigurationError(
            f"Deciding about models takes a token that administers. {remedy}", field="CONCORD_TOKEN"
        )


@contextmanager
def open_service(namespace: str | None, release: str) -> Iterator[ServiceAccess]:
    """Opens a connection to the service.

    Raises:
        ConfigurationError: There is no kubectl, and the cluster's service has no other address.
        ServiceAway: The service cannot be reached through kubectl.
    """
    from concord.client import Client

    settings = read_settings()
    target = find_target(settings.deployment, namespace, release)
    token = settings.token.get_secret_value() if settings.token else None
    is_named = "url" in settings.model_fields_set
    with (
        _open_address(None if is_named else target, service_url(settings)) as url,
        Client(url, 10.0, token) as client,
    ):
        yield ServiceAccess(client, target, token is not None)


@contextmanager
def _open_address(target: Target | None, url: str) -> Iterator[str]:
    from concord.cli.port_forward import forward_port
    from concord.http.outgoing import authority_file

    has_tls = authority_file() is not None
    if target is None:
        yield url
    elif "KUBERNETES_SERVICE_HOST" in os.environ:
        yield f"http{'s' * has_tls}://{target.consensus}.{target.namespace}:{SERVICE_PORT}"
    else:
        with forward_port(target.namespace, target.consensus, SERVICE_PORT) as address:
            # A certificate names localhost, hardly an address.
            yield address.replace("http://127.0.0.1", "https://localhost") if has_tls else address
