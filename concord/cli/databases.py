"""The SQLite files of a home folder, and which of them no start can use."""

from pathlib import Path
from typing import Final

from concord.util.sqlite_files import REGISTRY_TABLES, find_fault

REGISTRY: Final = "mlflow.db"
"""The default registry, by MLflow."""

FILES: Final = {REGISTRY: REGISTRY_TABLES, "journal.sqlite": (), "study.sqlite": ()}
"""Each file, and the tables that show whether it was made whole; without them it is completed when opened."""


def find_broken(home: Path) -> dict[Path, str]:
    """The broken files of a home folder, and what is wrong with each."""
    faults = {home / name: find_fault(home / name, tables) for name, tables in FILES.items()}
    return {file: fault for file, fault in faults.items() if fault is not None}
