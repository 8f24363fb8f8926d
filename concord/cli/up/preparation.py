"""Runs the steps of `python -m training` as processes: fitting, packaging, the registry, drift reports.

Training imports scikit-learn, MLflow and more, which the command line does not. It shows its progress on the
terminal itself, and its results are JSON on its standard output.
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

from concord.cli.appointed import AppointedVersion
from concord.cli.databases import REGISTRY
from concord.cli.home import process_environment, python_command
from concord.cli.text.fits import failures
from concord.cli.up.processes import tethered
from concord.errors import CallerError, ConfigurationError, TrainingError
from concord.util import private_files as private
from concord.util.bento_store import VARIABLE, store_fault, store_folder
from concord.util.urls import is_address, masked

END_SECONDS: Final = 5

USERS_MISTAKE: Final = 2
"""Exit status of training where the user can mend it, as the command line's own."""

CODE: Final = ("bentos", "concord", "training")
"""Folders whose files decide what is fitted and packaged."""

_NAMED_SOURCE: Final = re.compile(r"journal|generator(:\d+)?")
"""Sources that are neither a file nor an address, as `training.data.sources` has them."""


class Stopped(Exception):
    """The user has stopped the command."""


@dataclass(frozen=True)
class PackagedBentos:
    """The bentos that can be started, and the models in them.

    Attributes:
        bentos: Name → tag.
        versions: Registered name, `<task>.<node>` → the version of it that is packaged.
        refused: Registered name → why its champion cannot be served.
        digests: Registered name → SHA-256 of the packaged version's file.
        kept: Registered name → the registry's champion, where the appointed version is packaged instead.
    """

    bentos: Mapping[str, str]
    versions: Mapping[str, str]
    refused: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)

    def nodes_of(self, tasks: Sequence[str]) -> dict[str, list[str]]:
        """Task → its nodes, for these tasks or for all."""
        nodes: dict[str, list[str]] = {}
        for model in sorted(self.versions):
            task, _, node = model.partition(".")
            if not tasks or task in tasks:
                nodes.setdefault(task, []).append(node)
        return nodes


class StepRecord:
    """Results of training's steps, valid as long as code, registry and BentoML's store do not change.

    A step imports scikit-learn, MLflow or BentoML, and each of them takes seconds on a small machine.

    Args:
        root: The project's folder.
        home: Concord's home folder, with the default registry.
    """

    def __init__(self, root: Path, home: Path) -> None:
        self._root, self._registry = root, home / REGISTRY
        self._file = home / "run" / "training.json"

    def read(self, step: str) -> Any:  # noqa: ANN401 - the step's own JSON
        """What the step gave last; None where that may have changed since."""
        entry = self._read_file().get(step)
        return entry["result"] if entry and entry["state"] == self._state() else None

    def write(self, step: str, result: Any) -> None:  # noqa: ANN401
        """Keeps what the step gives now."""
        state = self._state()
        if state is not None:
            private.make_folder(self._file.parent)
            entries = self._read_file() | {step: {"state": state, "result": result}}
            self._file.write_text(json.dumps(entries), "utf-8")

    def _read_file(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self._file.read_text("utf-8")))
        except (OSError, ValueError):
            return {}

    def _state(self) -> str | None:
        """A digest of when the files that steps read were written; None where the registry is a server."""
        if "MLFLOW_TRACKING_URI" in os.environ or not self._registry.exists():
            return None
        store = store_folder()
        code = (path for name in CODE for path in (self._root / name).rglob("*") if path.suffix != ".pyc")
        files = [self._registry, self._root / "uv.lock", *store.glob("*/*/latest"), *sorted(code)]
        stamps = [(str(file), file.stat().st_mtime_ns) for file in files if file.is_file()]
        return hashlib.sha256(repr(stamps).encode()).hexdigest()


class Preparation:
    """Runs the steps of `python -m training`.

    Args:
        root: The project's folder.
        home: Concord's home folder.
        stop: Set when the user stops the command.
    """

    def __init__(self, root: Path, home: Path, stop: threading.Event | None = None) -> None:
        self._environment, self._home = process_environment(root, home), home
        self._stop = stop or threading.Event()
        self._record = StepRecord(root, home)

    def fit(self, tasks: Sequence[str], data: Mapping[str, str], *, missing: bool) -> list[dict[str, Any]]:
        """Fits tasks, or only those of their nodes that lack a model; a task with data of its own always.

        A node that is missing and cannot be fitted stops no other: its result says why.

        Raises:
            CallerError: The user can mend it, such as a data file; with training's own words and code.
            TrainingError: Something could not be fitted.
        """
        sources = [f"--data={task}={source}" for task, source in data.items()]
        if "journal" in data.values() and "CONCORD_TOKEN" in os.environ:
            self._environment["CONCORD_TOKEN"] = os.environ["CONCORD_TOKEN"]
        if not missing:
            return list(self._run("fit", "--json", *tasks, *sources))
        results = self._run("fit", "--json", *data, *sources, takes_failures=True) if data else []
        rest = [task for task in tasks if task not in data]
        step = f"fit {','.join(sorted(rest))}"
        if (rest or not tasks) and not self._record.read(step):
            fitted = self._run("fit", "--json", "--missing", *rest, takes_failures=True)
            results += fitted
            if not any(result.get("error") for result in fitted):
                self._record.write(step, result=True)
        return list(results)

    def package(self, appointed: Mapping[str, AppointedVersion] | None = None) -> PackagedBentos:
        """Packages every champion and builds the bentos that are not as they should be.

        Args:
            appointed: Registered name → the version that the ledger has appointed; it is packaged instead.

        Raises:
            CallerError: The user can mend it; with training's own words and code.
            TrainingError: Something could not be packaged.
        """
        options = [
            f"--appointed={name}={version.number}@{version.digest}"
            for name, version in sorted((appointed or {}).items())
        ]
        step = " ".join(["package", *options])
        document = self._record.read(step)
        if document is None:
            document = self._run("package", "--json", *options)
            self._record.write(step, document)
        # A tag is NAME:VERSION, with a part of the run's id behind it where two registries share a store.
        versions = {
            name: tag.rpartition(":")[2].partition("-")[0] for name, tag in document["models"].items()
        }
        return PackagedBentos(
            document["bentos"],
            versions,
            document.get("refused", {}),
            document.get("digests", {}),
            document.get("kept", {}),
        )

    def models(self, step: str, *arguments: str) -> Any:  # noqa: ANN401
        """Runs a step of `python -m training models`; returns its JSON.

        Raises:
            CallerError: The user can mend it; with training's own words and code.
            TrainingError: The registry does not serve.
        """
        return self._run("models", step, *arguments, is_quiet=True)

    def report(self, task: str, report: bytes, source: str, url: str) -> dict[str, Any]:
        """Keeps a drift report in MLflow; returns where.

        Args:
            task: The task.
            report: The report as JSON.
            source: Where its rows are from, for people.
            url: Address of the consensus service, which knows units of tasks that are not trained here.

        Raises:
            CallerError: The user can mend it; with training's own words and code.
            TrainingError: The registry does not serve.
        """
        arguments = ("drift", task, "--from", "-", "--source", source, "--json")
        return dict(self._run(*arguments, is_quiet=True, data=report, variables={"CONCORD_URL": url}))

    def _run(
        self,
        *arguments: str,
        is_quiet: bool = False,
        takes_failures: bool = False,
        data: bytes | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> Any:  # noqa: ANN401 - the step's own JSON
        """Runs a step of training.

        Args:
            arguments: The step and its arguments.
            is_quiet: Keep its progress off the terminal; it is shown where the step fails without an error.
            takes_failures: Return a list of results although it holds errors.
            data: Its standard input.
            variables: What its environment has beside.
        """
        # Training would make the folder readable for everybody.
        private.make_folder(self._home)
        process = subprocess.Popen(
            tethered(python_command("-m", "training", *arguments)),
            stdin=None if data is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if is_quiet else None,
            env={**self._environment, **(variables or {})},
            start_new_session=True,
        )
        output, progress = self._communicate(process, data)
        if process.returncode and not (takes_failures and _failed_models(output)):
            if progress and not output:
                sys.stderr.write(progress.decode(errors="replace"))
            step = " ".join(argument for argument in arguments if argument != "--json")
            raise _failure(masked(f"python -m training {step}"), process.returncode, output)
        return json.loads(output)

    def _communicate(
        self, process: "subprocess.Popen[bytes]", data: bytes | None
    ) -> tuple[bytes, bytes | None]:
        """The process's standard output and standard error; it is ended where the user stops the command."""
        while True:
            try:
                return process.communicate(data, timeout=0.1)
            except subprocess.TimeoutExpired:
                data = None
                if self._stop.is_set():
                    process.send_signal(signal.SIGTERM)
                    try:
                        process.communicate(timeout=END_SECONDS)
                    except subprocess.TimeoutExpired:
                        process.kill()
                        process.communicate()
                    raise Stopped from None


def check_store() -> None:
    """Refuses a store of BentoML's that cannot be written, before anything is fitted.

    Raises:
        ConfigurationError: It cannot be.
    """
    fault = store_fault()
    if fault is not None:
        raise ConfigurationError(fault, field=VARIABLE)


def _failure(command: str, status: int, output: bytes) -> CallerError | TrainingError:
    """Training's own error, or one that names its exit code where it printed none."""
    try:
        document = json.loads(output)
    except ValueError:
        document = None
    match document:
        case {"error": {"message": str(message), "code": str(code), "field": field}}:
            kind = CallerError if status == USERS_MISTAKE else TrainingError
            return kind(message, field=field, code=code)
        case [*results]:
            failed = _failed_models(output)
            if failed:
                return TrainingError(f"{len(failed)} of {len(results)} models failed. {' '.join(failed)}")
    return TrainingError(f"`{command}` ended with exit code {status}; it says why above.")


def _failed_models(output: bytes) -> list[str]:
    """The models of a list of results that have none, each with its error."""
    try:
        document = json.loads(output)
    except ValueError:
        return []
    results = document if isinstance(document, list) else []
    return [f"{model}: {error}" for model, error in failures(results).items()]


def read_sources(pairs: Sequence[str]) -> dict[str, str]:
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
        sources[task] = (
            source if is_address(source) or _NAMED_SOURCE.fullmatch(source) else _find_file(source)
        )
    return sources


def _find_file(name: str) -> str:
    path = Path(name).expanduser()
    if not path.is_file():
        raise ConfigurationError(f"--data: there is no file {name}.", field="--data")
    return str(path.absolute())
