"""Which versions a registered model has, and which one is served next, where no service runs.

The alias `champion` names the version that is packaged, unless the ledger has appointed another; the tag
`concord.previous` of the registered model names the one before, for a rollback. The tag is written before
the alias is moved, and removed after a rollback, so after a failure the same command can be repeated.
"""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException

from concord.errors import Conflict, InvalidInput, UnknownName
from concord.util.suggest import did_you_mean
from concord.util.urls import masked
from training.registry.registry import Registry, has_registry
from training.registry.versions import ALIAS, DIGEST_TAG, PREVIOUS_TAG, SCHEMA_TAG, register_again

PACKAGED: Final = "packaged"
"""In the tag: the version that the image carries, which this registry does not know."""

METRICS: Final = ("accuracy", "r2")
"""What a version is listed with: the first of them that its run has."""


@dataclass(frozen=True)
class AliasChange:
    """What a promotion or a rollback changed.

    Attributes:
        model: Registered name.
        version: To be served; None for the packaged one.
        previous: What a rollback from it returns to: a version, `packaged`, or None.
        digest: SHA-256 of the version's file, as the registry states it; None for the packaged one.
        is_moved: Whether the alias named another version before.
    """

    model: str
    version: str | None
    previous: str | None
    digest: str | None = None
    is_moved: bool = True


class RegisteredModels:
    """The versions of every registered model.

    Args:
        home: Concord's home folder, with the default registry.

    Raises:
        UnknownName: There is no registry yet.
        TrainingError: The registry does not serve.
    """

    def __init__(self, home: Path) -> None:
        if not has_registry(home):
            raise UnknownName(f"There is no registry in {home} yet. `concord train` makes one.")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        self._registry = Registry(home)
        self._client = self._registry.client
        with self._registry.translate_errors("all models"):
            models = self._client.search_registered_models(max_results=1000, order_by=["name"])
        self._models: dict[str, RegisteredModel] = {model.name: model for model in models}

    def to_json(self) -> list[dict[str, Any]]:
        """Every model with its versions, the newest first."""
        return [
            {
                "model": name,
                "previous": model.tags.get(PREVIOUS_TAG),
                "versions": [self._version_to_json(model, version) for version in self._versions(name)],
            }
            for name, model in self._models.items()
        ]

    def promote(self, model: str, version: str) -> AliasChange:
        """Names a version champion, and notes which one was before.

        Raises:
            UnknownName: There is no such model or version.
            InvalidInput: The version is no node's.
        """
        tags = self._version(model, version).tags
        for tag, what in ((SCHEMA_TAG, "task's schema"), (DIGEST_TAG, "digest of its file")):
            if tag not in tags:
                raise InvalidInput(
                    f"Version {version} of {model} carries no {what}, so no node can serve it. "
                    f"{register_again(model)}"
                )
        previous = self.champion(model)
        if previous == version:
            return AliasChange(
                model, version, self._model(model).tags.get(PREVIOUS_TAG), tags[DIGEST_TAG], is_moved=False
            )
        if previous is not None:
            self._client.set_registered_model_tag(model, PREVIOUS_TAG, previous)
        self._client.set_registered_model_alias(model, ALIAS, version)
        return AliasChange(model, version, previous, tags[DIGEST_TAG])

    def roll_back(self, model: str) -> AliasChange:
        """Names the version champion that was served before; `settle` ends it.

        Raises:
            UnknownName: There is no such model.
            Conflict: Nothing was served before.
        """
        previous = self._model(model).tags.get(PREVIOUS_TAG)
        if previous is None:
            raise Conflict(f"There is no version of {model} to roll back to; it was not promoted since.")
        if previous == PACKAGED:
            return AliasChange(model, None, None)
        digest = self._version(model, previous).tags.get(DIGEST_TAG)
        self._client.set_registered_model_alias(model, ALIAS, previous)
        return AliasChange(model, previous, None, digest)

    def settle(self, model: str) -> None:
        """Forgets what was served before, because it is served again."""
        if PREVIOUS_TAG in self._model(model).tags:
            self._client.delete_registered_model_tag(model, PREVIOUS_TAG)

    def champion(self, model: str) -> str | None:
        """The version that the alias names, if there is one."""
        version = self._model(model).aliases.get(ALIAS)
        return None if version is None else str(version)

    def _model(self, model: str) -> RegisteredModel:
        if model not in self._models:
            hint = did_you_mean(model, [*self._models]) or " `concord models list` shows what there is."
            raise UnknownName(
                f"There is no model {model!r} in the registry {masked(self._registry.uri)}.{hint}",
                field="model",
            )
        return self._models[model]

    def _version(self, model: str, number: str) -> ModelVersion:
        self._model(model)
        versions = {str(version.version): version for version in self._versions(model)}
        if number not in versions:
            raise UnknownName(
                f"{model} has no version {number}; it has {', '.join(sorted(versions, key=int))}.",
                field="version",
            )
        return versions[number]

    def _versions(self, model: str) -> list[ModelVersion]:
        versions = self._client.search_model_versions(f"name='{model}'", max_results=1000)
        return sorted(versions, key=lambda version: int(version.version), reverse=True)

    def _version_to_json(self, model: RegisteredModel, version: ModelVersion) -> dict[str, Any]:
        number = str(version.version)
        created = datetime.fromtimestamp(version.creation_timestamp / 1000, UTC)
        metric, value = self._metric(version.run_id)
        return {
            "version": number,
            "aliases": sorted(alias for alias, named in model.aliases.items() if str(named) == number),
            "created": created.isoformat(timespec="seconds"),
            "metric": metric,
            "value": value,
            "run_id": version.run_id or "",
            "digest": version.tags.get(DIGEST_TAG, ""),
        }

    def _metric(self, run_id: str | None) -> tuple[str | None, float | None]:
        try:
            metrics = self._client.get_run(run_id).data.metrics if run_id else {}
        except MlflowException:  # a run can be deleted, and its model lives on
            metrics = {}
        return next(((name, metrics[name]) for name in METRICS if name in metrics), (None, None))
