"""The part of the OpenAPI document about models' versions: what is listed, compared and decided."""

from typing import Final

from concord.api.endpoints.administration import MOST_REASON, REASON
from concord.api.endpoints.models import VERSION
from concord.api.operation import Operation, Schema, wire
from concord.types.models import Appointed, Comparison, ModelView

_ERRORS: Final = (400, 401, 403, 404, 409, 413, 415, 422, 503)


def versioned(components: Schema) -> list[Operation]:
    """`/v1/models`."""
    items = {"type": "array", "items": wire(ModelView, components)}
    listed = {"type": "object", "required": ["models"], "properties": {"models": items}}
    return [
        Operation("get", "/v1/models", "The versions that nodes serve and try", listed, tag="models"),
        Operation(
            "get",
            "/v1/models/{name}/compare",
            "Champion and challenger on the same labelled rounds",
            wire(Comparison, components),
            (401, 403, 404, 409, 503),
            {"since": {"type": "string", "format": "date-time"}},
            tag="models",
            access="may",
        ),
        *_decisions(components),
    ]


def _decisions(components: Schema) -> list[Operation]:
    answer = wire(Appointed, components)
    version: Schema = {"type": "string", "pattern": VERSION}
    seen = {"anyOf": [version, {"type": "null"}]}
    why: Schema = {"type": "string", "maxLength": MOST_REASON, "pattern": REASON}
    expect: Schema = {
        "type": "object",
        "required": ["champion", "challenger"],
        "additionalProperties": False,
        "properties": {"champion": seen, "challenger": seen},
    }

    def decision(action: str, summary: str, *required: str, named: bool = False) -> Operation:
        return Operation(
            "post",
            f"/v1/models/{{name}}/{action}",
            summary,
            answer,
            _ERRORS,
            body={
                "type": "object",
                "required": [*required, "why"],
                "additionalProperties": False,
                "properties": {**({"version": version} if named else {}), "why": why, "expect": expect},
                "example": {**({"version": "9"} if named else {}), "why": "It was retrained on newer rows."},
            },
            tag="models",
            statuses=(202,),
            access="must",
        )

    return [
        decision(
            "challenge", "Have a version answer beside the champion, for nothing", "version", named=True
        ),
        decision("promote", "Make a version champion, and watch the old one beside it", named=True),
        decision("rollback", "Make the version before champion again"),
        decision("dismiss", "Have the challenger leave"),
    ]
