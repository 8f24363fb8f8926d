"""Training what is missing and packaging it, as processes of their own.

Training imports scikit-learn, MLflow and more: it runs as `python -m training`, shows its progress
on the terminal itself, and its results are read from its standard output.
"""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from concord.cli.home import environment
from concord.cli.up.processes import tethered
from concord.errors import CallerError, ConfigurationError, TrainingError
from concord.util import private_files as private
from concord.util.urls import is_address, masked

END_SECONDS: Final = 5

USERS_MISTAKE: Final = 2
"""Exit status of training where the user can mend it, as the command line's own."""


_NAMED: Final = re.compile(r"journal|generator(:\d+)?")
"""Sources that are neither a file nor an address, as `training.data.sources` has them."""


class Stopped(Exception):
    """The user has had enough."""


@dataclass(frozen=True)
class Packaged:
    """What can be started.

    Attributes:
        bentos: Name → tag.
        models: Registered names, `<task>.<node>`.
        versions: Registered name → the version that is packaged.
    """

    bentos: Mapping[str, str]
    models: tuple[str, ...]
    versions: Mapping[str, str] = field(default_factory=dict)

    def of(self, tasks: Sequence[str]) -> dict[str, list[str]]:
        """Task → its nodes, for these tasks or for all."""
        found: dict[str, list[str]] = {}
        for model in sorted(self.models):
            task, _, node = model.partition(".")
            if not tasks or task in tasks:
                found.setdefault(task, []).append(node)
        return found


class Seen:
    """Remembers that no model was missing, as long as neither tasks nor registry have changed since.

    Finding that out means importing scikit-learn, which is a tenth of a start on a small machine.

    Args:
        root: The project's folder, with the tasks' files.
        home: Concord's home folder, with the default registry.
    """

    def __init__(self, root: Path, home: Path) -> None:
        self._tasks, self._registry = root / "training" / "tasks", home / "mlflow.db"
        self._file = home / "run" / "fitted.json"

    def holds(self, tasks: Sequence[str]) -> bool:
        """Whether no model of these tasks (none: of all) can be missing."""
        try:
            noted = json.loads(self._file.read_text("utf-8"))
        except (OSError, ValueError):
            return False
        key = self._key()
        return key is not None and noted.get(",".join(sorted(tasks))) == key

    def note(self, tasks: Sequence[str]) -> None:
        """Keeps in mind that none is missing now."""
        key = self._key()
        if key is not None:
            private.make_folder(self._file.parent)
            self._file.write_text(json.dumps({",".join(sorted(tasks)): key}), "utf-8")

    def _key(self) -> str | None:
        if "MLFLOW_TRACKING_URI" in os.environ or not self._registry.exists():
            return None
        files = [self._registry, *sorted(self._tasks.glob("*.py"))]
        stamps = [(file.name, file.stat().st_mtime_ns, file.stat().st_size) for file in files]
        return hashlib.sha256(repr(stamps).encode()).hexdigest()


class Preparation:
    """Runs the steps of `python -m training`.

    Args:
        root: The project's folder.
        home: Concord's home folder.
        stop: Set when the user has had enough.
    """

    def __init__(self, root: Path, home: Path, stop: threading.Event | None = None) -> None:
        self._environment, self._home = environment(root, home), home
        self._stop = stop or threading.Event()
        self._seen = Seen(root, home)

    def fit(self, tasks: Sequence[str], data: Mapping[str, str], *, missing: bool) -> list[dict[str, Any]]:
        """Fits tasks, or only those of them that lack a model; a task with data of its own always.

        Raises:
            CallerError: The user can mend it, such as a data file; with training's own words and code.
            TrainingError: Something could not be fitted.
        """
        files = [f"--data={task}={source}" for task, source in data.items()]
        if "journal" in data.values() and "CONCORD_TOKEN" in os.environ:
            self._environment["CONCORD_TOKEN"] = os.environ["CONCORD_TOKEN"]
        if not missing:
            return list(self._run("fit", *tasks, *files))
        results = self._run("fit", *data, *files) if data else []
        rest = [task for task in tasks if task not in data]
        if (rest or not tasks) and not self._seen.holds(rest):
            results += self._run("fit", "--missing", *rest)
            self._seen.note(rest)
        return list(results)

    def package(self) -> Packaged:
        """Packs every champion and builds the bentos that are not as they should be.

        Raises:
            CallerError: The user can mend it; with training's own words and code.
            TrainingError: Something could not be packed.
        """
        made = self._run("package")
        # A tag is NAME:VERSION, with a part of the run's id behind it where two registries share a store.
        versions = {name: tag.rpartition(":")[2].partition("-")[0] for name, tag in made["models"].items()}
        return Packaged(made["bentos"], tuple(made["models"]), versions)

    def models(self, step: str, *arguments: str) -> Any:  # noqa: ANN401
        """A step of `python -m training models`; its own JSON.

        Raises:
            CallerError: The user can mend it; with training's own words and code.
            TrainingError: The registry does not serve.
        """
        return self._quietly(f"models {step}", ["models", step, *arguments], {})

    def report(self, task: str, report: bytes, source: str, url: str) -> dict[str, Any]:
        """Keeps a drift report in MLflow; says where.

        Args:
            task: The task.
            report: The report as JSON.
            source: Where its rows are from, for people.
            url: Address of the consensus service, which knows units of tasks that are not trained here.

        Raises:
            CallerError: The user can mend it; with training's own words and code.
            TrainingError: The registry does not serve.
        """
        arguments = ["drift", task, "--from", "-", "--source", source, "--json"]
        return dict(self._quietly("drift", arguments, {"CONCORD_URL": url}, report))

    def _quietly(
        self, name: str, arguments: Sequence[str], named: Mapping[str, str], given: bytes | None = None
    ) -> Any:  # noqa: ANN401 - the step's own JSON
        """A step that shows nothing on the terminal unless it fails without a word."""
        private.make_folder(self._home)
        command = [sys.executable, "-m", "training", *arguments]
        environment = {**self._environment, **named}
        done = subprocess.run(command, capture_output=True, env=environment, input=given, check=False)
        if done.returncode:
            failure = _failure(f"python -m training {name}", done.returncode, done.stdout)
            if not done.stdout:
                sys.stderr.write(done.stderr.decode(errors="replace"))
            raise failure
        return json.loads(done.stdout)

    def _run(self, step: str, *arguments: str) -> Any:  # noqa: ANN401 - the step's own JSON
        # Training would make it for everybody.
        private.make_folder(self._home)
        command = [sys.executable, "-m", "training", step, "--json", *arguments]
        process = subprocess.Popen(
            tethered(command), stdout=subprocess.PIPE, env=self._environment, start_new_session=True
        )
        output = self._output(process)
        if process.returncode:
            said = masked(f"python -m training {' '.join([step, *arguments])}")
            raise _failure(said, process.returncode, output)
        return json.loads(output)

    def _output(self, process: "subprocess.Popen[bytes]") -> bytes:
        while True:
            try:
                return process.communicate(timeout=0.1)[0]
            except subprocess.TimeoutExpired:
                if self._stop.is_set():
                    process.send_signal(signal.SIGTERM)
                    try:
                        process.communicate(timeout=END_SECONDS)
                    except subprocess.TimeoutExpired:
                        process.kill()
                        process.communicate()
                    raise Stopped from None


def _failure(command: str, status: int, output: bytes) -> CallerError | TrainingError:
    """Training's own error, or, where it has not said one, what is known of its end."""
    try:
        document = json.loads(output)
    except ValueError:
        document = None
    match document:
        case {"error": {"message": str(message), "code": str(code), "field": field}}:
            kind = CallerError if status == USERS_MISTAKE else TrainingError
            return kind(message, field=field, code=code)
        case [*results]:
            failed = [f"{one['model']}: {one['error']}" for one in results if one.get("error")]
            if failed:
                return TrainingError(f"{len(failed)} of {len(results)} models failed. {' '.join(failed)}")
    return TrainingError(f"`{command}` ended with exit code {status}; it says why above.")


def read_data(pairs: Sequence[str]) -> dict[str, str]:
    """Reads `TASK=SOURCE` options: a file, a database's URL, `journal`, `generator` or `generator:SEED`.

    Raises:
        ConfigurationError: One is none, or names a file that is not there.
    """
    sources = {}
    for pair in pairs:
        task, sign, source = pair.partition("=")
        if not sign or not task or not source:
            raise ConfigurationError(
                f"--data takes TASK=FILE.csv or TASK=URL, not {masked(pair)!r}.", field="--data"
            )
        sources[task] = source if is_address(source) or _NAMED.fullmatch(source) else _file(source)
    return sources


def _file(name: str) -> str:
    path = Path(name).expanduser()
    if not path.is_file():
        raise ConfigurationError(f"--data: there is no file {name}.", field="--data")
    return str(path.absolute())


def summary(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line a task: how many nodes were fitted, and the best of them."""
    lines = []
    for task in dict.fromkeys(str(result["model"]).partition(".")[0] for result in results):
        mine = [result for result in results if str(result["model"]).startswith(f"{task}.")]
        metric = "accuracy" if "accuracy" in mine[0]["metrics"] else "r2"
        best = max(mine, key=lambda result: result["metrics"].get(metric, 0))
        name = "R²" if metric == "r2" else metric
        lines.append(
            f"{task}: {len(mine)} nodes, best {str(best['model']).partition('.')[2]} "
            f"({name} {best['metrics'].get(metric, 0):.3f} on held-out rows)"
        )
    return lines
