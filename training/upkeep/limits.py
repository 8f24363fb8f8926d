"""Limits of upkeep's decisions, in labelled rounds: the settings `CONCORD_UPKEEP_…`."""

from typing import Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from concord.errors import ConfigurationError

PREFIX = "CONCORD_UPKEEP_"


class UpkeepLimits(BaseSettings):
    """Labelled rounds after which upkeep acts."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    retrain_labels: int = Field(default=200, ge=1)
    """Labelled rounds since the champion was registered before a retraining because of drift. A fifth of
    them are test rows, and below 40 rows hardly any improvement can be distinguished from chance."""

    fresh_labels: int = Field(default=2000, ge=0)
    """Labelled rounds since the champion was registered that cause a retraining without any drift; 0: never.
    Ten times the above: without drift it may wait."""

    pause_labels: int = Field(default=200, ge=1)
    """Labelled rounds since a challenger was refused, dismissed or rolled back before the next retraining.
    On the same rows it would come out the same."""

    probation_labels: int = Field(default=60, ge=1)
    """Labelled rounds that both versions answered before a challenger is promoted. Twice what a comparison
    needs at least, since every caller is affected."""

    probation_most: int = Field(default=2000, ge=1)
    """Labelled rounds after which a challenger that was not shown better is dismissed. It costs the node as
    much time as the champion."""

    watch_labels: int = Field(default=300, ge=1)
    """Labelled rounds for which the former champion is asked beside a new one, ready to come back. Enough to
    see one wrong answer more in six."""

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.probation_most < self.probation_labels:
            raise ValueError("probation_most cannot be less than probation_labels")
        return self

    @classmethod
    def read(cls) -> Self:
        """Reads them from the environment.

        Raises:
            ConfigurationError: A variable has no valid value.
        """
        try:
            return cls()
        except ValidationError as error:
            first = error.errors()[0]
            name = PREFIX + "_".join(str(part) for part in first["loc"]).upper()
            raise ConfigurationError(f"{name.rstrip('_')}: {first['msg']}.", field=name) from error
