"""Settings of algorithms, declared once: what may be chosen, and what is tried first.

A declaration is both the optimiser's range and the default, so neither can be forgotten. Settings
are plain JSON: they are stored in a database, in MLflow and with a registered model, and a model can
be built again from them years later.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import Trial

SettingValue = str | int | float | bool | None
SearchSettings = Mapping[str, SettingValue]
"""One model's settings: `algorithm`, and each of its settings by name."""

ALGORITHM = "algorithm"


@dataclass(frozen=True)
class IntRange:
    """A whole number in `low`..`high`."""

    default: int
    low: int
    high: int
    log: bool = False

    @property
    def distribution(self) -> BaseDistribution:
        """As the optimiser keeps it."""
        return IntDistribution(self.low, self.high, log=self.log)

    def draw(self, trial: Trial, name: str) -> None:
        """Has the optimiser choose."""
        trial.suggest_int(name, self.low, self.high, log=self.log)


@dataclass(frozen=True)
class FloatRange:
    """A number in `low`..`high`, by its logarithm unless stated."""

    default: float
    low: float
    high: float
    log: bool = True

    @property
    def distribution(self) -> BaseDistribution:
        """As the optimiser keeps it."""
        return FloatDistribution(self.low, self.high, log=self.log)

    def draw(self, trial: Trial, name: str) -> None:
        """Has the optimiser choose."""
        trial.suggest_float(name, self.low, self.high, log=self.log)


@dataclass(frozen=True)
class OneOf:
    """One of some values; the first is the default."""

    choices: tuple[SettingValue, ...]

    @property
    def default(self) -> SettingValue:
        """What is tried first."""
        return self.choices[0]

    @property
    def distribution(self) -> BaseDistribution:
        """As the optimiser keeps it."""
        return CategoricalDistribution(self.choices)

    def draw(self, trial: Trial, name: str) -> None:
        """Has the optimiser choose."""
        trial.suggest_categorical(name, self.choices)


Setting = IntRange | FloatRange | OneOf


def digest(settings: SearchSettings) -> str:
    """SHA-256 in hex; the same settings have the same, in whatever order they stand.

    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def settings_text(settings: SearchSettings) -> str:
    """Settings for a table: short, without the algorithm.

    >>> settings_text({"algorithm": "knn", "n_neighbors": 15, "C": 0.123456})
    'n_neighbors 15, C 0.123'
    """
    return ", ".join(f"{name} {_short(value)}" for name, value in settings.items() if name != ALGORITHM)


def _short(value: SettingValue) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
