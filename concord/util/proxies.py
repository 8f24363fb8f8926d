"""Which addresses are asked without the environment's proxy: this machine's and a cluster's.

`HTTP_PROXY`, `HTTPS_PROXY` and `ALL_PROXY` are for what is elsewhere. No proxy can reach a loopback address
of this machine, and hardly one a Service's name. Libraries ask a proxy for both unless `NO_PROXY` says no.
"""

import ipaddress
import os
import socket
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
EXCEPTIONS: Final = ("NO_PROXY", "no_proxy")

_SUFFIXES: Final = ("localhost", ".localhost", ".svc", ".cluster.local")
_HERE: Final = ("127.0.0.1", "::1", *_SUFFIXES)

ADDRESSES: Final = ("CONCORD_URL", "MLFLOW_TRACKING_URI", "CONCORD_PROMETHEUS")
"""Variables that name what Concord and its libraries ask."""

_BUNDLE: Final = "REQUESTS_CA_BUNDLE"
_API_SERVER: Final = "KUBERNETES_SERVICE_HOST"


def is_near(url: str) -> bool:
    """Whether what answers at a URL is on this machine or in its cluster or network, by its host's name.

    >>> is_near("http://127.0.0.1:7400"), is_near("http://concord-consensus:7400")
    (True, True)
    >>> is_near("https://concord.example.org")
    False
    """
    return _is_near(_host(url))


def proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """Variable → proxy, of those that are set; lower case wins, as everywhere."""
    found = {name: environment.get(name.lower()) or environment.get(name, "") for name in PROXIES}
    return {name: value for name, value in found.items() if value}


def are_unused(environment: Mapping[str, str]) -> bool:
    """Whether a star in `NO_PROXY` says that nothing is asked through a proxy."""
    return "*" in _stated(environment)


def exceptions(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables by which libraries ask near addresses directly; none where there is no proxy."""
    if not proxies(environment):
        return {}
    if are_unused(environment):
        # For most libraries a star means all only where it stands alone.
        return dict.fromkeys(EXCEPTIONS, "*")
    named = [environment.get(_API_SERVER, ""), *(_host(environment.get(name, "")) for name in ADDRESSES)]
    hosts = dict.fromkeys(
        [*_stated(environment), *_HERE, *(host for host in named if _is_near(host) or host == named[0])]
    )
    return dict.fromkeys(EXCEPTIONS, ",".join(host for host in hosts if host))


def proxy_of(url: str, environment: Mapping[str, str]) -> str | None:
    """The variable whose proxy an address is asked through; None where it is asked directly, or not by HTTP.

    >>> proxy_of("https://concord.example.org", {"HTTPS_PROXY": "http://proxy:3128"})
    'HTTPS_PROXY'
    """
    stated = environment.get("no_proxy") or environment.get("NO_PROXY", "")
    if not url.startswith(("http:", "https:")) or is_near(url) or are_unused(environment):
        return None
    if proxy_bypass_environment(_host(url), {"no": stated}):
        return None
    own = "HTTPS_PROXY" if url.startswith("https:") else "HTTP_PROXY"
    return next((name for name in (own, "ALL_PROXY") if name in proxies(environment)), None)


def client_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """What libraries need in their environment: exceptions from proxies, and trusted certificates."""
    trusted = environment.get("SSL_CERT_FILE")
    # MLflow's client knows this variable only.
    certificates = {_BUNDLE: trusted} if trusted and not environment.get(_BUNDLE) else {}
    return {**exceptions(environment), **certificates}


def set_client_variables() -> None:
    """Sets them for the libraries of this process."""
    os.environ.update(client_variables(os.environ))


def _stated(environment: Mapping[str, str]) -> list[str]:
    return [part.strip() for name in EXCEPTIONS for part in environment.get(name, "").split(",")]


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_near(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        # A name without a dot is a Service's, a container's or a neighbour's.
        return bool(host) and ("." not in host or host.endswith(_SUFFIXES))
    return address.is_loopback or address.is_unspecified or _is_own(address)


def _is_own(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an interface of this machine has the address; nothing is sent."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True
