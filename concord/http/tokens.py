"""Access tokens of the HTTP API: their rights, and the file that holds their hashes.

    [tokens.crm]
    sha256 = "9f86d081884c7d65…"
    predicts = ["loan_default"]      # or ["*"]
    labels = ["loan_default"]        # or ["*"]
    reads = true
    administers = false
    expires = 2027-03-01T00:00:00Z   # without it, never

A token is 32 random bytes, so a plain SHA-256 is enough: it cannot be guessed, and a slow hash would
only slow the service. A caller's token is compared with every entry in constant time. The file is read
again when it has changed, since a mounted Secret is updated in place. A file that becomes invalid changes
nothing; one that is deleted takes all tokens away and opens nothing that was closed. Logs, messages and
metrics show a token's name, never the token.
"""

import hashlib
import hmac
import logging
import math
import secrets
import time
import tomllib
from collections.abc import Iterable
from dataclasses import field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import (
    AwareDatetime,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    ValidationError,
)
from pydantic.dataclasses import dataclass

from concord.errors import ConfigurationError, Forbidden, Unauthorized
from concord.util.file_versions import file_version

ALL_TASKS: Final = "*"
"""In a token's tasks: every task there is and will be."""

TOKEN_BYTES: Final = 32
"""256 random bits, as many as the hash has."""

_FORMS: Final = {
    "name": "letters, digits, _ and -, at most 64",
    "sha256": "the 64 hex digits of the token's hash",
    "predicts": 'a list of tasks\' names, or ["*"] for every task',
    "labels": 'a list of tasks\' names, or ["*"] for every task',
    "reads": "true or false",
    "administers": "true or false",
    "expires": "a time with its zone (RFC 3339), such as 2027-03-01T00:00:00Z",
}
"""What each field of a token holds."""

_log = logging.getLogger(__name__)


def _without_numbers(value: object) -> object:
    """A time, or the text of one: pydantic would take a number for seconds since the epoch."""
    if isinstance(value, str):
        return datetime.fromisoformat(value)
    if value is None or isinstance(value, datetime):
        return value
    raise ValueError(_FORMS["expires"])


TaskNames = frozenset[Annotated[str, Field(pattern=r"^(\*|\w{1,64})$")]]
Expiry = Annotated[AwareDatetime | None, BeforeValidator(_without_numbers)]


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid", hide_input_in_errors=True))
class Token:
    """A token's name and its rights.

    Attributes:
        name: A TOML key without quotes; the source of its labels in the journal.
        sha256: Hash of the token, in hex.
        labels: The tasks that it may label, or `*`.
        reads: Whether it may read rounds.
        administers: Whether it may release nodes, move stake and decide about versions; it reads rounds too.
        predicts: The tasks that it may ask where predictions need a token, or `*`.
        expires: The moment from which on it is refused; None: never.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
    sha256: Annotated[str, StringConstraints(to_lower=True, pattern="^[0-9a-fA-F]{64}$")] = field(repr=False)
    labels: TaskNames = frozenset()
    reads: StrictBool = False
    administers: StrictBool = False
    predicts: TaskNames = frozenset()
    expires: Expiry = None

    def __post_init__(self) -> None:
        if not (self.predicts or self.labels or self.reads or self.administers):
            raise ValueError(
                "it may do nothing: say which tasks it predicts or labels, or that it reads or administers"
            )

    def may_predict(self, task: str) -> bool:
        """Whether it may ask a task where predictions need a token."""
        return ALL_TASKS in self.predicts or task in self.predicts

    def may_label(self, task: str) -> bool:
        """Whether it may label rounds of a task."""
        return ALL_TASKS in self.labels or task in self.labels

    @property
    def rights(self) -> str:
        """Its rights in words."""
        rights = [f"predicts {_in_words(self.predicts)}"] if self.predicts else []
        rights += [f"labels {_in_words(self.labels)}"] if self.labels else []
        rights += ["reads rounds"] if self.reads else []
        rights += ["administers"] if self.administers else []
        return " and ".join(rights)

    def has_expired(self, now: datetime) -> bool:
        """Whether it is refused by that time."""
        return self.expires is not None and self.expires <= now


class Tokens:
    """The tokens of a file, read again whenever it changes.

    Args:
        path: The file; if there is none, there are no tokens.
        trust_seconds: How long a token that was found is found again without a look at the file.

    Raises:
        ConfigurationError: The file exists and is invalid.
    """

    def __init__(self, path: Path, trust_seconds: float = 0) -> None:
        self._path = path
        self._trust_seconds = trust_seconds
        self._looked_at = -math.inf
        self._found: dict[str, Token] = {}
        self._version = file_version(path)
        self._tokens = load(path) if self._version else ()
        self._guarded = guards(self._tokens)

    @property
    def are_off(self) -> bool:
        """Whether there are no tokens, so that whatever needs one is off."""
        self._refresh()
        return not self._tokens

    @property
    def guard_rounds(self) -> bool:
        """Whether some token has the right to read rounds, even one that has expired."""
        self._refresh()
        return self._guarded

    def bearer(self, authorization: str | None) -> Token:
        """The token in a request's `Authorization` header.

        Raises:
            Forbidden: There are no tokens.
            Unauthorized: The header has no token, an unknown one, or one that has expired.
        """
        secret = _secret_in(authorization)
        token = self._find(secret) if secret else None
        if token is None and self.are_off:
            raise Forbidden(
                "This service has no tokens, so nobody does what needs one. An operator makes one: "
                "concord tokens add NAME --labels TASK.",
                code="tokens_off",
            )
        if secret is None:
            raise Unauthorized(
                "This needs a token: send the header 'Authorization: Bearer TOKEN' "
                "(the command line takes it from CONCORD_TOKEN).",
                field="authorization",
            )
        if token is None:
            raise Unauthorized(
                "This token is not known here. `concord tokens list` shows an operator which are.",
                field="authorization",
            )
        if token.expires is not None and token.has_expired(datetime.now(UTC)):
            raise Unauthorized(
                f"Token {token.name} expired at {token.expires.isoformat()}. An operator makes another one: "
                "concord tokens add NAME --expires 90d.",
                field="authorization",
                code="expired_token",
            )
        return token

    def recognize(self, authorization: str | None) -> Token | None:
        """The token in the header if it is known and has not expired: who asks where nobody has to say so."""
        secret = _secret_in(authorization)
        token = self._find(secret) if secret else None
        return None if token is None or token.has_expired(datetime.now(UTC)) else token

    def _find(self, secret: str) -> Token | None:
        """The token, by the file as it is now or was a moment ago."""
        if time.monotonic() - self._looked_at < self._trust_seconds:
            known = self._found.get(secret)
            if known is not None:
                return known
        self._refresh()
        token = self._match(hash_of(secret))
        if token is not None and self._trust_seconds:
            self._found[secret] = token
        return token

    def _match(self, digest: str) -> Token | None:
        # Every entry is compared, so that the time does not depend on which one matches.
        matches = [token for token in self._tokens if hmac.compare_digest(digest, token.sha256)]
        return matches[0] if matches else None

    def _refresh(self) -> None:
        """Reads the file again if it has changed."""
        self._looked_at = time.monotonic()
        self._found.clear()
        version = file_version(self._path)
        if version == self._version:
            return
        # Before reading, so that an invalid file is reported once and tried again when it changes.
        self._version = version
        try:
            fresh = load(self._path) if version else ()
        except ConfigurationError as error:
            _log.error("tokens not read", extra={"reason": error.message})
            return
        if version is None:
            _log.warning("tokens gone", extra={"file": str(self._path)})
        self._tokens = fresh
        self._guarded = guards(fresh) if version else self._guarded


def make() -> str:
    """A new random token."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def make_entry(name: str, secret: str, **rights: Any) -> Token:  # noqa: ANN401 - `Token` checks them
    """The entry of a token in the file.

    Raises:
        ConfigurationError: Its name or a right is invalid, or it has no right.
    """
    try:
        return Token(name=name, sha256=hash_of(secret), **rights)
    except ValidationError as error:
        field_name, problem = _problem(error)
        raise ConfigurationError(f"Token {name[:70]!r}: {problem}.", field=field_name) from error


def hash_of(token: str) -> str:
    """The hash that is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def load(path: Path) -> tuple[Token, ...]:
    """Reads a tokens' file.

    Raises:
        ConfigurationError: It cannot be read, is no TOML, or has an invalid entry.
    """
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise _wrong(path, f"it cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        # Without the decoder's message, which may quote a token that was put in the file by mistake.
        raise _wrong(path, "it is no TOML") from error
    entries = document.get("tokens", {})
    if not isinstance(entries, dict) or document.keys() - {"tokens"}:
        raise _wrong(path, "it holds sections [tokens.NAME] and nothing else")
    tokens = tuple(_read(path, name, entry) for name, entry in entries.items())
    names: dict[str, str] = {}
    for token in tokens:
        if other := names.get(token.sha256):
            raise _wrong(path, f"tokens.{other} and tokens.{token.name} are the same token")
        names[token.sha256] = token.name
    return tokens


def render(tokens: Iterable[Token]) -> str:
    """The text of a tokens' file."""
    lines = ["# Hashes of tokens and what each may do; `concord tokens` writes this file."]
    for token in tokens:
        lines += ["", f"[tokens.{token.name}]", f'sha256 = "{token.sha256}"']
        for right, tasks in (("predicts", token.predicts), ("labels", token.labels)):
            names = ", ".join(f'"{task}"' for task in sorted(tasks))
            lines += [f"{right} = [{names}]"] if names else []
        lines += [f"{name} = true" for name in ("reads", "administers") if getattr(token, name)]
        lines += [f"expires = {token.expires.isoformat()}"] if token.expires else []
    return "\n".join(lines) + "\n"


def guards(tokens: Iterable[Token]) -> bool:
    """Whether one of these tokens has the right to read rounds."""
    return any(token.reads or token.administers for token in tokens)


def _in_words(tasks: frozenset[str]) -> str:
    return "every task" if ALL_TASKS in tasks else ", ".join(sorted(tasks))


def _secret_in(authorization: str | None) -> str | None:
    """The secret of a header `Bearer SECRET`; None where it has none."""
    scheme, _, secret = (authorization or "").strip().partition(" ")
    return (secret.strip() or None) if scheme.lower() == "bearer" else None


def _read(path: Path, name: str, entry: object) -> Token:
    if not isinstance(entry, dict) or "name" in entry:
        raise _wrong(path, f"tokens.{name[:64]} is no section of {', '.join(list(_FORMS)[1:])}")
    try:
        return Token(name=name, **entry)
    except ValidationError as error:
        raise _wrong(path, f"tokens.{name[:64]}: {_problem(error)[1]}") from error


def _problem(error: ValidationError) -> tuple[str, str]:
    """Field and description of the first problem, without the value, which may be a token."""
    details = error.errors(include_input=False, include_url=False)[0]
    if not details["loc"]:
        return "rights", str(details["ctx"]["error"])
    name = str(details["loc"][0])
    if name in _FORMS:
        return name, f"{name} must be {_FORMS[name]}"
    return name, f"{name[:64]!r} is not known; {', '.join(_FORMS)} are"


def _wrong(path: Path, problem: str) -> ConfigurationError:
    return ConfigurationError(f"The tokens' file {path}: {problem}.", field="CONCORD_TOKENS")
