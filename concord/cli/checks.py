"""A result of `concord doctor`, and the check of the environment's proxies."""

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from concord.util.proxies import is_near, proxies
from concord.util.urls import masked

CONNECT_SECONDS: Final = 3.0
"""A proxy that takes longer to accept holds up every request."""

ADDRESSES: Final = ("CONCORD_URL", "MLFLOW_TRACKING_URI", "CONCORD_PROMETHEUS")
"""Variables with an address that may be asked through a proxy."""

PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        name: What was checked.
        ok: Whether it is as it should be.
        found: The result in words.
        remedy: What to do where it is not.
    """

    name: str
    ok: bool
    found: str
    remedy: str = ""


def check_proxies(environment: Mapping[str, str]) -> Iterator[Check]:
    """Whether each proxy accepts connections, and what is asked through it; nothing where none is set."""
    found = proxies(environment)
    if not found:
        return
    asked = [name for name in ADDRESSES if "://" in environment.get(name, "")]
    asked = [name for name in asked if _is_remote(environment[name])]
    through = f"used for {', '.join(asked)}" if asked else "used for nothing here"
    away = [name for name, proxy in found.items() if not _accepts(proxy)]
    shown = ", ".join(f"{name} is {masked(proxy)}" for name, proxy in found.items())
    said = f"{shown}; {through}, and never for this machine and names of a cluster"
    if away:
        said = f"{said}. {' and '.join(away)} {'accepts' if len(away) == 1 else 'accept'} no connection"
    remedy = f"Unset {' and '.join(away)}, correct it, or name hosts that need no proxy in NO_PROXY."
    # A proxy that nothing is asked through does no harm here; downloads of packages and data may need it.
    yield Check("proxy", not (away and asked), said, remedy)


def _is_remote(url: str) -> bool:
    return url.startswith(("http:", "https:")) and not is_near(url)


def _accepts(proxy: str) -> bool:
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        address = (parts.hostname or "", parts.port or PORTS.get(parts.scheme, 1080))
        socket.create_connection(address, timeout=CONNECT_SECONDS).close()
    except (OSError, ValueError):
        return False
    return True
