"""The model registry, by seven calls of MLflow's REST API.

MLflow's own client takes 600 MB and seconds to import, so it is not used here. Version numbers are texts, as
over REST. Only runs' metrics are cached; a run ends before its model is registered. No call is retried:
every decision can be repeated by its caller.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

import httpx

from concord.errors import InvalidInput, ServiceAway, UnknownName
from concord.http.outgoing import client_options
from concord.rollout.tracking_server import TrackingServer, read_tracking_server
from concord.settings import Settings

CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
"""Aliases of a registered model: the version that is served, and the one that is tried."""

PREVIOUS_TAG: Final = "concord.previous"
SERVED_TAG: Final = "concord.served"
"""Tags of a registered model: what was served before the last promotion, on a laptop and in a cluster."""

SCHEMA_TAG: Final = "concord.schema"
DIGEST_TAG: Final = "concord.digest"
"""Tags of a version, as `training.registry.versions` writes them: the task's schema, the file's SHA-256."""

METRICS: Final = ("accuracy", "r2")
"""Metrics that a version is listed with: the first of them that its run has."""

CONNECT_SECONDS: Final = 2.0
READ_SECONDS: Final = 5.0
"""MLflow answers these calls within a tenth of a second; one that takes longer counts as away."""

MOST_VERSIONS: Final = 1000
CACHED_RUNS: Final = 1000
"""Runs whose metric is cached."""

_API: Final = "/api/2.0/mlflow"


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version of a registered model.

    Attributes:
        version: Its number.
        created: When it was registered, ISO 8601 in UTC.
        run_id: The run that made it; empty for one without a run.
        tags: Its tags.
        is_ready: Whether its file is complete.
    """

    version: str
    created: str
    run_id: str
    tags: Mapping[str, str]
    is_ready: bool = True

    @property
    def digest(self) -> str:
        """SHA-256 of its ONNX file; empty where no tag states it."""
        return self.tags.get(DIGEST_TAG, "")


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A registered model.

    Attributes:
        name: Its registered name.
        aliases: Alias → version.
        tags: Its tags.
        versions: Its versions, the newest first, where they were asked for.
    """

    name: str
    aliases: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    versions: Sequence[ModelVersion] = ()

    def find_version(self, number: str) -> ModelVersion | None:
        """The version of a number; None where there is none."""
        return next((version for version in self.versions if version.version == number), None)


def open_registry(settings: Settings) -> "RegistryClient | None":
    """The registry that the settings name; None where they name none. Makes no request yet."""
    if settings.registry is None:
        return None
    return RegistryClient(read_tracking_server(settings.registry, settings))


class RegistryClient:
    """Client of a server's registry. Every method raises `ServiceAway` where MLflow does not serve.

    Args:
        server: Its address and credentials.
    """

    def __init__(self, server: TrackingServer) -> None:
        self.shown = server.shown
        self._http = httpx.AsyncClient(
            auth=server.user,
            headers=server.headers,
            base_url=f"{server.address}{_API}",
            timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            **client_options(str(server.address)),
        )
        self._metrics: dict[str, tuple[str | None, float | None]] = {}

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def model(self, name: str) -> RegisteredModel:
        """A registered model, without its versions.

        Raises:
            UnknownName: There is none of this name.
        """
        document = await self._call("GET", "registered-models/get", name=name)
        if document is None:
            raise UnknownName(
                f"There is no model {name!r} in the registry {self.shown}. Training registers it.",
                field="name",
                code="unknown_model",
            )
        model = _part(document, "registered_model")
        return RegisteredModel(name, _pairs(model, "aliases", "alias", "version"), _tags(model))

    async def versions(self, name: str) -> list[ModelVersion]:
        """A model's versions, the newest first; none where there is no such model."""
        if "'" in name:
            raise InvalidInput("A model's name has no quotes.", field="name")
        document = await self._call(
            "GET", "model-versions/search", filter=f"name='{name}'", max_results=str(MOST_VERSIONS)
        )
        versions = [_read_version(item) for item in (document or {}).get("model_versions", [])]
        return sorted(versions, key=lambda version: int(version.version), reverse=True)

    async def set_alias(self, name: str, alias: str, version: str) -> None:
        """Points an alias at a version."""
        await self._change("POST", "registered-models/alias", name=name, alias=alias, version=version)

    async def delete_alias(self, name: str, alias: str) -> None:
        """Deletes an alias; a missing one is no error."""
        await self._change("DELETE", "registered-models/alias", name=name, alias=alias)

    async def set_tag(self, name: str, key: str, value: str) -> None:
        """Sets a tag of a registered model."""
        await self._change("POST", "registered-models/set-tag", name=name, key=key, value=value)

    async def delete_tag(self, name: str, key: str) -> None:
        """Deletes a tag; a missing one is no error."""
        await self._change("DELETE", "registered-models/delete-tag", name=name, key=key)

    async def metric(self, run_id: str) -> tuple[str | None, float | None]:
        """Name and value of the metric that a run's model is listed with; None where the run is gone."""
        if run_id and run_id not in self._metrics:
            document = await self._call("GET", "runs/get", run_id=run_id)
            data = _part(_part(document or {}, "run"), "data")
            metrics = {str(item["key"]): float(item["value"]) for item in data.get("metrics", [])}
            if len(self._metrics) >= CACHED_RUNS:
                self._metrics.clear()
            self._metrics[run_id] = next(
                ((name, metrics[name]) for name in METRICS if name in metrics), (None, None)
            )
        return self._metrics.get(run_id, (None, None))

    async def _change(self, method: str, path: str, **body: str) -> None:
        document = await self._call(method, path, **body)
        if document is None and method != "DELETE":
            raise UnknownName(
                f"The registry {self.shown} has no {body['name']}"
                + (f" in version {body['version']}." if "version" in body else "."),
                field="version" if "version" in body else "name",
                code="unknown_version",
            )

    async def _call(self, method: str, path: str, **values: str) -> dict[str, Any] | None:
        """MLflow's answer; None where the named object does not exist."""
        arguments: dict[str, Any] = {"params": values} if method == "GET" else {"json": values}
        try:
            response = await self._http.request(method, f"/{quote(path)}", **arguments)
            document = response.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise self._away(type(error).__name__) from error
        if not isinstance(document, dict):
            raise self._away(f"status {response.status_code}")
        code = document.get("error_code")
        if code == "RESOURCE_DOES_NOT_EXIST" or (code == "INVALID_PARAMETER_VALUE" and method == "DELETE"):
            # MLflow answers the deletion of a missing object with one code or the other.
            return None
        if response.is_error:
            raise self._away(f"{response.status_code} {code or ''}".strip())
        return document

    def _away(self, what: str) -> ServiceAway:
        return ServiceAway(
            f"The registry {self.shown} does not serve ({what}). Nothing that needs it is changed; look at "
            "MLflow, or at MLFLOW_TRACKING_URI.",
            field="MLFLOW_TRACKING_URI",
        )


def _read_version(document: Mapping[str, Any]) -> ModelVersion:
    created = datetime.fromtimestamp(int(document.get("creation_timestamp", 0)) / 1000, UTC)
    return ModelVersion(
        str(document["version"]),
        created.isoformat(timespec="seconds"),
        str(document.get("run_id") or ""),
        _tags(document),
        document.get("status", "READY") == "READY",
    )


def _tags(document: Mapping[str, Any]) -> dict[str, str]:
    return _pairs(document, "tags", "key", "value")


def _pairs(document: Mapping[str, Any], part: str, key: str, value: str) -> dict[str, str]:
    return {str(item[key]): str(item.get(value, "")) for item in document.get(part, [])}


def _part(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    part = document.get(name)
    return part if isinstance(part, dict) else {}
