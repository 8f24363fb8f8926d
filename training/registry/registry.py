"""MLflow as training asks it: one client, with its errors as sentences, and what is read with it.

A version's number is an int in SQLite and a text over REST; here it is a text.
"""

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import mlflow
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from sqlalchemy.exc import SQLAlchemyError

from concord.errors import ServiceAway, TrainingError
from concord.util.private_files import make_folder
from concord.util.sqlite_files import sqlite_url
from concord.util.urls import masked
from training.data.provenance import DATA_FILE, ROWS_FILE, Provenance
from training.registry.database import ARTIFACTS, make_database, registry_file, sqlite_file
from training.registry.versions import (
    ALIAS,
    DIGEST_TAG,
    PROFILE_FILE,
    RECIPE_TAG,
    SCHEMA_TAG,
    URI_VARIABLE,
    VersionFiles,
    first_line,
    is_final,
    register_again,
)

MOST_METRICS = 800
"""Metrics in one call: MLflow takes 1,000 metrics, parameters and tags together."""

_REFERENCES = frozenset({"models", "runs"})
"""Schemes of sources that MLflow itself looks up."""

MOST_TAG_CHARACTERS = 5000
"""Characters that MLflow keeps of a tag."""


@dataclass(frozen=True)
class Champion:
    """The version of a model that is served.

    Attributes:
        version: Its number, as a text.
        run_id: The run that made it; empty for a model from elsewhere.
        digest: SHA-256 of its ONNX file as the registry states it; empty for a model from elsewhere.
    """

    version: str
    run_id: str = ""
    digest: str = ""


def tracking_uri(home: Path) -> str:
    """`MLFLOW_TRACKING_URI` if it is set, or a SQLite file in the home folder."""
    return os.environ.get(URI_VARIABLE) or sqlite_url(registry_file(home))


def has_registry(home: Path) -> bool:
    """Whether there is a registry to read; a SQLite file that is missing is made by opening it."""
    file = registry_file(home)
    return tracking_uri(home) != sqlite_url(file) or file.exists()


class Registry:
    """MLflow, at `MLFLOW_TRACKING_URI` or below the home folder.

    Args:
        home: Concord's home folder.

    Raises:
        TrainingError: It cannot be reached, or is no registry.
    """

    def __init__(self, home: Path) -> None:
        self.home, self.uri = home, tracking_uri(home)
        make_folder(home)
        # Its log lines ("Successfully registered …") would tear the progress bar.
        for name in ("mlflow", "alembic", "urllib3"):
            logging.getLogger(name).setLevel(logging.ERROR)
        # Seven retries, MLflow's own number, keep a person waiting for minutes at a wrong address.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        # Of each request, or of a pause within it; MLflow's own limit is two minutes.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        self.select()
        try:
            file = sqlite_file(self.uri)
            if file is not None:
                make_database(file)
            self.client = mlflow.MlflowClient(self.uri)
            self.client.search_experiments(max_results=1)
        except (MlflowException, SQLAlchemyError, OSError) as error:
            raise TrainingError(
                f"The registry {masked(self.uri)} cannot be opened: {first_line(error)} "
                f"Check {URI_VARIABLE}, or move the file away.",
                field=URI_VARIABLE,
            ) from error

    def select(self) -> None:
        """Makes it the registry of MLflow's functions that take none."""
        # MLflow keeps its choice for the process, and in the environment too, where the next reader
        # would take it for the user's.
        stated = os.environ.get(URI_VARIABLE)
        mlflow.set_tracking_uri(self.uri)
        if stated is None:
            os.environ.pop(URI_VARIABLE, None)

    @contextmanager
    def translate_errors(self, subject: str) -> Iterator[None]:
        """Turns what MLflow raises within into a sentence about the subject.

        Raises:
            TrainingError: MLflow refused or cannot be reached.
        """
        try:
            yield
        except (MlflowException, SQLAlchemyError, OSError) as error:
            raise TrainingError(
                f"{subject}: the registry {masked(self.uri)} does not serve: {first_line(error)} "
                f"Check {URI_VARIABLE}.",
                field=URI_VARIABLE,
            ) from error

    def champions(self) -> dict[str, Champion]:
        """Registered name → champion, for every model that has one.

        Raises:
            TrainingError: MLflow refused or cannot be reached.
        """
        with self.translate_errors("all models"):
            models = self.client.search_registered_models(max_results=1000, order_by=["name"])
            return {model.name: self._champion(model.name) for model in models if ALIAS in model.aliases}

    def fetch(self, model: str, number: str | None = None) -> VersionFiles | None:
        """A version of a registered name; None where it carries no schema.

        Args:
            model: Registered name.
            number: The version's number; None for the champion.

        Raises:
            ServiceAway: MLflow does not hand it out.
            TrainingError: Its run or file is gone, or it is something of others that no node can serve.
        """
        self.select()
        try:
            version = (
                self.client.get_model_version_by_alias(model, ALIAS)
                if number is None
                else self.client.get_model_version(model, number)
            )
            if SCHEMA_TAG not in version.tags:
                return None
            _check_scheme(model, version.source or "")
            folder = Path(mlflow.artifacts.download_artifacts(f"models:/{model}/{version.version}"))
            file = next(folder.glob("*.onnx"), None)
            if file is None:
                raise TrainingError(
                    f"{model}, version {version.version}, holds no ONNX file, and nodes serve nothing else. "
                    f"Convert the model, as skl2onnx does for scikit-learn. {register_again(model)}",
                    field=model,
                )
            return VersionFiles.read(version, file.read_bytes(), self._profile(version.run_id))
        except (MlflowException, OSError) as error:
            is_for_good = is_final(error) or isinstance(error, FileNotFoundError)
            kind = TrainingError if is_for_good else ServiceAway
            raise kind(
                f"{model}: the registry {masked(self.uri)} does not hand out its "
                f"{'champion' if number is None else f'version {number}'}: "
                f"{first_line(error)}"
            ) from error

    def learned_rows(self, run_id: str) -> tuple[tuple[Provenance, ...], frozenset[bytes]]:
        """What a run's model learned from, and the hash of each row; both empty for a model from elsewhere.

        Raises:
            TrainingError: MLflow refused or cannot be reached.
        """
        origins = self.origins(run_id)
        with self.translate_errors(run_id):
            if not origins or ROWS_FILE not in self._artifacts(run_id):
                return (), frozenset()
            lines = mlflow.artifacts.load_text(f"runs:/{run_id}/{ROWS_FILE}").split()
        return origins, frozenset(bytes.fromhex(line) for line in lines)

    def origins(self, run_id: str) -> tuple[Provenance, ...]:
        """The sources that a run's model learned from; none for a model from elsewhere.

        Raises:
            TrainingError: MLflow refused or cannot be reached.
        """
        self.select()
        with self.translate_errors(run_id):
            if DATA_FILE not in self._artifacts(run_id):
                return ()
            document = mlflow.artifacts.load_dict(f"runs:/{run_id}/{DATA_FILE}")
        return tuple(Provenance(**source) for source in document["sources"])

    def recipe(self, model: str) -> dict[str, Any] | None:
        """The settings that the champion is built of, where a benchmark found it.

        Raises:
            TrainingError: MLflow refused or cannot be reached.
        """
        with self.translate_errors(model):
            tags = self.client.get_model_version_by_alias(model, ALIAS).tags
        try:
            return dict(json.loads(tags[RECIPE_TAG])) if RECIPE_TAG in tags else None
        except (ValueError, TypeError) as error:
            raise TrainingError(
                f"{model}: the tag {RECIPE_TAG} of its champion is no JSON object. Remove it in MLflow.",
                field=model,
            ) from error

    def experiment(self, name: str) -> str:
        """The id of the experiment of this name, which is made if there is none."""
        experiment = self.client.get_experiment_by_name(name)
        if experiment is not None:
            return str(experiment.experiment_id)
        # A server keeps artifacts where it was told to; the default registry keeps them beside its file.
        folder = (self.home / ARTIFACTS / name).absolute().as_uri() if self.uri.startswith("sqlite") else None
        try:
            return str(self.client.create_experiment(name, artifact_location=folder))
        except MlflowException as error:
            # Another process has made it meanwhile.
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return self.experiment(name)

    def create_run(self, experiment: str, tags: Mapping[str, str]) -> str:
        """Begins a run in the experiment of this name, and returns its id."""
        return str(self.client.create_run(self.experiment(experiment), tags=dict(tags)).info.run_id)

    def log(
        self,
        run_id: str,
        *,
        metrics: Mapping[str, float] | None = None,
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Writes metrics of step 0, parameters and tags of a run."""
        now = time.time_ns() // 1_000_000
        values = [Metric(name, value, now, 0) for name, value in (metrics or {}).items()]
        self.client.log_batch(
            run_id,
            metrics=values[:MOST_METRICS],
            params=[Param(name, text) for name, text in (params or {}).items()],
            tags=[RunTag(name, text[:MOST_TAG_CHARACTERS]) for name, text in (tags or {}).items()],
        )
        for start in range(MOST_METRICS, len(values), MOST_METRICS):
            self.client.log_batch(run_id, metrics=values[start : start + MOST_METRICS])

    def _champion(self, model: str) -> Champion:
        version = self.client.get_model_version_by_alias(model, ALIAS)
        return Champion(str(version.version), version.run_id or "", version.tags.get(DIGEST_TAG, ""))

    def _artifacts(self, run_id: str | None) -> set[str]:
        return {artifact.path for artifact in self.client.list_artifacts(run_id)} if run_id else set()

    def _profile(self, run_id: str | None) -> dict[str, Any] | None:
        if PROFILE_FILE not in self._artifacts(run_id):
            return None
        profile: dict[str, Any] = mlflow.artifacts.load_dict(f"runs:/{run_id}/{PROFILE_FILE}")
        return profile


def _check_scheme(model: str, source: str) -> None:
    """Checks that files at this address can be read here at all, by a scheme that MLflow knows."""
    if urlsplit(source).scheme in _REFERENCES:
        return
    try:
        get_artifact_repository(source)
    except (MlflowException, ImportError) as error:
        raise TrainingError(
            f"{model}: its file at {masked(source)} cannot be read here: {first_line(error)} "
            f"{register_again(model)}",
            field=model,
        ) from error
