"""Home folders with trained and packaged models, made once a machine and handed out as copies.

They are kept in the user's cache under a digest of all that training and packaging read, so that the
processes of a run and the suites after it share them. A file lock has one process make a home while others
wait for it.
"""

import fcntl
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
FOREIGN = ("CONCORD_", "BENTOML_", "MLFLOW_", "STREAMLIT_")

SHIPPED = ("film_rating", "iris", "loan_amount", "loan_default")
"""The tasks of the repository; a user may have added others, which no test is about."""

FILES = {
    "film_rating": DATA / "tmdb_5000_min.csv",
    "loan_amount": DATA / "fastia_df_new.csv",
    "loan_default": DATA / "loan_data.csv",
}
"""The original projects' data; the films are of 2017 at the latest. Iris comes with scikit-learn."""


@dataclass(frozen=True)
class Recipe:
    """What a home is made of.

    Attributes:
        name: Of its folder.
        tasks: The tasks that are fitted, all if there are none.
        files: Task → the file it learns from, where that is here; otherwise it learns from its generator.
    """

    name: str
    tasks: tuple[str, ...] = ()
    files: dict[str, Path] = field(default_factory=dict)

    @property
    def sources(self):
        """Task → the file it learns from."""
        return {task: path for task, path in self.files.items() if path.exists()}


def cache_folder():
    """Where this checkout's homes are kept: outside of it, since BentoML walks the folder it builds in."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = caches / "concord-tests" / hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


IRIS = Recipe("iris", ("iris",))
ALL_TASKS = Recipe("all-tasks", SHIPPED, FILES)


def environment(home):
    """The variables of a process whose home this is and that reads no other setting of the machine's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return kept | {"CONCORD_HOME": str(home), "BENTOML_HOME": str(Path(home) / "bentoml")}


def inputs_digest(recipe):
    """The digest of whatever training and packaging read."""
    digest = hashlib.sha256(repr((recipe.name, recipe.tasks, sys.version)).encode())
    folders = (ROOT / name for name in ("bentos", "concord", "training"))
    code = (path for folder in folders for path in folder.rglob("*") if path.suffix in (".py", ".yaml"))
    for path in sorted([ROOT / "uv.lock", *code, *recipe.sources.values()]):
        digest.update(f"\0{path}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


class TrainedHomes:
    """Makes the home of a recipe the first time it is asked for, and copies it from then on.

    Args:
        cache: The folder in which homes are kept; only the newest home of a recipe stays.
    """

    def __init__(self, cache):
        self._cache = Path(cache)

    def copy(self, recipe, home):
        """Copies a trained home, with its BentoML store in `bentoml`, to a folder; returns the folder."""
        made = self._made(recipe)
        shutil.copytree(made, home, dirs_exist_ok=True)
        _move_uris(home / "mlflow.db", made, home)
        return home

    def _made(self, recipe):
        name = f"{recipe.name}-{inputs_digest(recipe)}"
        with (self._cache / f"{recipe.name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (self._cache / f"{name}.done").exists():
                self._forget(recipe)
                make(recipe, self._cache / name)
                (self._cache / f"{name}.done").touch()
        return self._cache / name

    def _forget(self, recipe):
        """Removes homes of the recipe that were made of other sources, or only in part."""
        for path in self._cache.glob(f"{recipe.name}-*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def make(recipe, home):
    """Fits and packages what a recipe names."""
    home.mkdir()
    data = [f"--data={task}={path}" for task, path in recipe.sources.items()]
    for step in (["fit", *recipe.tasks, *data], ["package"]):
        command = [sys.executable, "-m", "training", *step]
        done = subprocess.run(
            command, cwd=ROOT, env=environment(home), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def _move_uris(database, old, new):
    """Has MLflow's database name its artifacts below the new folder."""
    with closing(sqlite3.connect(database)) as connection, connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            for column in connection.execute(f"PRAGMA table_info({table})").fetchall():
                connection.execute(
                    f"UPDATE {table} SET {column[1]} = replace({column[1]}, ?, ?) WHERE {column[1]} LIKE ?",
                    (f"file://{old}/", f"file://{new}/", f"file://{old}/%"),
                )
