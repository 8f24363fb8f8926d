"""Access tokens: who may label, read and administer, by hashes in a TOML file.

    [tokens.crm]
    sha256 = "9f86d081884c7d65…"
    labels = ["loan_default"]        # or ["*"]
    reads = true
    administers = false

A token is 32 random bytes and cannot be guessed, so its plain SHA-256 is enough. It is compared with every
entry in constant time. The file is read again when it has changed, since a mounted Secret is updated in
place. A file that has become wrong changes nothing; without the file there are no tokens, and what needed one
still does. A token reaches no log, message or metric; its name does.
"""

import hashlib
import hmac
import logging
import re
import secrets
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from concord.errors import ConfigurationError, Forbidden, Unauthorized

ALL_TASKS: Final = "*"
"""In a token's labels: every task there is and will be."""

TOKEN_BYTES: Final = 32
"""256 random bits, as many as the hash has."""

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""A token's name: a TOML key without quotes, and the source of its labels in the journal."""

_TASK: Final = re.compile(r"\w{1,64}")
_MUST_BE: Final = {
    "sha256": "the 64 hex digits of the token's hash",
    "labels": 'a list of tasks, or ["*"]',
    "reads": "true or false",
    "administers": "true or false",
}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Token:
    """A token's name, hash and rights.

    Attributes:
        name: Its name, which is the source of its labels.
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
        """Its rights in words."""
        labels = "every task" if ALL_TASKS in self.labels else ", ".join(sorted(self.labels))
        rights = [f"labels {labels}"] if labels else []
        rights += ["reads rounds"] if self.reads else []
        rights += ["administers"] if self.administers else []
        return " and ".join(rights) or "does nothing"


class _TokenEntry(BaseModel):
    """A section of the file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    sha256: str = Field(pattern="^[0-9a-fA-F]{64}$")
    labels: frozenset[str] = Field(default=frozenset(), strict=False)
    reads: bool = False
    administers: bool = False


class _TokensFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    tokens: dict[str, _TokenEntry] = {}


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
        """Whether there is no token, so that no caller labels or administers."""
        self._refresh()
        return not self._tokens

    @property
    def guard_rounds(self) -> bool:
        """Whether reading rounds needs a token, because some token has the right to."""
        self._refresh()
        return self._guarded

    def bearer(self, authorization: str | None) -> Token:
        """The token that a request shows in its `Authorization` header.

        Raises:
            Forbidden: There are no tokens.
            Unauthorized: It shows none, or an unknown one.
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
        token = self._find(shown.strip())
        if token is None:
            raise Unauthorized(
                "This token is not known here. `concord tokens list` shows an operator which are.",
                field="authorization",
            )
        return token

    def _find(self, shown: str) -> Token | None:
        digest, match = hash_of(shown), None
        for token in self._tokens:
            # All of them, even after a match: the time must not depend on it.
            if hmac.compare_digest(digest, token.sha256):
                match = token
        return match

    def _refresh(self) -> None:
        """Reads the file again if it has changed."""
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
        ConfigurationError: It cannot be read, is no TOML, or has an entry that is not allowed.
    """
    try:
        file = _TokensFile.model_validate(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise _wrong(path, f"it cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        # Not in the decoder's own words: they may quote a token in the wrong place.
        raise _wrong(path, "it is no TOML") from error
    except ValidationError as error:
        raise _wrong(path, _reason(error)) from None
    tokens = tuple(
        Token(name, entry.sha256.lower(), entry.labels, entry.reads, entry.administers)
        for name, entry in file.tokens.items()
    )
    try:
        for token in tokens:
            check(token)
    except ConfigurationError as error:
        raise _wrong(path, error.message.rstrip(".")) from error
    _check_distinct(path, tokens)
    return tokens


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
    """Whether with these tokens reading rounds needs one, because some token has the right to."""
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


def _reason(error: ValidationError) -> str:
    """What is wrong with a file, without its values: one of them may be a token in the wrong place."""
    first = error.errors(include_input=False)[0]
    path = [str(part)[:64] for part in first["loc"]]
    if len(path) < 2 or path[0] != "tokens":
        return "it holds sections [tokens.NAME] and nothing else"
    section = f"tokens.{path[1]}"
    if len(path) == 2:
        return f"{section} is no section"
    if first["type"] == "extra_forbidden":
        return f"{section}: {path[2]!r} is not known; {', '.join(_MUST_BE)} are"
    return f"{section}: {path[2]} must be {_MUST_BE[path[2]]}"


def _check_distinct(path: Path, tokens: Iterable[Token]) -> None:
    names: dict[str, str] = {}
    for token in tokens:
        if token.sha256 in names:
            raise _wrong(path, f"tokens.{names[token.sha256]} and tokens.{token.name} are the same token")
        names[token.sha256] = token.name


def _version(path: Path) -> tuple[int, int, int] | None:
    """Changes when the file does; None without a file. Links are followed: Secrets are mounted as such."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    except OSError:
        return (0, 0, 0)
    return stat.st_mtime_ns, stat.st_ino, stat.st_size


def _wrong(path: Path, what: str) -> ConfigurationError:
    return ConfigurationError(f"The tokens' file {path}: {what}.", field="CONCORD_TOKENS")
