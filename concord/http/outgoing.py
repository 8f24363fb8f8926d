"""How a general HTTP client is set up for an address: proxy, and whom it trusts.

The client of the node calls (`concord.http.client`) knows neither: nodes are near, and answer by HTTP.
"""

import os
import ssl
from pathlib import Path
from typing import Final, TypedDict

import httpx

from concord.errors import ConfigurationError
from concord.util.proxies import are_unused, is_near, proxies, proxy_of
from concord.util.urls import masked


class ClientOptions(TypedDict):
    """Options of `httpx.Client` and `httpx.AsyncClient`."""

    trust_env: bool
    verify: ssl.SSLContext | bool


CA: Final = "CONCORD_CA"
"""The variable that names the certificate of the authority that signed the consensus service's."""

_SCHEMES: Final = frozenset({"http", "https", "socks5", "socks5h"})
"""Of proxies that httpx can ask."""


def client_options(url: str, authority: Path | None = None) -> ClientOptions:
    """The environment's proxy unless the address is near, and its certificates where they may be needed.

    Args:
        url: The address that is asked.
        authority: A file with certificates that are trusted besides those of the system or of SSL_CERT_FILE.

    Raises:
        ConfigurationError: The certificates cannot be read, or a proxy is neither for HTTP nor SOCKS 5.
    """
    is_direct = is_near(url)
    if is_direct and url.startswith("http:"):
        # No TLS is spoken there. This trusts nobody, and saves reading all authorities, which takes 35 ms.
        return ClientOptions(trust_env=False, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    # httpx makes a transport for each that is set, whether or not it is used; for none where a star stands.
    if not is_direct and not are_unused(os.environ):
        _check_proxies()
    return ClientOptions(trust_env=not is_direct, verify=trusting(authority))


def authority_file() -> Path | None:
    """The file that CONCORD_CA names, if it is set."""
    return Path(os.environ[CA]) if os.environ.get(CA) else None


def trusting(authority: Path | None) -> ssl.SSLContext:
    """What trusts the system's authorities, or those of SSL_CERT_FILE, and one more.

    Raises:
        ConfigurationError: Their certificates cannot be read.
    """
    try:
        trust = httpx.create_ssl_context()
    except OSError as error:
        raise ConfigurationError(
            f"The certificates that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read: {error}.",
            field="SSL_CERT_FILE",
        ) from error
    # Which Python 3.13 sets: the file of a server's own certificate would pass for its authority's.
    trust.verify_flags &= ~ssl.VERIFY_X509_PARTIAL_CHAIN
    if authority is not None:
        try:
            trust.load_verify_locations(cafile=authority)
        except OSError as error:
            why = "it holds no certificate in PEM" if isinstance(error, ssl.SSLError) else error.strerror
            raise ConfigurationError(
                f"{authority} is no certificate of an authority: {why}. {CA} (--ca) names a file that begins "
                "with -----BEGIN CERTIFICATE-----, such as a Secret's ca.crt.",
                field=CA,
            ) from error
    return trust


def _check_proxies() -> None:
    for name, proxy in proxies(os.environ).items():
        scheme, sign, _ = proxy.partition("://")
        if sign and scheme.lower() not in _SCHEMES:
            raise ConfigurationError(
                f"{name} is no proxy that can be used: {masked(proxy)}. It begins with http:// or socks5://.",
                field=name,
            )


def distrust_of(error: BaseException) -> str | None:
    """Why a server's certificate was refused, and what helps; None if something else went wrong."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return None
    why = cause.verify_message.rstrip(".")
    if "mismatch" in why:
        return f"certificate verify failed: {why}. CONCORD_URL says a name that the certificate is for."
    return f"certificate verify failed: {why}. --ca FILE or {CA} names its authority's certificate."


def proxy_note(url: str) -> str:
    """A sentence about the proxy through which an address was asked; empty without one."""
    name = proxy_of(url, os.environ)
    return f" It was asked as {name} ({masked(proxies(os.environ)[name])}) and NO_PROXY say." if name else ""
