"""What a person types or a spreadsheet holds, as the values that a task's schema admits.

Texts become numbers here and nowhere else: the service takes numbers only. What is wrong is said
in the typer's own words, and the schema's `Feature.read` decides what is admitted, as it does for
every request.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final
from unicodedata import normalize

from concord.cli.screen import near
from concord.errors import InvalidInput
from concord.schema import Feature, TaskSchema

Row = dict[str, float | str]

NUMBER: Final = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
"""A number as JSON has it; `1 000`, `3,5` and `inf` are none."""

WHOLE: Final = re.compile(r"[-+]?\d{1,18}", re.ASCII)


def read_pairs(schema: TaskSchema, pairs: Sequence[str]) -> Row:
    """Reads `key=value` arguments into a row.

    Raises:
        InvalidInput: Names the key: unknown (and which was probably meant), missing, twice, or a bad value.
    """
    features = {feature.name: feature for feature in schema.features}
    row: Row = {}
    for pair in pairs:
        typed, sign, text = pair.partition("=")
        name = normalize("NFC", typed.strip())
        if not sign:
            raise InvalidInput(f"{pair!r} is no key=value; an example is {_example(schema)}.", field=pair)
        if name not in features:
            known = ", ".join(features)
            hint = near(name, list(features)) or f" It takes {known}."
            raise InvalidInput(f"{schema.task} has no {name!r}.{hint}", field=name)
        if name in row:
            raise InvalidInput(f"{name} is given twice.", field=name)
        row[name] = read_value(features[name], text)
    missing = [feature for feature in schema.features if feature.name not in row]
    if missing:
        raise InvalidInput(
            f"{', '.join(one.name for one in missing)} {'is' if len(missing) == 1 else 'are'} missing. "
            f"`concord predict {schema.task}` shows what each key means.",
            field=missing[0].name,
        )
    return {feature.name: row[feature.name] for feature in schema.features}


def read_value(feature: Feature, text: str) -> float | str:
    """One typed value.

    Raises:
        InvalidInput: It is not what the feature admits.
    """
    text = normalize("NFC", text.strip())
    value = text if feature.kind == "choice" else _number(feature, text)
    try:
        feature.read(value)
    except InvalidInput as error:
        hint = near(text, feature.choices) if feature.kind == "choice" else ""
        raise InvalidInput(f"{error.message}{hint}", field=feature.name) from None
    return value


def describe(feature: Feature) -> str:
    """What a feature admits, in words."""
    if feature.kind == "choice":
        return " | ".join(feature.choices)
    kind = "whole number, " if feature.kind == "integer" else ""
    return kind + feature.range_text


def plain(value: float | str) -> str:
    """A value as one would type it."""
    return value if isinstance(value, str) else f"{value:.10g}"


def pairs(row: Mapping[str, float | str]) -> list[str]:
    """A row as `key=value` arguments."""
    return [f"{name}={plain(value)}" for name, value in row.items()]


def _number(feature: Feature, text: str) -> float:
    if not text:
        raise InvalidInput(f"{feature.name} is empty; it takes {describe(feature)}.", field=feature.name)
    if WHOLE.fullmatch(text):
        return int(text)
    if NUMBER.fullmatch(text):
        return float(text)
    comma = f" Write {text.replace(',', '.')}." if NUMBER.fullmatch(text.replace(",", ".", 1)) else ""
    raise InvalidInput(
        f"{feature.name} takes {describe(feature)}, and {text[:40]!r} is no number.{comma}",
        field=feature.name,
    )


def _example(schema: TaskSchema) -> str:
    return pairs(schema.example)[0]
