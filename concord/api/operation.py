"""What the OpenAPI document is made of: operations, and references to the types of `concord.types.answers`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import TypeAdapter

Schema = dict[str, Any]
NeedsToken = Literal["no", "may", "must"]

REF: Final = "#/components/schemas/{model}"
FLAG: Final[Schema] = {"type": "string", "enum": ["true", "false"]}


@dataclass(frozen=True)
class Operation:
    """One method on one path."""

    method: str
    path: str
    summary: str
    answer: Schema
    errors: Sequence[int] = ()
    query: Mapping[str, Schema] | None = None
    body: Schema | None = None
    media_type: str = "application/json"
    tag: str = "predict"
    statuses: Sequence[int] = (200,)
    access: NeedsToken = "no"
    headers: Mapping[str, Schema] | None = None
    refusal: str = "Error"


def wire(model: type, components: Schema) -> Schema:
    """A reference to a wire type's schema, which is added to the components."""
    schema = TypeAdapter(model).json_schema(ref_template=REF, mode="serialization")
    components.update(schema.pop("$defs", {}))
    components[model.__name__] = schema
    return {"$ref": REF.format(model=model.__name__)}
