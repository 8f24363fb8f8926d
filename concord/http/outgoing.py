"""How a general HTTP client is set up for an address: proxy, and whom it trusts.

The client of the node calls (`concord.http.client`) knows neither: nodes are near, and answer by HTTP.
"""

import os
import ssl
from typing import TypedDict

import httpx

from concord.errors import ConfigurationError
from concord.util.proxies import is_near, proxies
from concord.util.urls import masked


class ClientOptions(TypedDict):
    """Options of `httpx.Client` and `httpx.AsyncClient`."""

    trust_env: bool
    verify: ssl.SSLContext


def client_options(url: str) -> ClientOptions:
    """The environment's proxy unless the address is near, and always its certificates.

    Raises:
        ConfigurationError: The certificates cannot be read.
    """
    try:
        return ClientOptions(trust_env=not is_near(url), verify=httpx.create_ssl_context())
    except OSError as error:
        raise ConfigurationError(
            f"The certificates that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read: {error}.",
            field="SSL_CERT_FILE",
        ) from error


def proxy_note(url: str) -> str:
    """A sentence about the proxy through which an address was asked; empty without one."""
    found = {} if is_near(url) else proxies(os.environ)
    named = ", ".join(f"{name} ({masked(proxy)})" for name, proxy in found.items())
    return f" It was asked as {named} and NO_PROXY say." if named else ""
