"""The consensus service, as training's commands reach it."""

from concord.client import Client
from concord.settings import Settings


def connect(timeout: float = 10.0) -> Client:
    """A client of the service at `CONCORD_URL`, with the token of `CONCORD_TOKEN`.

    Args:
        timeout: Seconds, of one request.
    """
    settings = Settings.read()
    token = settings.token.get_secret_value() if settings.token else None
    return Client(settings.url, timeout, token)
