"""Fetches from the consensus service, for all pages.

All sessions of a page process share one connection to a server, which shows the visitors' token where there
is one. Tasks, nodes and schemas are cached for
seconds, so that twenty people on a page are one request to the service; errors are not cached.
"""

import hashlib
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import streamlit as st

from concord.client import Client, verdicts_of
from concord.errors import ConcordError, ConfigurationError, Refused
from concord.settings import Settings
from concord.tasks.schema import TaskSchema
from concord.tasks.values import Row
from concord.types.answers import Verdict
from concord.types.nodes import NodeView
from concord.types.tasks import TaskSummary

FRESH_SECONDS: Final = 3
"""How old a list of tasks or nodes may be. People notice a node's restart, not three seconds."""

SCHEMA_SECONDS: Final = 30
"""How old a schema may be; it changes with a training, and a 422 drops it at once."""

CLOSED: Final = frozenset({"unauthorized", "expired_token", "forbidden", "forbidden_task", "tokens_off"})
"""Codes of refusals that another token would help against."""

BUSY: Final = frozenset({"overloaded", "rate_limited"})
"""Codes of refusals that waiting helps against."""

LONGEST_TOKEN: Final = 512
"""Characters; those that `concord tokens add` makes have 43."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AnsweredRow:
    """A verdict, and the row that it is about; None once that was forgotten or has expired."""

    row: Row | None
    verdict: Verdict


@dataclass(frozen=True)
class Refusal:
    """Why there is no verdict.

    Attributes:
        code: The service's word for it (`no_quorum`, `invalid_input`, …) or `service_away`.
        message: The service's sentence.
        column: The column that it is about, if any.
        request_id: What the service's log calls the question.
        verdict: The round as the journal has it, which says what each node did.
    """

    code: str
    message: str
    column: str | None
    request_id: str
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Reader:
    """A connection to read with, and a key that keeps what it reads apart from what others may see.

    Attributes:
        client: With the session's token, if it has one.
        key: For caches, instead of the token; empty for what everybody may read.
    """

    client: Client
    key: str = ""


HASH_READER: Final[dict[str | type, Callable[[Reader], tuple[str, str]]]] = {
    Reader: lambda reader: (reader.client.url, reader.key)
}
"""For caches of functions that take a `Reader`: what they hold belongs to its service and its key."""


def connect(url: str) -> Client:
    """The connection to a server that all sessions share."""
    token = _visitor_token()
    digest = hashlib.sha256(token.encode()).hexdigest() if token else ""
    return _open_connection(url, digest, token)


# The cache's key has the token's hash instead of the token: another one opens another connection.
@st.cache_resource(show_spinner=False, on_release=Client.close)
def _open_connection(url: str, digest: str, _token: str | None) -> Client:
    assert bool(digest) == bool(_token), "It is the token's."
    return Client(url, token=_token)


def _visitor_token() -> str | None:
    """The token for visitors; None where its file cannot be read, which is logged for the operator."""
    try:
        token = Settings.read().page_visitor_secret
    except ConfigurationError as error:
        _log.error("visitor token not read", extra={"reason": error.message})
        return None
    return token if token and is_readable(token) else None


def is_readable(token: str) -> bool:
    """Whether a header can carry a token."""
    return 0 < len(token) <= LONGEST_TOKEN and token.isascii() and token.isprintable() and " " not in token


@st.cache_data(ttl=FRESH_SECONDS, show_spinner="…")
def list_tasks(url: str) -> list[TaskSummary]:
    """All tasks, a few seconds old at most."""
    return connect(url).tasks()


@st.cache_data(ttl=FRESH_SECONDS, show_spinner="…")
def list_nodes(url: str, task: str) -> list[NodeView]:
    """The nodes of a task, a few seconds old at most."""
    return connect(url).nodes(task)


@st.cache_data(ttl=SCHEMA_SECONDS, show_spinner="…")
def read_schema(url: str, task: str) -> TaskSchema:
    """A task's schema."""
    return connect(url).schema(task)


def clear_cache() -> None:
    """Drops what is cached."""
    list_tasks.clear()
    list_nodes.clear()
    read_schema.clear()


def predict(client: Client, task: str, row: Row) -> AnsweredRow | Refusal:
    """Asks all nodes of a task about one row."""
    request_id = f"page-{secrets.token_hex(8)}"
    try:
        return AnsweredRow(row, client.predict(task, [row], request_id=request_id).verdicts[0])
    except ConcordError as error:
        if error.code in ("invalid_input", "unknown_task"):
            clear_cache()
        verdicts = verdicts_of(error) if isinstance(error, Refused) else []
        verdict = verdicts[0] if verdicts else None
        return Refusal(error.code, error.message, _column(error.field), request_id, verdict)


def _column(field: str | None) -> str | None:
    """The column in an error's path: `rows[0].income` is about `income`."""
    return field.partition("].")[2] or field if field else None
