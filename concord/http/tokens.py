"""Who may label, read and administer: named tokens, of which only hashes are kept.

    [tokens.crm]
    sha256 = "9f86d081884c7d65…"
    labels = ["loan_default"]        # or ["*"]
    reads = true
    administers = false

A token is 32 random bytes, so its plain SHA-256 is enough: nobody guesses it, and a slow hash would
only slow the service. What a caller shows is compared with every entry in constant time. The file
is read again when it has changed, since a mounted Secret is updated in place. A file that has become
wrong changes nothing; one that is gone takes all tokens away and opens nothing that was closed. A
token reaches no log, message or metric, its name does.
"""

import hashlib
import hmac
import logging
import re
import secrets
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from concord.errors import ConfigurationError, Forbidden, Unauthorized

ALL_TASKS: Final = "*"
"""In a token's labels: every task there is and will be."""

TOKEN_BYTES: Final = 32
"""256 random bits, as many as the hash has."""

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""A token's name: a TOML key without quotes, and the source of its labels in the journal."""

_HASH: Final = re.compile(r"[0-9a-f]{64}")
_TASK: Final = re.compile(r"\w{1,64}")
_FIELDS: Final = {"sha256", "labels", "reads", "administers"}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Token:
    """A token's name and what it may.

    Attributes:
        name: Whose it is; the source of its labels.
        sha256: Hash of the token, in hex.
        labels: The tasks that it may label, or `*`.
        reads: Whether it reads rounds.
        administers: Whether it releases nodes and moves stake.
    """

    name: str
    sha256: str = field(repr=False)
    labels: frozenset[str] = frozenset()
    reads: bool = False
    administers: bool = False

    def may_label(self, task: str) -> bool:
        """Whether it may label rounds of a task."""
        return ALL_TASKS in self.labels or task in self.labels

    @property
    def rights(self) -> str:
        """What it may, in words."""
        labels = "every task" if ALL_TASKS in self.labels else ", ".join(sorted(self.labels))
        found = [f"labels {labels}"] if labels else []
        found += ["reads rounds"] if self.reads else []
        found += ["administers"] if self.administers else []
        return " and ".join(found) or "does nothing"


class Tokens:
    """The tokens of a file, as it is now.

    Args:
        path: The file; without one there are no tokens.

    Raises:
        ConfigurationError: The file is there and wrong.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._version = _version(path)
        self._tokens = load(path) if self._version else ()
        self._guarded = guards(self._tokens)

    @property
    def are_off(self) -> bool:
        """Whether there is no token, so that nobody labels or administers."""
        self._refresh()
        return not self._tokens

    @property
    def guard_rounds(self) -> bool:
        """Whether rounds are read with a token only: some token's right it is."""
        self._refresh()
        return self._guarded

    def bearer(self, authorization: str | None) -> Token:
        """The token that a request shows in its `Authorization` header.

        Raises:
            Forbidden: There are no tokens.
            Unauthorized: It shows none, or one that is not known.
        """
        if self.are_off:
            raise Forbidden(
                "This service has no tokens, so nobody labels or administers. An operator makes one: "
                "concord tokens add NAME --labels TASK.",
                code="tokens_off",
            )
        scheme, _, shown = (authorization or "").strip().partition(" ")
        if scheme.lower() != "bearer" or not shown.strip():
            raise Unauthorized(
                "This needs a token: send the header 'Authorization: Bearer TOKEN' "
                "(the command line takes it from CONCORD_TOKEN).",
                field="authorization",
            )
        found = self._find(shown.strip())
        if found is None:
            raise Unauthorized(
                "This token is not known here. `concord tokens list` shows an operator which are.",
                field="authorization",
            )
        return found

    def _find(self, shown: str) -> Token | None:
        digest, found = hash_of(shown), None
        for token in self._tokens:
            # All of them, whether or not one has fitted: the time must tell nothing.
            if hmac.compare_digest(digest, token.sha256):
                found = token
        return found

    def _refresh(self) -> None:
        """Reads the file again if it is another one than before."""
        version = _version(self._path)
        if version == self._version:
            return
        # Also where it cannot be read: it is tried again when it changes, and reported once.
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
    """A new token."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def hash_of(token: str) -> str:
    """The hash that is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def load(path: Path) -> tuple[Token, ...]:
    """Reads a tokens' file.

    Raises:
        ConfigurationError: It cannot be read, is no TOML, or an entry says what it may not.
    """
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise _wrong(path, f"it cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        # Not in the decoder's own words: they may quote what somebody took for the place of a token.
        raise _wrong(path, "it is no TOML") from error
    entries = document.get("tokens", {})
    if not isinstance(entries, dict) or document.keys() - {"tokens"}:
        raise _wrong(path, "it holds sections [tokens.NAME] and nothing else")
    found = tuple(_read(path, name, entry) for name, entry in entries.items())
    _check_apart(path, found)
    return found


def render(tokens: Iterable[Token]) -> str:
    """The text of a tokens' file."""
    lines = ["# Hashes of tokens and what each may do; `concord tokens` writes this file."]
    for token in tokens:
        labels = ", ".join(f'"{task}"' for task in sorted(token.labels))
        lines += ["", f"[tokens.{token.name}]", f'sha256 = "{token.sha256}"']
        lines += [f"labels = [{labels}]"] if labels else []
        lines += [f"{name} = true" for name in ("reads", "administers") if getattr(token, name)]
    return "\n".join(lines) + "\n"


def guards(tokens: Iterable[Token]) -> bool:
    """Whether with these tokens rounds are read with one only: some token's right it is."""
    return any(token.reads or token.administers for token in tokens)


def check(token: Token) -> None:
    """Refuses a name that cannot be written, a task that is none, and a token that may do nothing.

    Raises:
        ConfigurationError: Says what is wrong.
    """
    if NAME.fullmatch(token.name) is None:
        raise ConfigurationError(
            f"A token's name is made of letters, digits, _ and -, at most 64, not {token.name[:70]!r}.",
            field="name",
        )
    odd = next((task for task in token.labels if task != ALL_TASKS and not _TASK.fullmatch(task)), None)
    if odd is not None:
        raise ConfigurationError(f"{odd[:70]!r} is no task's name; '*' means every task.", field="labels")
    if not (token.labels or token.reads or token.administers):
        raise ConfigurationError(
            f"Token {token.name} may do nothing: say which tasks it labels, or that it reads or administers.",
            field="labels",
        )


def _read(path: Path, name: str, entry: object) -> Token:
    if not isinstance(entry, Mapping):
        raise _wrong(path, f"tokens.{name[:64]} is no section")
    unknown = sorted(entry.keys() - _FIELDS)
    if unknown:
        raise _wrong(path, f"tokens.{name[:64]}: {unknown[0][:64]!r} is not known; {', '.join(_FIELDS)} are")
    sha256, labels = entry.get("sha256"), entry.get("labels", [])
    if not isinstance(sha256, str) or _HASH.fullmatch(sha256.lower()) is None:
        raise _wrong(path, f"tokens.{name[:64]}: sha256 must be the 64 hex digits of the token's hash")
    if not isinstance(labels, list) or not all(isinstance(task, str) for task in labels):
        raise _wrong(path, f'tokens.{name[:64]}: labels must be a list of tasks, or ["*"]')
    token = Token(
        name,
        sha256.lower(),
        frozenset(labels),
        _flag(path, entry, name, "reads"),
        _flag(path, entry, name, "administers"),
    )
    try:
        check(token)
    except ConfigurationError as error:
        raise _wrong(path, error.message.rstrip(".")) from error
    return token


def _flag(path: Path, entry: Mapping[str, Any], name: str, right: str) -> bool:
    value = entry.get(right, False)
    if not isinstance(value, bool):
        raise _wrong(path, f"tokens.{name[:64]}: {right} must be true or false")
    return value


def _check_apart(path: Path, tokens: Iterable[Token]) -> None:
    seen: dict[str, str] = {}
    for token in tokens:
        if token.sha256 in seen:
            raise _wrong(path, f"tokens.{seen[token.sha256]} and tokens.{token.name} are the same token")
        seen[token.sha256] = token.name


def _version(path: Path) -> tuple[int, int, int] | None:
    """What changes when the file does; None without one. A link is followed: Secrets are mounted as such."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError:
        return (0, 0, 0)
    return found.st_mtime_ns, found.st_ino, found.st_size


def _wrong(path: Path, what: str) -> ConfigurationError:
    return ConfigurationError(f"The tokens' file {path}: {what}.", field="CONCORD_TOKENS")
