"""The names under which a service may be asked.

A web page may have its own name lead to this machine (DNS rebinding), and its scripts then read what they
get: to the browser it is the same site. The request's `Host` still has the page's name. An address needs no
DNS and so cannot be bound anew; names are admitted only if they are `localhost` or were stated.
"""

import ipaddress
import re
from typing import Final, Self

_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME: Final = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*\.?")
_HOST: Final = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.]{2,45}(?:%[\w.~-]{1,32})?\]|[^:\[\]]{1,255})(?::\d{0,5})?"
)

LOCAL: Final = "localhost"

MOST_KEPT: Final = 256
"""Admitted values of `Host` that are remembered; others are looked at each time."""


class HostNames:
    """Names that are admitted, besides `localhost`, names below it, and every IP address.

    Args:
        names: Names; `*.NAME` admits all names below one, `*` any name.
    """

    def __init__(self, names: frozenset[str] = frozenset()) -> None:
        self.names = names
        self._is_any = "*" in names
        self._exact = frozenset(name for name in names if not name.startswith("*")) | {LOCAL}
        suffixes = [name.removeprefix("*") for name in names if name.startswith("*.")]
        self._suffixes = (f".{LOCAL}", *suffixes)
        self._known: set[bytes] = set()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads names that are separated by commas or spaces.

        Raises:
            ValueError: One is no name.
        """
        names = text.replace(",", " ").split()
        for name in names:
            if name != "*" and (len(name) > 253 or _NAME.fullmatch(name) is None):
                raise ValueError(
                    f"{name[:60]!r} is no name of a host; say names without port or scheme, such as "
                    "concord.example.com, *.example.com"
                )
        return cls(frozenset(name.lower().rstrip(".") for name in names))

    def admit(self, host: bytes | None) -> bool:
        """Whether a request with this `Host` is answered; browsers always send one.

        Args:
            host: The header as it was sent; None without one.
        """
        if host is None or self._is_any or host in self._known:
            return True
        if not self._is_admitted(host):
            return False
        if len(self._known) < MOST_KEPT:
            self._known.add(host)
        return True

    def _is_admitted(self, host: bytes) -> bool:
        match = _HOST.fullmatch(host.decode("latin-1").strip())
        if match is None:
            return False
        name = match["host"].lower().removesuffix(".")
        return name in self._exact or name.endswith(self._suffixes) or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
