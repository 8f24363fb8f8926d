"""What a task's rules make of cells that say nothing, so that such rows can be asked too.

The rules come with the training profile: training fills a cell, or leaves its row out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from concord.tasks.csv_dialect import CsvDialect
from concord.tasks.numbers import read_number
from concord.tasks.profile import TrainingProfile
from concord.tasks.schema import Feature
from concord.tasks.values import InvalidValue


@dataclass(frozen=True, slots=True)
class EmptyRule:
    """The rule of a feature.

    Attributes:
        unknown: Numbers that mean unknown; such a cell is empty.
        fill: What an empty cell is read as; None: no row without it can be asked.
    """

    unknown: frozenset[float | str] = frozenset()
    fill: float | str | None = None

    def applies(self, text: str, value: float | str | InvalidValue, dialect: CsvDialect) -> bool:
        """Whether a cell says nothing."""
        if isinstance(value, InvalidValue) and value.kind == "empty":
            return True
        return bool(self.unknown) and read_number(text.strip(), dialect) in self.unknown

    def read(self, feature: Feature, text: str) -> float | str | InvalidValue:
        """What such a cell is read as."""
        return InvalidValue("empty", feature, text) if self.fill is None else self.fill


NO_RULES: Final[Mapping[str, EmptyRule]] = MappingProxyType({})


def rules_of(profile: TrainingProfile) -> dict[str, EmptyRule]:
    """The rules of the features that have one."""
    rules = {}
    for column in profile.features:
        fill: float | str | None = column.fill
        if column.fill is not None and column.choices:
            fill = column.choices[int(column.fill)]
        if column.unknown or fill is not None:
            rules[column.name] = EmptyRule(column.unknown, fill)
    return rules
