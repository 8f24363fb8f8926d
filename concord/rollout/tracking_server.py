"""Address and credentials of MLflow's server, from its URL and MLflow's own variables.

The credentials are kept apart from the address, so that httpx's logs and errors never show them.
"""

from dataclasses import dataclass, field

import httpx

from concord.settings import Settings
from concord.util.urls import masked


@dataclass(frozen=True)
class TrackingServer:
    """Where MLflow's server is, and the credentials for it.

    Attributes:
        address: Its URL without user and password.
        user: Name and password of basic authentication.
        headers: A bearer token's header, if there is one.
        shown: The URL with its password masked, for messages.
    """

    address: httpx.URL
    user: tuple[str, str] | None = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    shown: str


def read_tracking_server(url: str, settings: Settings) -> TrackingServer:
    """Reads address and credentials of a server.

    Credentials in the URL win over `MLFLOW_TRACKING_USERNAME` with `_PASSWORD`, and these over the bearer
    token `MLFLOW_TRACKING_TOKEN`.

    Args:
        url: `http(s)://HOST[:PORT][/PATH]`, perhaps with a user and a password.
        settings: They hold MLflow's variables.
    """
    address = httpx.URL(url.rstrip("/"))
    password, token = (
        secret.get_secret_value() if secret else ""
        for secret in (settings.registry_password, settings.registry_token)
    )
    user = (settings.registry_user, password) if settings.registry_user and password else None
    user = (address.username, address.password) if address.userinfo else user
    return TrackingServer(
        address.copy_with(userinfo=b""),
        user,
        {"authorization": f"Bearer {token}"} if token and not user else {},
        masked(url),
    )
