"""Which models have a champion, and in which version: the one question that every start asks.

Importing MLflow takes seconds, which `concord up` would pay each time only to hear that nothing
has changed. So the default registry, a SQLite file, is asked directly and read-only; any other
registry, or a file that does not look as expected, is asked through MLflow. Nothing is cached:
an alias that was moved on MLflow's page is seen at the next start.
"""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from training.registry.versions import ALIAS, DIGEST_TAG, URI_VARIABLE
from training.task import Task

DATABASE = "mlflow.db"
"""The default registry's file, below the home folder."""

QUESTION = """
    SELECT alias.name, alias.version, made.run_id, tag.value
    FROM registered_model_aliases alias
    JOIN model_versions made ON made.name = alias.name AND made.version = alias.version
    LEFT JOIN model_version_tags tag ON tag.name = alias.name AND tag.version = alias.version AND tag.key = ?
    WHERE alias.alias = ? ORDER BY alias.name
"""


def tracking_uri(home: Path) -> str:
    """`MLFLOW_TRACKING_URI` if it is set, or a SQLite file in the home folder."""
    return os.environ.get(URI_VARIABLE) or f"sqlite:///{(home / DATABASE).absolute()}"


@dataclass(frozen=True)
class Champion:
    """Which version of a model is served.

    Attributes:
        version: Its number, as a text.
        run_id: The run that made it; empty for a model from elsewhere.
        digest: SHA-256 of its ONNX file as the registry states it; empty for a model from elsewhere.
    """

    version: str
    run_id: str = ""
    digest: str = ""


def champions(home: Path) -> dict[str, Champion]:
    """Registered name → champion, for every model that has one."""
    path = (home / DATABASE).absolute()
    if tracking_uri(home) == f"sqlite:///{path}":
        if not path.exists():
            return {}
        try:
            return _from_file(path)
        except sqlite3.Error:
            pass  # another schema, or a migration under way: MLflow knows
    from training.registry.registry import Registry  # noqa: PLC0415  seconds of import that the usual path saves

    return Registry(home).champions()


def missing(tasks: Sequence[Task], home: Path) -> list[str]:
    """Registered names of the tasks' nodes that have no champion yet."""
    found = champions(home)
    return [model for task in tasks for model in task.models if model not in found]


def _from_file(path: Path) -> dict[str, Champion]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return {
            name: Champion(str(version), run_id or "", digest or "")
            for name, version, run_id, digest in database.execute(QUESTION, (DIGEST_TAG, ALIAS))
        }
