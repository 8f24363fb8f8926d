"""A registered version: its tags in the registry, and the folder from which a node reads it.

Packaging and the init step of a pod share this module, so it imports neither MLflow nor anything that fits.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from concord.errors import ConcordError, TrainingError
from concord.tasks.names import is_name
from concord.tasks.schema import TaskSchema
from concord.types.nodes import NodeInfo
from concord.util.urls import masked

ALIAS: Final = "champion"
"""The registry alias of the version that is served."""

CHALLENGER: Final = "challenger"
"""The registry alias of the version that passed the gate last, to be served beside the champion."""

PREVIOUS_TAG: Final = "concord.previous"
"""Tag of a registered model: the champion before this one, to which a rollback on a laptop returns."""

SCHEMA_TAG: Final = "concord.schema"
"""Tag of a model version: the schema's JSON."""

MOST_SCHEMA_BYTES: Final = 65_535
"""Bytes of UTF-8 in a tag of a version, on any of MLflow's databases: what a TEXT column of MySQL holds."""

ACCURACY_TAG: Final = "concord.accuracy"
"""Tag of a model version: held-out accuracy in 0..1; absent for a regression."""

DIGEST_TAG: Final = "concord.digest"
"""Tag of a model version: SHA-256 of its ONNX file, in hex."""

RECIPE_TAG: Final = "concord.recipe"
"""Tag of a model version that a benchmark registered: the JSON of its settings, to build and fit it again."""

URI_VARIABLE: Final = "MLFLOW_TRACKING_URI"
"""MLflow's own setting; it wins over the home folder."""

FINAL: Final = frozenset(
    {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "PERMISSION_DENIED", "UNAUTHENTICATED"}
)
"""MLflow's error codes that no repetition changes."""

ONNX_FILE: Final = "model.onnx"
INFO_FILE: Final = "info.json"
PROFILE_FILE: Final = "profile.json"
"""What a model's folder holds: the graph, its `NodeInfo`, and the reference profile if there is one."""


def schema_text(schema: TaskSchema) -> str:
    """The schema's JSON, as its tag holds it.

    Raises:
        TrainingError: It is longer than a tag may be.
    """
    text = json.dumps(schema.to_json(), ensure_ascii=False, separators=(",", ":"))
    size = len(text.encode())
    if size > MOST_SCHEMA_BYTES:
        most = max(schema.features, key=lambda feature: len("".join(feature.choices)))
        remedy = "Use fewer features and labels, or shorter texts."
        has_many_choices = 2 * len("".join(most.choices).encode()) > size
        if has_many_choices:
            choices = f"{most.name!r} has {len(most.choices):,} choices"
            remedy = f"{choices}: join the rare ones, or make a number of it."
        raise TrainingError(
            f"{schema.task}: its schema has {size:,} bytes as JSON; a registry keeps {MOST_SCHEMA_BYTES:,}. "
            f"{remedy}",
            field=most.name if has_many_choices else "schema",
        )
    return text


class RegisteredVersion(Protocol):
    """MLflow's `ModelVersion`, as far as it is read here."""

    name: str
    version: str
    run_id: str | None
    tags: Mapping[str, str]


@dataclass(frozen=True)
class VersionFiles:
    """A version's files: what a node states, its ONNX graph, and its reference profile if there is one."""

    info: NodeInfo
    onnx: bytes
    profile: dict[str, Any] | None = None

    @classmethod
    def read(
        cls, registered: RegisteredVersion, onnx: bytes, profile: dict[str, Any] | None = None
    ) -> "VersionFiles":
        """Reads what the version's tags state, and compares the file with their digest.

        Raises:
            TrainingError: The file is not the one that was registered, or a tag cannot be read.
        """
        digest = hashlib.sha256(onnx).hexdigest()
        if DIGEST_TAG not in registered.tags:
            raise TrainingError(
                f"{registered.name}, version {registered.version}: it has no tag {DIGEST_TAG}, so nobody can "
                f"tell whether its file is the one that was registered. {register_again(registered.name)}",
                field=registered.name,
            )
        if registered.tags[DIGEST_TAG] != digest:
            raise TrainingError(
                f"{registered.name}, version {registered.version}: its file is not the one that was "
                "registered. Fit it again."
            )
        schema, accuracy = _read_tags(registered)
        info = NodeInfo(
            model=registered.name,
            # MLflow gives a number from SQLite and a text over REST.
            version=str(registered.version),
            run_id=registered.run_id or "",
            digest=digest,
            schema_digest=schema.digest,
            schema=schema.to_json(),
            accuracy=accuracy,
        )
        return cls(info, onnx, profile)

    def write(self, folder: Path) -> None:
        """Writes the folder that a node loads."""
        (folder / ONNX_FILE).write_bytes(self.onnx)
        # A challenger belongs to a running node, not to a version.
        stated = {name: value for name, value in asdict(self.info).items() if name != "challenger"}
        (folder / INFO_FILE).write_text(json.dumps(stated, ensure_ascii=False, indent=2), "utf-8")
        if self.profile is not None:
            text = json.dumps(self.profile, ensure_ascii=False, indent=2)
            (folder / PROFILE_FILE).write_text(text, "utf-8")


def _read_tags(registered: RegisteredVersion) -> tuple[TaskSchema, float | None]:
    """The schema and the held-out accuracy that a version states."""
    name, tag = registered.name, SCHEMA_TAG
    try:
        schema = TaskSchema.from_json(json.loads(registered.tags[tag]))
        tag = ACCURACY_TAG
        accuracy = float(registered.tags[tag]) if tag in registered.tags else None
        if accuracy is not None and not 0 <= accuracy <= 1:
            raise ValueError(f"{accuracy} is not in 0..1")
    except (ValueError, ConcordError) as error:
        raise TrainingError(
            f"{name}, version {registered.version}: its tag {tag} cannot be read: {first_line(error)} "
            f"{register_again(name)}",
            field=name,
        ) from error
    check_model_name(name)
    if name.partition(".")[0] != schema.task:
        raise TrainingError(
            f"{name}, version {registered.version}: its schema is of the task {schema.task!r}. "
            f"{register_again(f'{schema.task}.NODE')}",
            field=name,
        )
    return schema, accuracy


def check_model_name(model: str) -> None:
    """Checks the registered name of a model that nodes are to serve.

    Raises:
        TrainingError: It is not the name of a task and that of a node, with a point between.
    """
    task, _, node = model.partition(".")
    if not (is_name(task) and is_name(node)):
        raise TrainingError(
            f"{model}: models are called TASK.NODE, each in letters a to z, digits and underscores. "
            f"{register_again('TASK.NODE')}",
            field=model,
        )


def is_final(error: Exception) -> bool:
    """Whether no repetition changes what MLflow's client has raised."""
    return getattr(error, "error_code", "") in FINAL


def register_again(name: str) -> str:
    """The remedy for a version that others have registered."""
    return f"`python -m training register FILE.onnx --as {name}` sets every tag, and makes it the champion."


def first_line(error: Exception) -> str:
    """What an error says, without the query or the page of HTML that MLflow and SQLAlchemy append."""
    lines = masked(str(error)).splitlines() or [type(error).__name__]
    return f"{lines[0][:300].rstrip('.')}."
