"""The declaration of an endpoint: method, path, handler, access right and OpenAPI operation.

Each module of `concord.api.endpoints` declares its endpoints beside their handlers; `concord.api.app`
routes them, and `concord.api.openapi` describes them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final, Literal, Protocol

from concord.api.params import Schema
from concord.api.rights import Right
from concord.http.application import Handler
from concord.http.request import Request, Response
from concord.tasks.schema import TaskSchema

REFERENCE: Final = "#/components/schemas/{model}"
"""Where the document keeps the schema of a type, by its name."""


TAGS: Final = {
    "predict": "Ask all nodes of a task.",
    "labels": "Say what was true.",
    "read": "Rounds, nodes, ledger, drift.",
    "models": "Versions of models: compare, try, promote, take back.",
    "administration": "What an operator does to nodes and stake.",
    "service": "Probes and metrics.",
    "open inference protocol": "The same predictions as clients of KServe, Triton and MLServer ask for them.",
}
"""The groups of operations, and what belongs in each."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An answer with one field, a list of values of a type."""

    name: str
    item: type


@dataclass(frozen=True)
class Operation:
    """What the OpenAPI document says of an endpoint beyond its method, path and access right.

    Attributes:
        summary: One line.
        answer: A type of `concord.types`, or the answer's JSON Schema.
        name: Its `operationId`, if that is not the handler's name; for each task it is the handler's and the
            task's.
        tag: The group that it is shown in.
        description: What the summary has no room for.
        errors: Statuses of errors that neither path, body nor access right imply.
        query: Parameter → JSON Schema; others are refused. None admits whatever a scraper adds.
        headers: Request header → JSON Schema.
        body: JSON Schema of the body, with an `example`; None without one.
        statuses: Statuses that come with the answer.
        media_type: Of the answer.
        refusal: Name of the component that describes the body of an error.
        components: Further schemas that the operation refers to, by name.
    """

    summary: str
    answer: type | Listed | Schema = field(default_factory=lambda: {"type": "object"})
    name: str = ""
    tag: str = "read"
    description: str = ""
    errors: Sequence[int] = ()
    query: Mapping[str, Schema] | None = field(default_factory=dict)
    headers: Mapping[str, Schema] = field(default_factory=dict)
    body: Schema | None = None
    statuses: Sequence[int] = (200,)
    media_type: str = "application/json"
    refusal: str = "Error"
    components: Mapping[str, Schema] = field(default_factory=dict)

    @property
    def has_query(self) -> bool:
        """Whether its handler reads parameters."""
        return self.query != {}


@dataclass(frozen=True, slots=True)
class PerTask:
    """An endpoint that is described once for each task, at the task's own path."""

    operation: Callable[[TaskSchema], Operation]
    has_query: ClassVar[bool] = True
    """It depends on the task's schema, so the handler checks."""


@dataclass(frozen=True, slots=True)
class Undocumented:
    """An endpoint that the OpenAPI document leaves out, and why."""

    reason: str
    has_query: ClassVar[bool] = False
    """Whether its handler reads parameters."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method on one path.

    Attributes:
        method: HTTP method; `GET` answers `HEAD` too.
        path: Template, such as `/v1/tasks/{task}`.
        handler: Answers it.
        operation: Its part of the OpenAPI document.
        needs: The right that a token must have; None where the endpoint is open.
    """

    method: Literal["GET", "POST"]
    path: str
    handler: Handler
    operation: Operation | PerTask | Undocumented
    needs: Right | None = None

    @property
    def checked_handler(self) -> Handler:
        """The handler, behind a check that a path without parameters is asked with none."""
        if self.operation.has_query:
            return self.handler

        async def handle(request: Request) -> Response:
            request.query()
            return await self.handler(request)

        return handle


class EndpointGroup(Protocol):
    """The endpoints of one module, over one service."""

    def endpoints(self) -> list[Endpoint]:
        """Declares them, the busiest first."""
        ...
