"""What a request carries beside rows: query parameters and fields of a body, each with its JSON Schema."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from concord.errors import InvalidInput

Schema = dict[str, Any]
"""A JSON Schema."""

MOST_HEIGHT: Final = 10**15
"""Upper bound of heights; a JSON number holds it exactly."""

FLAG: Final[Schema] = {"type": "string", "enum": ["true", "false"]}
"""Of a parameter that `Request.flag` reads."""

TIME: Final[Schema] = {"type": "string", "format": "date-time"}
"""Of a parameter that `time_param` reads."""

CURSOR: Final[Schema] = {"type": "string", "pattern": "^[0-9a-f]{1,14}-[0-9a-f]{32}$"}
"""Of the journal's cursor from one page to the next."""


def object_schema(properties: Mapping[str, Schema], required: Sequence[str]) -> Schema:
    """Of an object that has these fields and no others."""
    return {
        "type": "object",
        "required": list(required),
        "additionalProperties": False,
        "properties": dict(properties),
    }


def int_schema(most: int = MOST_HEIGHT) -> Schema:
    """Of a parameter that `int_param` reads."""
    return {"type": "integer", "minimum": 1, "maximum": most}


def whole_number(text: str) -> int:
    """The number of up to 16 digits; -1 for another text."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 16 else -1


def int_param(params: Mapping[str, str], name: str, *, default: int, most: int = MOST_HEIGHT) -> int:
    """An integer parameter.

    Raises:
        InvalidInput: It is no integer, or out of bounds.
    """
    text = params.get(name)
    if text is None:
        return default
    number = whole_number(text)
    if not 1 <= number <= most:
        raise InvalidInput(f"{name} must be a whole number from 1 to {most}.", field=name)
    return number


def time_param(query: Mapping[str, str], name: str) -> int | None:
    """A time parameter in µs since the epoch; None where it is absent.

    Raises:
        InvalidInput: It is no time, or has no zone.
    """
    text = query.get(name)
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise InvalidInput(f"{name} is a time with its zone, such as 2026-01-31T09:00:00Z.", field=name)
    return int(time.timestamp() * 1_000_000)


def before_param(query: Mapping[str, str], height: int) -> int:
    """The parameter `before`, a height below which blocks are read; just above the newest unless given.

    Args:
        query: The parameters.
        height: Of the newest block.
    """
    return min(int_param(query, "before", default=height + 1), height + 1)
