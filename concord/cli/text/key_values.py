"""A row as `key=value` arguments: reading what was typed, and showing what to type."""

import os
import shlex
from collections.abc import Container, Mapping, Sequence
from unicodedata import normalize

from concord.errors import InvalidInput
from concord.tasks.schema import TaskSchema
from concord.tasks.values import Row, read_value
from concord.util.suggest import did_you_mean

LINE_WIDTH = 72
"""Columns of a command that is shown to be copied."""


def read_pairs(schema: TaskSchema, pairs: Sequence[str]) -> Row:
    """Reads `key=value` arguments into a row.

    Raises:
        InvalidInput: Names the key: unknown (and which was probably meant), missing, twice, or a bad value.
    """
    features = {feature.name: feature for feature in schema.features}
    row: dict[str, float | str] = {}
    for pair in pairs:
        name, text = _split(pair, features)
        if text is None:
            example = format_pairs(schema.example)[0]
            raise InvalidInput(f"{pair!r} is no key=value; an example is {example}.", field=pair)
        if name not in features:
            hint = did_you_mean(name, list(features)) or f" It takes {', '.join(features)}."
            raise InvalidInput(f"{schema.task} has no {name!r}.{hint}", field=name)
        if name in row:
            raise InvalidInput(f"{name} is given twice.", field=name)
        row[name] = read_value(features[name], text)
    missing = [name for name in features if name not in row]
    if missing:
        raise InvalidInput(
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing. "
            f"`concord predict {schema.task}` shows what each key means.",
            field=missing[0],
        )
    return {name: row[name] for name in features}


def _split(pair: str, names: Container[str]) -> tuple[str, str | None]:
    """Key and value, which may both have a `=`: at the last one before which a feature's name stands.

    Where no feature's name stands before one, the key ends at the first; without any there is no value.
    """
    parts = pair.split("=")
    for place in range(len(parts) - 1, 0, -1):
        name = normalize("NFC", "=".join(parts[:place]).strip())
        if name in names:
            return name, "=".join(parts[place:])
    return normalize("NFC", parts[0].strip()), "=".join(parts[1:]) if len(parts) > 1 else None


def format_pairs(row: Mapping[str, float | str]) -> list[str]:
    """A row as `key=value` arguments."""
    return [
        f"{name}={value}" if isinstance(value, str) else f"{name}={value:.10g}" for name, value in row.items()
    ]


def predict_command(task: str, row: Mapping[str, float | str]) -> list[str]:
    """`concord predict` for a row, in lines that a shell takes."""
    lines, line = [], f"{command_prefix()}concord predict {task}"
    for pair in map(shlex.quote, format_pairs(row)):
        if len(line) + len(pair) > LINE_WIDTH:
            lines.append(f"{line} \\")
            line = "   "
        line = f"{line} {pair}"
    return [*lines, line]


def command_prefix() -> str:
    """`uv run `, where that is how this command was started."""
    return "uv run " if os.environ.get("UV") else ""
