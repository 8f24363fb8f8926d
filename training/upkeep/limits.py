"""How many labels upkeep wants to see before it does something; settings of its own, `CONCORD_UPKEEP_…`."""

from typing import Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from concord.errors import ConfigurationError

PREFIX = "CONCORD_UPKEEP_"


class Limits(BaseSettings):
    """Settings of the decision."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    retrain_labels: int = Field(default=200, ge=1)
    """Labelled rounds since the champion was registered before a retraining that drift asks for. A fifth of
    them is judged on, and below 40 rows hardly any improvement is told from chance."""

    fresh_labels: int = Field(default=2000, ge=0)
    """Labelled rounds since the champion was registered that ask for a retraining without any drift; 0: none
    ever do. Ten times the above: what nothing points to may wait."""

    pause_labels: int = Field(default=200, ge=1)
    """Labelled rounds since a challenger was refused, dismissed or rolled back before the next retraining.
    On the same rows it would come out the same."""

    probation_labels: int = Field(default=60, ge=1)
    """Labelled rounds that both versions answered before a challenger is promoted. Twice what a comparison
    asks for at least: a decision that every caller feels."""

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
        """The environment's.

        Raises:
            ConfigurationError: A variable holds what it must not.
        """
        try:
            return cls()
        except ValidationError as error:
            first = error.errors()[0]
            name = PREFIX + "_".join(str(part) for part in first["loc"]).upper()
            raise ConfigurationError(f"{name.rstrip('_')}: {first['msg']}.", field=name) from error
