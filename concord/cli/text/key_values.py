"""A row as `key=value` arguments: how one types it, and how it is shown to be typed again."""

from collections.abc import Mapping, Sequence
from unicodedata import normalize

from concord.errors import InvalidInput
from concord.tasks.schema import TaskSchema
from concord.tasks.values import Row, read_value
from concord.util.suggest import did_you_mean


def read_pairs(schema: TaskSchema, pairs: Sequence[str]) -> Row:
    """Reads `key=value` arguments into a row.

    Raises:
        InvalidInput: Names the key: unknown (and which was probably meant), missing, twice, or a bad value.
    """
    features = {feature.name: feature for feature in schema.features}
    row: dict[str, float | str] = {}
    for pair in pairs:
        typed, sign, text = pair.partition("=")
        name = normalize("NFC", typed.strip())
        if not sign:
            raise InvalidInput(f"{pair!r} is no key=value; an example is {_example(schema)}.", field=pair)
        if name not in features:
            known = ", ".join(features)
            hint = did_you_mean(name, list(features)) or f" It takes {known}."
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


def plain(value: float | str) -> str:
    """A value as one would type it."""
    return value if isinstance(value, str) else f"{value:.10g}"


def pairs(row: Mapping[str, float | str]) -> list[str]:
    """A row as `key=value` arguments."""
    return [f"{name}={plain(value)}" for name, value in row.items()]


def _example(schema: TaskSchema) -> str:
    return pairs(schema.example)[0]
