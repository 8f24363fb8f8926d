"""Where things are on this machine: the home folder, the project, and what runs of it.

While `concord up` runs it holds a lock in the home folder. The kernel drops that lock however the
process ends, so what is written beside it is believed only while the lock is held, and nothing has
to be cleaned up after a crash.
"""

import contextlib
import fcntl
import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from concord.errors import ConfigurationError, Conflict
from concord.util import private_files as private

if TYPE_CHECKING:
    from concord.client import Client
    from concord.settings import Settings

# Settings and client import pydantic and httpx; only commands that use them pay for it.

NEEDED: Final = ("bentoml", "mlflow", "onnxruntime", "sklearn", "skl2onnx")
"""Modules that tell whether what training and nodes need is installed."""


@dataclass(frozen=True)
class Home:
    """The home folder and what is below it."""

    home: Path

    @property
    def lock(self) -> Path:
        """Held while `concord up` runs."""
        return self.home / "run" / "up.lock"

    @property
    def state(self) -> Path:
        """What runs, as JSON; true only while the lock is held."""
        return self.home / "run" / "up.json"

    @property
    def versions(self) -> Path:
        """What nodes are to serve: a file a node, named as it."""
        return self.home / "versions"

    def served(self, name: str) -> Path:
        """The versions that were fetched for a node."""
        return self.home / "served" / name

    def log(self, name: str) -> Path:
        """The log of a process."""
        return self.home / "logs" / f"{name}.log"

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Holds the lock for as long as everything runs.

        Raises:
            Conflict: Another process holds it.
            ConfigurationError: The home folder cannot be written.
        """
        try:
            private.make_folder(self.lock.parent)
            file = self.lock.open("a")
        except OSError as error:
            raise ConfigurationError(
                f"{self.home} cannot be written ({error.strerror}). CONCORD_HOME names another folder.",
                field="CONCORD_HOME",
            ) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                process = self.running().get("pid", "unknown")
                raise Conflict(
                    f"Concord runs in {self.home} already (process {process}). "
                    "Stop it with Ctrl-C there, or give this one another folder (CONCORD_HOME) and --port."
                ) from None
            self.state.unlink(missing_ok=True)
            try:
                yield
            finally:
                self.state.unlink(missing_ok=True)

    def note(self, document: Mapping[str, Any]) -> None:
        """Writes what runs, for other commands."""
        fresh = self.state.with_suffix(".new")
        fresh.write_text(json.dumps(document, indent=1), "utf-8")
        fresh.replace(self.state)

    def running(self) -> dict[str, Any]:
        """What `concord up` noted, if it runs in this home; else nothing."""
        try:
            with self.lock.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            with contextlib.suppress(OSError, ValueError):
                return dict(json.loads(self.state.read_text("utf-8")))
        except OSError:
            pass
        return {}


def settings() -> "Settings":
    """The environment's settings, with the home folder as an absolute path.

    Raises:
        ConfigurationError: A variable holds what it must not.
    """
    from concord.settings import Settings

    read = Settings.read()
    return read.model_copy(update={"home": read.home.absolute()})


def home() -> Home:
    """The place that the environment names."""
    return Home(settings().home)


def service_url(of: "Settings") -> str:
    """CONCORD_URL; else the address of what runs in the home folder; else the default."""
    if "url" in of.model_fields_set:
        return of.url
    return str(Home(of.home).running().get("url") or of.url)


def connect(timeout: float = 10.0) -> "Client":
    """A client of the consensus service that the environment means, with the environment's token."""
    from concord.client import Client

    read = settings()
    return Client(service_url(read), timeout, read.token.get_secret_value() if read.token else None)


def project() -> Path:
    """The folder that holds `training/`, `bentos/` and `frontend/`.

    Raises:
        ConfigurationError: Concord is installed without them, or without what they need.
    """
    root = Path(__file__).parents[2]
    if not (root / "training" / "__main__.py").exists() or not (root / "bentos" / "serve.py").exists():
        raise ConfigurationError(
            "This installation holds Concord's library and client only. To train and run models, clone the "
            "repository and use `uv run concord up` there."
        )
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            f"{', '.join(missing)} is not installed. `uv sync` in {root} installs what is needed."
        )
    return root


def environment(root: Path, home: Path) -> dict[str, str]:
    """What the processes that are started here find in their environment."""
    path = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH", "")]))
    # A token is the command line's: no service has a use for it.
    ours = {"PROMETHEUS_MULTIPROC_DIR", "CONCORD_TOKEN"}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return {
        "BENTOML_DO_NOT_TRACK": "true",
        "OTEL_SDK_DISABLED": "true",
        "MALLOC_ARENA_MAX": "2",
        **kept,
        "PYTHONPATH": path,
        # Or a folder `training` wherever the user happens to be would be run instead of ours.
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
        "CONCORD_HOME": str(home),
    }


def python(*arguments: str) -> list[str]:
    """A command that runs a module of this interpreter's."""
    return [sys.executable, *arguments]
