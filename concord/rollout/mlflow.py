"""Who asks MLflow's server, and where: its address without a password in it, and MLflow's own variables.

Whatever httpx writes into its log or its errors has the address and nothing of the credentials.
"""

from dataclasses import dataclass, field

import httpx

from concord.settings import Settings
from concord.util.urls import masked


@dataclass(frozen=True)
class Tracking:
    """MLflow's server as one caller of it knows it.

    Attributes:
        address: Without user and password.
        user: Name and password, as in basic authentication.
        headers: What else says who asks.
        shown: The address as people may read it.
    """

    address: httpx.URL
    user: tuple[str, str] | None = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    shown: str


def tracking(url: str, settings: Settings) -> Tracking:
    """A server, and who asks it.

    A user and a password in the address come before `MLFLOW_TRACKING_USERNAME` with `_PASSWORD`, and these
    before `MLFLOW_TRACKING_TOKEN`, a bearer's.

    Args:
        url: `http(s)://HOST[:PORT][/PATH]`, perhaps with a user and a password.
        settings: Which have MLflow's variables.
    """
    address = httpx.URL(url.rstrip("/"))
    password, token = (
        one.get_secret_value() if one else "" for one in (settings.registry_password, settings.registry_token)
    )
    user = (settings.registry_user, password) if settings.registry_user and password else None
    user = (address.username, address.password) if address.userinfo else user
    return Tracking(
        address.copy_with(userinfo=b""),
        user,
        {"authorization": f"Bearer {token}"} if token and not user else {},
        masked(url),
    )
