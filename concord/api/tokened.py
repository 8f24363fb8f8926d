"""The part of the OpenAPI document that asks for a token: labels and administration."""

from typing import Final

from concord.api.endpoints.administration import KEY, MOST_REASON, MOST_STAKE, REASON
from concord.api.operation import FLAG, REF, Operation, Schema, wire
from concord.types.answers import AccountView, FeedbackResponse

SCHEMES: Final[Schema] = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token that `concord tokens add` made.",
    }
}


def labelling(components: Schema) -> list[Operation]:
    """Feedback."""
    answer = wire(FeedbackResponse, components)
    label: Schema = {
        "type": "object",
        "required": ["id"],
        "additionalProperties": False,
        "properties": {
            "id": {"type": "string", "pattern": "^[0-9a-f]{32}$", "description": "The round's id."},
            "label": {
                "type": ["string", "number"],
                "description": "A class's name or number; of a regression the same as `value`.",
            },
            "value": {"type": "number", "description": "The value of a regression, in its unit."},
        },
        "oneOf": [{"required": ["label"]}, {"required": ["value"]}],
    }
    components["Label"] = label
    one = {"$ref": REF.format(model="Label")}
    many: Schema = {
        "type": "object",
        "required": ["labels"],
        "additionalProperties": False,
        "properties": {"labels": {"type": "array", "minItems": 1, "maxItems": 1000, "items": one}},
    }
    # Where no label was good there is the first one's error, beside what became of each.
    components["FeedbackRefusal"] = {
        "type": "object",
        "required": ["error"],
        "properties": {"error": {"type": "object"}, "labels": {"type": "array"}},
    }
    return [
        Operation(
            "post",
            "/v1/feedback",
            "Say what was true of rounds; the same again changes nothing",
            answer,
            (400, 401, 403, 404, 409, 410, 413, 415, 422, 503),
            {"settled": FLAG},
            {"anyOf": [many, one], "example": {"labels": [{"id": f"{5:032x}", "label": 1}]}},
            tag="labels",
            access="must",
            refusal="FeedbackRefusal",
        )
    ]


def administration(components: Schema) -> list[Operation]:
    """What operators do to nodes."""
    answer = wire(AccountView, components)
    key: Schema = {"type": "string", "pattern": KEY}
    amount: Schema = {"type": "number", "exclusiveMinimum": 0, "maximum": MOST_STAKE, "multipleOf": 0.000001}
    reason: Schema = {"type": "string", "maxLength": MOST_REASON, "pattern": REASON}

    def change(action: str, summary: str, name: str, schema: Schema, example: object) -> Operation:
        return Operation(
            "post",
            f"/v1/nodes/{{task}}/{{node}}/{action}",
            summary,
            answer,
            (400, 401, 403, 404, 409, 413, 415, 422, 503),
            body={
                "type": "object",
                "required": [name],
                "additionalProperties": False,
                "properties": {name: schema, "key": key},
                "example": {name: example},
            },
            tag="administration",
            access="must",
            headers={"idempotency-key": key},
        )

    return [
        change(
            "release",
            "Let a node that is jailed or in probation count again",
            "reason",
            reason,
            "Its features are in order again.",
        ),
        change("deposit", "Pay stake into a node's account", "amount", amount, 100),
        change("withdraw", "Take stake out of a node's account", "amount", amount, 100),
    ]
