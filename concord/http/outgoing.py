"""How a general HTTP client is set up for an address: proxy, and whom it trusts.

The client of the node calls (`concord.http.client`) knows neither: nodes are near, and answer by HTTP.
"""

import os
import ssl
from typing import Final, TypedDict

import httpx

from concord.errors import ConfigurationError
from concord.util.proxies import are_unused, is_near, proxies, proxy_of
from concord.util.urls import masked


class ClientOptions(TypedDict):
    """Options of `httpx.Client` and `httpx.AsyncClient`."""

    trust_env: bool
    verify: ssl.SSLContext | bool


_SCHEMES: Final = frozenset({"http", "https", "socks5", "socks5h"})
"""Of proxies that httpx can ask."""


def client_options(url: str) -> ClientOptions:
    """The environment's proxy unless the address is near, and its certificates where they may be needed.

    Raises:
        ConfigurationError: The certificates cannot be read, or a proxy is neither for HTTP nor SOCKS 5.
    """
    is_direct = is_near(url)
    if is_direct and url.startswith("http:"):
        return ClientOptions(trust_env=False, verify=True)
    # httpx makes a transport for each that is set, whether or not it is used; for none where a star stands.
    if not is_direct and not are_unused(os.environ):
        _check_proxies()
    try:
        return ClientOptions(trust_env=not is_direct, verify=httpx.create_ssl_context())
    except OSError as error:
        raise ConfigurationError(
            f"The certificates that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read: {error}.",
            field="SSL_CERT_FILE",
        ) from error


def _check_proxies() -> None:
    for name, proxy in proxies(os.environ).items():
        scheme, sign, _ = proxy.partition("://")
        if sign and scheme.lower() not in _SCHEMES:
            raise ConfigurationError(
                f"{name} is no proxy that can be used: {masked(proxy)}. It begins with http:// or socks5://.",
                field=name,
            )


def proxy_note(url: str) -> str:
    """A sentence about the proxy through which an address was asked; empty without one."""
    name = proxy_of(url, os.environ)
    return f" It was asked as {name} ({masked(proxies(os.environ)[name])}) and NO_PROXY say." if name else ""
