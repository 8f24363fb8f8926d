"""Which versions of a model there are, and which is served next: the registry's side, where no service runs.

The alias `champion` names the version that the next `concord up` packages and serves; the tag
`concord.previous` of the registered model the one before, so that one command goes back. A fit writes it
too. The tag is written before the alias is moved and removed when a rollback is through, so that whatever
step fails, the same command again ends it. What runs is not touched here: the consensus service does that.
"""

import logging
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from concord.errors import Conflict, InvalidInput, TrainingError, UnknownName
from concord.util.urls import masked
from training.registry.champions import DATABASE, tracking_uri
from training.registry.versions import (
    ALIAS,
    DIGEST_TAG,
    PREVIOUS_TAG,
    SCHEMA_TAG,
    URI_VARIABLE,
    first_line,
)

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel

# MLflow takes two seconds to import.
# ruff: noqa: PLC0415

PACKAGED: Final = "packaged"
"""In the tag: the version that the image carries, which this registry does not know."""

METRICS: Final = ("accuracy", "r2")
"""What a version is listed with: the first of them that its run has."""


@dataclass(frozen=True)
class Move:
    """What a promotion or a rollback came to.

    Attributes:
        model: Registered name.
        version: To be served; None for the packaged one.
        previous: What a rollback from it returns to: a version, `packaged`, or None.
    """

    model: str
    version: str | None
    previous: str | None


class Versions:
    """The versions of every registered model.

    Args:
        home: Concord's home folder, with the default registry.

    Raises:
        TrainingError: The registry does not serve.
    """

    def __init__(self, home: Path) -> None:
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        self.uri = tracking_uri(home)
        if self.uri == f"sqlite:///{(home / DATABASE).absolute()}" and not (home / DATABASE).exists():
            raise UnknownName(f"There is no registry in {home} yet. `concord train` makes one.")
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        for name in ("mlflow", "alembic", "urllib3"):
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            self._client: MlflowClient = MlflowClient(self.uri)
            found = self._client.search_registered_models(max_results=1000, order_by=["name"])
        except (MlflowException, OSError) as error:
            raise TrainingError(
                f"The registry {masked(self.uri)} does not serve: {first_line(error)} Check {URI_VARIABLE}.",
                field=URI_VARIABLE,
            ) from error
        self._models: dict[str, RegisteredModel] = {model.name: model for model in found}

    def listing(self) -> list[dict[str, Any]]:
        """Every model with its versions, the newest first."""
        return [
            {
                "model": name,
                "previous": model.tags.get(PREVIOUS_TAG),
                "versions": [self._describe(model, found) for found in self._versions(name)],
            }
            for name, model in self._models.items()
        ]

    def promote(self, model: str, version: str) -> Move:
        """Names a version champion, and keeps in mind which one was before.

        Raises:
            UnknownName: There is no such model or version.
            InvalidInput: The version is no node's.
            Conflict: It is the champion already.
        """
        found = self._find(model, version)
        if SCHEMA_TAG not in found.tags:
            raise InvalidInput(
                f"Version {version} of {model} carries no task's schema, so no node can serve it."
            )
        before = self._champion(model)
        if before == version:
            raise Conflict(f"Version {version} of {model} is the champion already.")
        if before is not None:
            self._client.set_registered_model_tag(model, PREVIOUS_TAG, before)
        self._client.set_registered_model_alias(model, ALIAS, version)
        return Move(model, version, before)

    def roll_back(self, model: str) -> Move:
        """Names the version champion that was served before; `settle` ends it.

        Raises:
            UnknownName: There is no such model.
            Conflict: Nothing was served before.
        """
        before = self._known(model).tags.get(PREVIOUS_TAG)
        if before is None:
            raise Conflict(f"There is no version of {model} to roll back to; it was not promoted since.")
        if before == PACKAGED:
            return Move(model, None, None)
        self._find(model, before)
        self._client.set_registered_model_alias(model, ALIAS, before)
        return Move(model, before, None)

    def settle(self, model: str) -> None:
        """Forgets what was served before, because it is served again."""
        if PREVIOUS_TAG in self._known(model).tags:
            self._client.delete_registered_model_tag(model, PREVIOUS_TAG)

    def _known(self, model: str) -> "RegisteredModel":
        if model not in self._models:
            near = get_close_matches(model, self._models, 1)
            hint = f"Did you mean {near[0]!r}?" if near else "`concord models list` shows what there is."
            raise UnknownName(
                f"There is no model {model!r} in the registry {masked(self.uri)}. {hint}",
                field="model",
            )
        return self._models[model]

    def _find(self, model: str, version: str) -> "ModelVersion":
        self._known(model)
        versions = {str(found.version): found for found in self._versions(model)}
        if version not in versions:
            raise UnknownName(
                f"{model} has no version {version}; it has {', '.join(sorted(versions, key=int))}.",
                field="version",
            )
        return versions[version]

    def _versions(self, model: str) -> "list[ModelVersion]":
        found = self._client.search_model_versions(f"name='{model}'", max_results=1000)
        return sorted(found, key=lambda one: int(one.version), reverse=True)

    def _champion(self, model: str) -> str | None:
        version = self._known(model).aliases.get(ALIAS)
        return None if version is None else str(version)

    def _describe(self, model: "RegisteredModel", found: "ModelVersion") -> dict[str, Any]:
        version = str(found.version)
        aliases = sorted(alias for alias, named in model.aliases.items() if str(named) == version)
        made = datetime.fromtimestamp(found.creation_timestamp / 1000, UTC)
        metric, value = self._metric(found.run_id)
        return {
            "version": version,
            "aliases": aliases,
            "created": made.isoformat(timespec="seconds"),
            "metric": metric,
            "value": value,
            "run_id": found.run_id or "",
            "digest": found.tags.get(DIGEST_TAG, ""),
        }

    def _metric(self, run_id: str | None) -> tuple[str | None, float | None]:
        from mlflow.exceptions import MlflowException

        try:
            metrics = self._client.get_run(run_id).data.metrics if run_id else {}
        except MlflowException:  # a run can be deleted, and its model lives on
            metrics = {}
        return next(((name, metrics[name]) for name in METRICS if name in metrics), (None, None))
