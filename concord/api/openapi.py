"""The OpenAPI document, built from the endpoints' declarations, with a path of its own for every task.

Answers are described from `concord.types`, rows from the tasks' schemas, so that the document says
of each task exactly which columns it takes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from pydantic import TypeAdapter

from concord.api.endpoint import REFERENCE, TAGS, Endpoint, Listed, Operation, PerTask
from concord.api.params import Schema, int_schema
from concord.api.rights import Right
from concord.tasks.schema import TaskSchema

_PATH_PARAMS: Final[Mapping[str, Schema]] = {"height": int_schema()}
_FIELD: Final[Schema] = {"type": ["string", "null"]}
_ERROR: Final[Schema] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "field"],
            "properties": {"code": {"type": "string"}, "message": {"type": "string"}, "field": _FIELD},
        }
    },
}
_SECURITY_SCHEMES: Final[Schema] = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token that `concord tokens add` made.",
    }
}
_FORMATS: Final = {"integer": "int64", "number": "double"}
_DATA: Final = frozenset({"example", "enum", "const", "default"})
"""Keys whose values are data and no schemas."""

_MEANINGS: Final = {
    400: "The body is no JSON.",
    401: "No token is shown, or one that is not known or has expired.",
    403: "The token may not do this, or the service has no tokens.",
    404: "There is nothing of that name.",
    409: "It contradicts what is there already.",
    410: "The round was answered too long ago.",
    413: "The body, or the number of rows, is over the limit.",
    415: "The body is not declared as JSON.",
    422: "A value is not as the schema says; `field` names it.",
    429: "Too many rows or pages wait, or this caller asks too much; `Retry-After` says when to come back.",
    503: "Below the quorum, or the journal is away.",
}


def build_document(
    endpoints: Iterable[Endpoint],
    schemas: Mapping[str, TaskSchema],
    version: str,
    *,
    is_open: Callable[[Right | None], bool],
) -> Schema:
    """The OpenAPI 3.1 document of endpoints.

    Args:
        endpoints: What is answered.
        schemas: The schemas of the tasks, by name.
        version: Of this software.
        is_open: Whether a right takes no token here.
    """
    components: Schema = {"Error": _ERROR}
    paths: dict[str, Schema] = {}
    for endpoint in endpoints:
        for path, name, operation in _list_operations(endpoint, schemas):
            described = {
                "operationId": name,
                **_describe(endpoint, path, operation, components, is_open=is_open(endpoint.needs)),
            }
            paths.setdefault(path, {})[endpoint.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Concord",
            "version": version,
            "description": "Several models answer one question; this service answers with their consensus.",
        },
        "tags": [{"name": tag, "description": text} for tag, text in TAGS.items()],
        "paths": _simplify(paths),
        "components": {"schemas": _simplify(components), "securitySchemes": _SECURITY_SCHEMES},
    }


def _list_operations(
    endpoint: Endpoint, schemas: Mapping[str, TaskSchema]
) -> Iterator[tuple[str, str, Operation]]:
    """The paths under which an endpoint is described, each with the operation and its name."""
    handler = getattr(endpoint.handler, "__name__", "")
    if isinstance(endpoint.operation, Operation):
        yield endpoint.path, endpoint.operation.name or handler, endpoint.operation
    elif isinstance(endpoint.operation, PerTask):
        for task, schema in schemas.items():
            yield endpoint.path.format(task=task), f"{handler}_{task}", endpoint.operation.operation(schema)


def _describe(
    endpoint: Endpoint, path: str, operation: Operation, components: Schema, *, is_open: bool
) -> Schema:
    components.update(operation.components)
    described: Schema = {
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": _describe_parameters(path, operation),
        "responses": _describe_responses(endpoint, path, operation, components),
    }
    if operation.description:
        described["description"] = operation.description
    if endpoint.needs is not None:
        described["security"] = [{}, {"token": []}] if is_open else [{"token": []}]
    if operation.body is not None:
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": _describe_body(operation.body)},
        }
    return described


def _describe_body(body: Schema) -> Schema:
    """Schema and example of a body; beside a reference in a schema many generators refuse an example."""
    return {
        "schema": {key: part for key, part in body.items() if key != "example"},
        "example": body["example"],
    }


def _describe_parameters(path: str, operation: Operation) -> list[Schema]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    in_path = {name: _PATH_PARAMS.get(name, {"type": "string"}) for name in names}
    sources = {"header": operation.headers, "query": operation.query or {}}
    return [
        *({"name": name, "in": "path", "required": True, "schema": in_path[name]} for name in names),
        *(
            {"name": name, "in": source, "schema": schema}
            for source, schemas in sources.items()
            for name, schema in schemas.items()
        ),
    ]


def _describe_responses(endpoint: Endpoint, path: str, operation: Operation, components: Schema) -> Schema:
    answer = {"schema": _describe_answer(operation, components)}
    error = {"schema": {"$ref": REFERENCE.format(model=operation.refusal)}}
    # Paths that take no query still refuse one, so that a misspelt parameter is not ignored.
    errors = {422, *operation.errors}
    errors |= {400, 413, 415} if operation.body is not None else set()
    errors |= {401, 403} if endpoint.needs is not None else set()
    errors |= {404} if "{" in path else set()
    return {
        str(status): {"description": "The answer.", "content": {operation.media_type: answer}}
        for status in operation.statuses
    } | {
        str(status): {"description": _MEANINGS[status], "content": {"application/json": error}}
        for status in sorted(errors)
    }


def _describe_answer(operation: Operation, components: Schema) -> Schema:
    answer = operation.answer
    if isinstance(answer, Listed):
        items = {"type": "array", "items": _add_component(answer.item, components)}
        return {"type": "object", "required": [answer.name], "properties": {answer.name: items}}
    return _add_component(answer, components) if isinstance(answer, type) else answer


def _add_component(model: type, components: Schema) -> Schema:
    """A reference to a type's schema, which is added to the components."""
    schema = TypeAdapter(model).json_schema(ref_template=REFERENCE, mode="serialization")
    components.update(schema.pop("$defs", {}))
    components[model.__name__] = schema
    return {"$ref": REFERENCE.format(model=model.__name__)}


def _simplify(part: Any) -> Any:  # noqa: ANN401 - any part of a document
    """A part of the document in words that generators of clients understand.

    Numbers state their size, since Go and Java take them for 32 bits otherwise, and the elements of an array
    have one schema. Examples are left as they are.
    """
    if isinstance(part, list):
        return [_simplify(element) for element in part]
    if not isinstance(part, dict):
        return part
    simple = {key: value if key in _DATA else _simplify(value) for key, value in part.items()}
    if prefix := simple.pop("prefixItems", None):
        kinds = {element["type"] for element in prefix}
        simple["items"] = _simplify({"type": "number" if kinds == {"integer", "number"} else kinds.pop()})
    kind = simple.get("type")
    if isinstance(kind, str) and kind in _FORMATS:
        simple.setdefault("format", _FORMATS[kind])
    return simple
