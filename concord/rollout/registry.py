"""The registry of models over MLflow's REST API: which versions there are, and which of them has an alias.

The service needs seven calls of it and not MLflow, which takes 600 MB and seconds to import. Aliases say
what is served (`champion`) and what is tried (`challenger`); tags of a version, written when it was
registered, what file and schema it has. Numbers of versions are texts here, as over REST. Nothing is
cached but the metrics of runs, which end before they are registered. A password in the address is used
and never shown. Nothing is repeated either: every call of a decision can be made again by its caller.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

import httpx

from concord.errors import InvalidInput, ServiceAway, UnknownName
from concord.rollout.mlflow import Tracking, tracking
from concord.settings import Settings

CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
"""Aliases of a registered model."""

PREVIOUS_TAG: Final = "concord.previous"
SERVED_TAG: Final = "concord.served"
"""Tags of a registered model: what was served before the last promotion, on a laptop and in a cluster."""

SCHEMA_TAG: Final = "concord.schema"
DIGEST_TAG: Final = "concord.digest"
"""Tags of a version, as `training.registry.versions` writes them: its task's schema, the SHA-256 of its file."""

METRICS: Final = ("accuracy", "r2")
"""What a version is listed with: the first of them that its run has."""

CONNECT_SECONDS: Final = 2.0
READ_SECONDS: Final = 5.0
"""MLflow answers these within a tenth of a second; who takes longer is away."""

MOST_VERSIONS: Final = 1000
REMEMBERED: Final = 1000
"""Runs whose metric is remembered."""

_API: Final = "/api/2.0/mlflow"


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A registered model: its aliases by name, as versions, and its tags."""

    name: str
    aliases: Mapping[str, str]
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a model.

    Attributes:
        version: Its number.
        created: When it was registered, ISO 8601 in UTC.
        run_id: The run that made it; empty for one from elsewhere.
        tags: What was written beside it.
        is_ready: Whether its file is there.
    """

    version: str
    created: str
    run_id: str
    tags: Mapping[str, str]
    is_ready: bool = True

    @property
    def digest(self) -> str:
        """SHA-256 of its ONNX file; empty where nobody stated it."""
        return self.tags.get(DIGEST_TAG, "")


def open_registry(settings: Settings) -> "RegistryClient | None":
    """The registry that the settings mean, if they mean one; asks nobody yet."""
    return RegistryClient(tracking(settings.registry, settings)) if settings.registry is not None else None


class RegistryClient:
    """A server's registry. Its connections live until `close`.

    Args:
        server: Where it is, and who asks.
    """

    def __init__(self, server: Tracking) -> None:
        self.shown = server.shown
        self._http = httpx.AsyncClient(
            auth=server.user,
            headers=server.headers,
            base_url=f"{server.address}{_API}",
            timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            trust_env=False,
        )
        self._metrics: dict[str, tuple[str | None, float | None]] = {}

    async def close(self) -> None:
        """Lets go of the connections."""
        await self._http.aclose()

    async def model(self, name: str) -> RegisteredModel:
        """A registered model.

        Raises:
            UnknownName: There is none of this name.
            ServiceAway: MLflow does not serve; as everywhere here.
        """
        found = await self._call("GET", "registered-models/get", name=name)
        if found is None:
            raise UnknownName(
                f"There is no model {name!r} in the registry {self.shown}. Training registers it.",
                field="name",
                code="unknown_model",
            )
        model = _part(found, "registered_model")
        return RegisteredModel(name, _pairs(model, "aliases", "alias", "version"), _tags(model))

    async def versions(self, name: str) -> list[Version]:
        """A model's versions, the newest first; none where there is no such model."""
        if "'" in name:
            raise InvalidInput("A model's name has no quotes.", field="name")
        found = await self._call(
            "GET", "model-versions/search", filter=f"name='{name}'", max_results=str(MOST_VERSIONS)
        )
        versions = [_version(one) for one in (found or {}).get("model_versions", [])]
        return sorted(versions, key=lambda one: int(one.version), reverse=True)

    async def set_alias(self, name: str, alias: str, version: str) -> None:
        """Has an alias name a version."""
        await self._change("POST", "registered-models/alias", name=name, alias=alias, version=version)

    async def delete_alias(self, name: str, alias: str) -> None:
        """Takes an alias away; one that is not there is no error."""
        await self._change("DELETE", "registered-models/alias", name=name, alias=alias)

    async def set_tag(self, name: str, key: str, value: str) -> None:
        """Writes a tag of a registered model."""
        await self._change("POST", "registered-models/set-tag", name=name, key=key, value=value)

    async def delete_tag(self, name: str, key: str) -> None:
        """Takes a tag away; one that is not there is no error."""
        await self._change("DELETE", "registered-models/delete-tag", name=name, key=key)

    async def metric(self, run_id: str) -> tuple[str | None, float | None]:
        """Name and value of what a run's model is listed with; nothing where the run is gone."""
        if run_id and run_id not in self._metrics:
            found = await self._call("GET", "runs/get", run_id=run_id)
            data = _part(_part(found or {}, "run"), "data")
            known = {str(one["key"]): float(one["value"]) for one in data.get("metrics", [])}
            if len(self._metrics) >= REMEMBERED:
                self._metrics.clear()
            self._metrics[run_id] = next(
                ((name, known[name]) for name in METRICS if name in known), (None, None)
            )
        return self._metrics.get(run_id, (None, None))

    async def _change(self, method: str, path: str, **body: str) -> None:
        found = await self._call(method, path, **body)
        if found is None and method != "DELETE":
            raise UnknownName(
                f"The registry {self.shown} has no {body['name']}"
                + (f" in version {body['version']}." if "version" in body else "."),
                field="version" if "version" in body else "name",
                code="unknown_version",
            )

    async def _call(self, method: str, path: str, **values: str) -> dict[str, Any] | None:
        """What MLflow answers; None where it says that there is no such thing."""
        given: dict[str, Any] = {"params": values} if method == "GET" else {"json": values}
        try:
            response = await self._http.request(method, f"/{quote(path)}", **given)
            document = response.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise self._away(type(error).__name__) from error
        if not isinstance(document, dict):
            raise self._away(f"status {response.status_code}")
        code = document.get("error_code")
        if code == "RESOURCE_DOES_NOT_EXIST" or (code == "INVALID_PARAMETER_VALUE" and method == "DELETE"):
            # What is to be taken away and is not there: MLflow says so by one code or the other.
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


def _version(one: Mapping[str, Any]) -> Version:
    made = datetime.fromtimestamp(int(one.get("creation_timestamp", 0)) / 1000, UTC)
    return Version(
        str(one["version"]),
        made.isoformat(timespec="seconds"),
        str(one.get("run_id") or ""),
        _tags(one),
        one.get("status", "READY") == "READY",
    )


def _tags(document: Mapping[str, Any]) -> dict[str, str]:
    return _pairs(document, "tags", "key", "value")


def _pairs(document: Mapping[str, Any], part: str, key: str, value: str) -> dict[str, str]:
    return {str(one[key]): str(one.get(value, "")) for one in document.get(part, [])}


def _part(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = document.get(name)
    return found if isinstance(found, dict) else {}
