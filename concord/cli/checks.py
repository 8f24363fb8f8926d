"""A result of `concord doctor`, and the check of the environment's proxies."""

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from concord.util.proxies import ADDRESSES, proxies, proxy_of
from concord.util.urls import masked

CONNECT_SECONDS: Final = 3.0
"""A proxy that takes longer to accept holds up every request."""

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
    used = {name: proxy_of(environment.get(name, ""), environment) for name in ADDRESSES}
    asked = [name for name, proxy in used.items() if proxy]
    through = f"used for {', '.join(asked)}" if asked else "used for nothing here"
    away = [name for name, proxy in found.items() if not _accepts(proxy)]
    shown = ", ".join(f"{name} is {masked(proxy)}" for name, proxy in found.items())
    said = f"{shown}; {through}, and never for this machine and names of a cluster"
    if away:
        said = f"{said}. {' and '.join(away)} {'accepts' if len(away) == 1 else 'accept'} no connection"
    remedy = f"Unset {' and '.join(away)}, correct it, or name hosts that need no proxy in NO_PROXY."
    # A proxy that nothing is asked through does no harm here; downloads of packages and data may need it.
    yield Check("proxy", not set(away) & set(used.values()), said, remedy)


def _accepts(proxy: str) -> bool:
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        address = (parts.hostname or "", parts.port or PORTS.get(parts.scheme, 1080))
        socket.create_connection(address, timeout=CONNECT_SECONDS).close()
    except (OSError, ValueError):
        return False
    return True
