"""Downloads of registered versions in a pod, with mlflow-skinny.

While MLflow does not serve, requests are repeated for a limited time; what MLflow does not have is an error
at once.
"""

import json
import logging
import os
import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from concord.errors import ConcordError, ServiceAway, TrainingError
from concord.util.urls import masked
from training.registry.versions import (
    PROFILE_FILE,
    SCHEMA_TAG,
    URI_VARIABLE,
    VersionFiles,
    first_line,
    is_final,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient

# MLflow takes a second to import, which a node with its packaged version does not need.
# ruff: noqa: PLC0415

PATIENCE_SECONDS: Final = 60.0
"""Time limit for MLflow to serve; kubelet tries again after that, less and less often."""

FIRST_PAUSE_SECONDS: Final = 0.5
LAST_PAUSE_SECONDS: Final = 8.0

REFERENCE: Final = re.compile(
    r"(?:models:/(?P<model>[^/@]+)/?(?=[@\d]))?(?:(?P<number>\d+)|@(?P<alias>[\w-]+))"
)
"""`8`, `@champion`, `models:/iris.knn/8` or `models:/iris.knn@champion`."""

_log = logging.getLogger(__name__)


class RegistrySource:
    """MLflow's registry, whose requests are repeated while it does not serve.

    Args:
        uri: Its address.
        seconds: Time limit, over all requests together.
        pause: Sleeps.
    """

    def __init__(
        self, uri: str, seconds: float = PATIENCE_SECONDS, pause: Callable[[float], None] = time.sleep
    ) -> None:
        # Its own seven retries would take minutes, and each of its requests waits for two.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        import mlflow

        logging.getLogger("mlflow").setLevel(logging.ERROR)
        logging.getLogger("urllib3").setLevel(logging.ERROR)
        mlflow.set_tracking_uri(uri)
        self._client: MlflowClient = mlflow.MlflowClient(uri)
        # As messages name it.
        self._uri, self._end, self._pause = masked(uri), time.monotonic() + seconds, pause
        self._seconds = seconds

    def resolve(self, model: str, reference: str) -> str:
        """The version that a reference means, as a number."""
        match = REFERENCE.fullmatch(reference)
        assert match is not None, "`read_desired` has checked it."
        if match["number"]:
            return match["number"]
        alias = match["alias"]
        resolved = self._retry(
            model,
            lambda: self._client.get_model_version_by_alias(model, alias),
            f"{model} has no version with the alias {alias!r}.",
        )
        return str(resolved.version)

    def fetch(self, model: str, version: str, digest: str) -> VersionFiles:
        """Downloads a version and checks it.

        Args:
            model: Registered name.
            version: Its number.
            digest: SHA-256 of the file that was appointed.

        Raises:
            TrainingError: It is unknown, none of Concord's, or not what was registered.
            ServiceAway: MLflow did not serve in time.
        """
        registered = self._retry(
            model,
            lambda: self._client.get_model_version(model, version),
            f"{model} has no version {version}.",
        )
        if SCHEMA_TAG not in registered.tags:
            raise unserved(model, f"Version {version} of {model} carries no task's schema.")
        missing = f"The file of {model} {version} is not there."
        onnx = self._retry(model, lambda: _download(model, version), missing)
        try:
            files = VersionFiles.read(registered, onnx)
        except ConcordError as error:
            raise unserved(model, error.message) from error
        if files.info.digest != digest:
            raise unserved(
                model,
                f"Version {version} of {model} is not what was appointed: its file's SHA-256 is "
                f"{files.info.digest[:12]}…, and that of the appointed file {digest[:12]}….",
            )
        return replace(files, profile=self._profile(model, registered.run_id))

    def _profile(self, model: str, run_id: str | None) -> dict[str, Any] | None:
        """The profile that the version's run kept; a node without one has no drift report."""
        if not run_id:
            return None
        try:
            profile = self._retry(
                model, lambda: _download_profile(self._client, run_id), f"Run {run_id} is gone."
            )
        except (ConcordError, ValueError) as error:
            _log.warning("profile not fetched", extra={"of": model, "reason": first_line(error)})
            return None
        return profile if isinstance(profile, dict) else None

    def _retry(self, model: str, request: Callable[[], Any], unknown: str) -> Any:  # noqa: ANN401  what MLflow returns
        from mlflow.exceptions import MlflowException

        wait = FIRST_PAUSE_SECONDS
        while True:
            try:
                return request()
            except (MlflowException, OSError) as error:
                if is_final(error) and "Invalid Host" not in str(error):
                    raise unserved(model, f"{unknown} MLflow says: {first_line(error)}") from error
                if "Invalid Host" in str(error) or time.monotonic() + wait > self._end:
                    raise self._away(error) from error
                _log.info("registry does not serve yet", extra={"reason": first_line(error)})
            self._pause(wait)
            wait = min(wait * 2, LAST_PAUSE_SECONDS)

    def _away(self, error: Exception) -> ServiceAway:
        if "Invalid Host" in str(error):
            return ServiceAway(
                f"MLflow at {self._uri} refuses this name of its own; start it with --allowed-hosts and the "
                f"name in {URI_VARIABLE}.",
                field=URI_VARIABLE,
            )
        return ServiceAway(
            f"MLflow at {self._uri} has not served for {self._seconds:.0f} s: {first_line(error)} Check "
            f"{URI_VARIABLE}, and whether MLflow runs.",
            field=URI_VARIABLE,
        )


def unserved(model: str, what: str) -> TrainingError:
    """An error that names the ConfigMap's entry and the remedy."""
    return TrainingError(
        f"{what} The entry {model} of what nodes are to serve asks for it: "
        f"`concord models promote {model} VERSION` names another, `concord models list` shows what there is.",
        field=model,
    )


def _download_profile(client: "MlflowClient", run_id: str) -> object:
    if PROFILE_FILE not in {artifact.path for artifact in client.list_artifacts(run_id)}:
        return None
    with tempfile.TemporaryDirectory() as folder:
        return json.loads(Path(client.download_artifacts(run_id, PROFILE_FILE, folder)).read_bytes())


def _download(model: str, version: str) -> bytes:
    from mlflow.artifacts import download_artifacts

    with tempfile.TemporaryDirectory() as folder:
        path = download_artifacts(f"models:/{model}/{version}", dst_path=folder)
        graph = next(Path(path).glob("*.onnx"), None)
        if graph is None:
            raise unserved(model, f"Version {version} of {model} holds no ONNX file.")
        return graph.read_bytes()
