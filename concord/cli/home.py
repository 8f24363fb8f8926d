"""Where things are on this machine: the home folder, the project's folder, and the service that runs.

While `concord up` runs it holds a lock in the home folder. The kernel drops that lock however the process
ends, so the state file beside it counts only while the lock is held, and a crash leaves nothing to clean up.
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

from concord.cli.files.out_file import replacing
from concord.errors import ConfigurationError, Conflict
from concord.util import private_files as private
from concord.util import proxies, telemetry

if TYPE_CHECKING:
    from concord.client import Client
    from concord.settings import Settings

# Settings and client import pydantic and httpx; only commands that use them pay for it.

REQUIRED_MODULES: Final = ("bentoml", "mlflow", "onnxruntime", "sklearn", "skl2onnx")
"""What training and nodes need; an installation of the client alone does not have them."""


@dataclass(frozen=True)
class Home:
    """The home folder (CONCORD_HOME), and where things are in it."""

    folder: Path

    @property
    def lock_file(self) -> Path:
        """Locked while `concord up` runs."""
        return self.folder / "run" / "up.lock"

    @property
    def state_file(self) -> Path:
        """What runs, as JSON; true only while the lock is held."""
        return self.folder / "run" / "up.json"

    @property
    def versions(self) -> Path:
        """The folder of desired versions: a file a node, named as the node's model."""
        return self.folder / "versions"

    def served(self, model: str) -> Path:
        """The folder of the versions that were fetched for a node."""
        return self.folder / "served" / model

    def log(self, process: str) -> Path:
        """The log of a process."""
        return self.folder / "logs" / f"{process}.log"

    @contextlib.contextmanager
    def hold_lock(self) -> Iterator[None]:
        """Holds the lock for as long as everything runs.

        Raises:
            Conflict: Another process holds it.
            ConfigurationError: The home folder cannot be written.
        """
        try:
            private.make_folder(self.lock_file.parent)
            file = self.lock_file.open("a")
        except OSError as error:
            raise ConfigurationError(
                f"{self.folder} cannot be written ({error.strerror}). CONCORD_HOME names another folder.",
                field="CONCORD_HOME",
            ) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                process = self.read_state().get("pid", "unknown")
                raise Conflict(
                    f"Concord runs in {self.folder} already (process {process}). "
                    "Stop it with Ctrl-C there, or give this one another folder (CONCORD_HOME) and --port."
                ) from None
            self.state_file.unlink(missing_ok=True)
            try:
                yield
            finally:
                self.state_file.unlink(missing_ok=True)

    def write_state(self, document: Mapping[str, Any]) -> None:
        """Writes what runs, for other commands."""
        with replacing(self.state_file) as file:
            file.write(json.dumps(document, indent=1).encode())

    def read_state(self) -> dict[str, Any]:
        """What `concord up` runs in this home folder; empty where it does not run."""
        try:
            with self.lock_file.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            with contextlib.suppress(OSError, ValueError):
                return dict(json.loads(self.state_file.read_text("utf-8")))
        except OSError:
            pass
        return {}


def read_settings() -> "Settings":
    """The environment's settings, with the home folder as an absolute path.

    Raises:
        ConfigurationError: A variable holds what it must not.
    """
    from concord.settings import Settings

    settings = Settings.read()
    return settings.model_copy(update={"home": settings.home.absolute()})


def find_home() -> Home:
    """The home folder that the environment names."""
    return Home(read_settings().home)


def service_url(settings: "Settings") -> str:
    """CONCORD_URL; else the address of what runs in the home folder; else the default.

    With the address comes the authority by which it is trusted: CONCORD_CA is set for what asks it.
    """
    if "url" in settings.model_fields_set:
        return settings.url
    state = Home(settings.home).read_state()
    if "ca" in state:
        os.environ.setdefault("CONCORD_CA", state["ca"])
    return str(state.get("url") or settings.url)


def connect(timeout: float = 10.0) -> "Client":
    """A client of the consensus service that the environment means, with the environment's token."""
    from concord.client import Client

    settings = read_settings()
    token = settings.token.get_secret_value() if settings.token else None
    return Client(service_url(settings), timeout, token)


def find_project() -> Path:
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
    missing = [module for module in REQUIRED_MODULES if find_spec(module) is None]
    if missing:
        raise ConfigurationError(
            f"{', '.join(missing)} is not installed. `uv sync` in {root} installs what is needed."
        )
    return root


def process_environment(root: Path, home: Path) -> dict[str, str]:
    """The environment of processes that are started here: this one's, and what they need beside it."""
    path = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH", "")]))
    # A token is the command line's: no service has a use for it.
    ours = {"PROMETHEUS_MULTIPROC_DIR", "CONCORD_TOKEN"}
    return {
        **telemetry.OFF,
        "OTEL_SDK_DISABLED": "true",
        "MALLOC_ARENA_MAX": "2",
        **{name: value for name, value in os.environ.items() if name not in ours},
        **proxies.client_variables(os.environ),
        "PYTHONPATH": path,
        # Or a folder `training` wherever the user happens to be would be run instead of ours.
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
        "CONCORD_HOME": str(home),
    }


def python_command(*arguments: str) -> list[str]:
    """A command that runs this interpreter."""
    return [sys.executable, *arguments]
