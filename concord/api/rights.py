"""Who may do what: the one table from which guards, OpenAPI document and `docs/security.md` are made.

An endpoint declares the right that it needs, or none. A right may be open to everybody by a setting; else it
takes a token, and the table says which ones have it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from concord.http.tokens import Token, Tokens
from concord.settings import Settings

Right = Literal["predict", "label", "read", "administer"]
Grant = Literal["predicts", "labels", "reads", "administers"]
"""What an entry of the tokens' file grants."""

HOLDERS: Final[Mapping[Right, frozenset[Grant]]] = {
    "predict": frozenset({"predicts"}),
    "label": frozenset({"labels"}),
    "read": frozenset({"reads", "administers"}),
    "administer": frozenset({"administers"}),
}
"""Right → the kinds of tokens that have it; of `predict` and `label` for the tasks that they name."""

SETTINGS: Final[Mapping[Right, str]] = {"predict": "CONCORD_PREDICT", "read": "CONCORD_READ"}
"""Right → the setting that opens it to everybody or closes it; the others are never open."""

GRANTS: Final[tuple[Grant, ...]] = ("predicts", "labels", "reads", "administers")


def may(token: Token, right: Right) -> bool:
    """Whether a token has a right, for some task where the right is one of tasks."""
    return any(getattr(token, kind) for kind in HOLDERS[right])


def expected_status(right: Right | None, kind: Grant | None, *, is_open: bool) -> int | None:
    """The status with which a caller is refused; None: it is answered.

    Args:
        right: What the endpoint needs.
        kind: What the caller's only right is; None without a token.
        is_open: Whether a setting has opened the right to everybody.
    """
    if right is None or is_open:
        return None
    if kind is None:
        return 401
    return None if kind in HOLDERS[right] else 403


@dataclass(frozen=True, slots=True)
class OpenRights:
    """Which rights everybody has.

    Attributes:
        settings: `predict_access` and `read_access` of them count.
        tokens: Decide about reading where the setting does not.
    """

    settings: Settings
    tokens: Tokens

    def includes(self, right: Right | None) -> bool:
        """Whether it takes no token."""
        if right == "predict":
            return self.settings.predict_access == "open"
        if right == "read":
            stated = self.settings.read_access
            return not self.tokens.guard_rounds if stated is None else stated == "open"
        return right is None

    def is_settled(self, right: Right | None) -> bool:
        """Whether it stays as it is while the service runs: settings do, tokens don't."""
        return right != "read" or self.settings.read_access is not None

    def is_optional(self, right: Right | None) -> bool:
        """Whether clients need show no token: where there are none, what takes one is off."""
        return self.includes(right) or self.tokens.are_off
