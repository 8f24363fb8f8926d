"""What the pages know of the consensus service, and how they ask it.

All sessions of one page process share one connection a server. What changes seldom is kept for
seconds, so that twenty people looking at a page are one question to the service. Failures are
never kept. A question that the service refuses is an answer too, a `Refusal`: the page has a
sentence for each.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import streamlit as st

from concord.client import Client, verdicts_of
from concord.errors import ConcordError, Refused
from concord.tasks.schema import TaskSchema
from concord.types.answers import Verdict
from concord.types.nodes import NodeView
from concord.types.tasks import TaskSummary

FRESH_SECONDS: Final = 3
"""How old a list of tasks or nodes may be. People notice a node's restart, not three seconds."""

SCHEMA_SECONDS: Final = 30
"""How old a schema may be; it changes with a training, and a 422 drops it at once."""

_WAIT = "…"

Row = Mapping[str, float | str]


@dataclass(frozen=True)
class Answer:
    """A verdict, and the row that it is about; None once that was forgotten or has expired."""

    row: Row | None
    verdict: Verdict


@dataclass(frozen=True)
class Refusal:
    """Why there is no verdict.

    Attributes:
        row: What was asked.
        code: The service's word for it (`no_quorum`, `invalid_input`, …) or `service_away`.
        message: The service's sentence.
        column: The column that it is about, if any.
        request_id: What the service's log calls the question.
        verdict: The round as the journal has it, which says what each node did.
    """

    row: Row
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


@st.cache_resource(show_spinner=False, on_release=Client.close)
def connect(url: str) -> Client:
    """The connection to a server, shared by all sessions."""
    return Client(url)


@st.cache_data(ttl=FRESH_SECONDS, show_spinner=_WAIT)
def tasks(url: str) -> list[TaskSummary]:
    """All tasks, a few seconds old at most."""
    return connect(url).tasks()


@st.cache_data(ttl=FRESH_SECONDS, show_spinner=_WAIT)
def nodes(url: str, task: str) -> list[NodeView]:
    """The nodes of a task, a few seconds old at most."""
    return connect(url).nodes(task)


@st.cache_data(ttl=SCHEMA_SECONDS, show_spinner=_WAIT)
def schema(url: str, task: str) -> TaskSchema:
    """A task's schema."""
    return connect(url).schema(task)


def forget() -> None:
    """Drops what is kept, so that the next look is a new one."""
    tasks.clear()
    nodes.clear()
    schema.clear()


def ask(url: str, task: str, row: Row) -> Answer | Refusal:
    """Asks all nodes of a task about one row."""
    client, request_id = connect(url), f"page-{secrets.token_hex(8)}"
    try:
        return Answer(row, client.predict(task, [row], request_id=request_id).verdicts[0])
    except ConcordError as error:
        if error.code in ("invalid_input", "unknown_task"):
            forget()
        verdicts = verdicts_of(error) if isinstance(error, Refused) else []
        verdict = verdicts[0] if verdicts else None
        return Refusal(row, error.code, error.message, _column(error.field), request_id, verdict)


def _column(field: str | None) -> str | None:
    """The column in an error's path: `rows[0].income` is about `income`."""
    return field.partition("].")[2] or field if field else None
