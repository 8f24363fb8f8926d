"""Watches which versions the nodes of this machine are to serve, and brings changes in while they serve.

The consensus service writes the desired versions of a node to the file CONCORD_HOME/versions/NAME:
`{"champion": "8", "champion_digest": "9f…"}`. When it changes, the fetch step of a pod (`python -m
training.registry.fetch`) runs here as a process, then the supervisor replaces the node. A version that cannot
be fetched changes nothing and is tried again later.

Nothing is decided here, and a file is never written. It is removed at a start if its champion is not the
one that is packaged, because another was appointed while nothing ran.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from concord.cli.home import process_environment, python_command
from concord.cli.up.launcher import Launcher
from concord.cli.up.preparation import PackagedBentos
from concord.cli.up.processes import Handle, Program, last_lines
from concord.cli.up.reporter import BAD, OK, Reporter, short_path
from concord.cli.up.supervisor import Replaced
from concord.util import private_files as private

MOST_FETCHES: Final = 2
"""Fetches at a time; each imports MLflow's client, which is a second of one core."""

RETRY_SECONDS: Final = 60.0
"""Until a fetch that failed is tried again; it has itself waited for MLflow that long."""

CHAMPION: Final = "champion"
CHAMPION_DIGEST: Final = "champion_digest"
CHALLENGER: Final = "challenger"
REFUSED: Final = "refused"
"""As the fetch step names folders, and the note in place of a challenger that cannot be had."""

FAILED: Final = "fetch failed "
"""How the fetch step's last line begins; the reason follows."""


def read_desired(text: str) -> dict[str, str] | None:
    """Desired versions as role → version; None where the text is none, which the fetch step explains."""
    try:
        document = json.loads(text) if text.strip() else {}
    except ValueError:
        return None
    if not isinstance(document, dict):
        return None
    return {str(role): str(version) for role, version in document.items() if version is not None}


@dataclass
class VersionChange:
    """How far a node is with its desired versions, which are named by their file's text.

    Attributes:
        served: What it serves.
        fetching: What is being fetched.
        fetch: The step that fetches it.
        failed: What could not be fetched.
        due: When that is tried again.
    """

    served: str = ""
    fetching: str = ""
    fetch: Handle | None = None
    failed: str | None = None
    due: float = 0.0


class VersionWatcher:
    """The desired versions of the nodes of one `concord up`.

    Args:
        launcher: The home folder, the project, and the supervisor that replaces processes.
        registry: Where versions are fetched from, as MLFLOW_TRACKING_URI.
        packaged: The versions that are packaged, and the digests of their files.
        reporter: Reports what happens.
        clock: Seconds.
        run: Starts the fetch step: command, log, environment.
    """

    def __init__(
        self,
        launcher: Launcher,
        registry: str,
        packaged: PackagedBentos,
        reporter: Reporter,
        clock: Callable[[], float] = time.monotonic,
        run: Callable[[list[str], Path, Mapping[str, str]], Handle] = Program,
    ) -> None:
        self._home, self._root, self._supervisor = launcher.home, launcher.root, launcher.supervisor
        self._registry, self._packaged, self._digests = registry, packaged.versions, packaged.digests
        self._reporter, self._clock, self._run = reporter, clock, run
        self._changes: dict[str, VersionChange] = {}

    def prepare(self, names: Iterable[str]) -> None:
        """Prepares the start of the nodes: each finds its desired versions if they were fetched before."""
        private.make_folder(self._home.versions)
        for name in names:
            self._remove_outdated(name)
            text = self._read(name)
            change = self._changes[name] = VersionChange()
            to_fetch = self._to_fetch(name, text)
            if to_fetch == {}:
                shutil.rmtree(self._home.served(name), ignore_errors=True)
            if to_fetch is not None and self._is_fetched(name, to_fetch):
                change.served = text

    def check(self) -> None:
        """Notices files that have changed, and fetches that are over."""
        for name, change in self._changes.items():
            if change.fetch is not None:
                code = change.fetch.poll()
                if code is not None:
                    self._finish_fetch(name, change, code)
                continue
            text = self._read(name)
            if text != change.served and (text != change.failed or self._clock() >= change.due):
                self._bring_in(name, change, text)

    def report_replaced(self, replaced: Replaced) -> None:
        """Reports that a node's process was replaced, or could not be."""
        name = replaced.name
        served = self._changes[name].served
        if replaced.is_done:
            text = f"{OK} {name} serves {self._describe(name, served)}."
            self._reporter.report("replaced", text, name=name, entry=read_desired(served))
            return
        reason = (last_lines(replaced.log, 1) or ["It did not say why."])[0]
        self._reporter.report(
            "not_replaced",
            f"{BAD} {name} does not start with {self._describe(name, served)}; the old process goes on. "
            f"`concord models rollback {name}` goes back. {short_path(replaced.log)}:",
            reason,
            name=name,
            reason=reason,
        )

    def _bring_in(self, name: str, change: VersionChange, text: str) -> None:
        if sum(other.fetch is not None for other in self._changes.values()) >= MOST_FETCHES:
            return
        change.fetching = text
        to_fetch = self._to_fetch(name, text)
        if to_fetch == {}:
            shutil.rmtree(self._home.served(name), ignore_errors=True)
            self._serve(name, change)
            return
        change.fetch = self._start_fetch(name, text if to_fetch is None else json.dumps(to_fetch))
        self._reporter.report(
            "fetching", f"[dim]·[/] {name}: fetching {self._describe(name, text)} …", name=name
        )

    def _start_fetch(self, name: str, to_fetch: str) -> Handle:
        folder = self._home.folder / "run" / "versions"
        private.make_folder(folder)
        (folder / name).write_text(to_fetch, "utf-8")
        environment = process_environment(self._root, self._home.folder) | {
            "CONCORD_NODE": name,
            "CONCORD_VERSIONS": str(folder),
            "CONCORD_MODELS": str(self._home.served(name)),
            "MLFLOW_TRACKING_URI": self._registry,
        }
        command = python_command("-m", "training.registry.fetch")
        return self._run(command, self._home.log(f"{name}.fetch"), environment)

    def _finish_fetch(self, name: str, change: VersionChange, code: int) -> None:
        change.fetch = None
        if code:
            self._note_failure(name, change)
            return
        refused = self._home.served(name) / CHALLENGER / REFUSED
        if refused.exists():
            reason = refused.read_text("utf-8")
            text = f"[yellow]![/] {name}: the challenger cannot be had, and the champion goes on alone."
            self._reporter.report("challenger_refused", text, reason, name=name, reason=reason)
        self._serve(name, change)

    def _serve(self, name: str, change: VersionChange) -> None:
        change.served, change.failed = change.fetching, None
        self._supervisor.replace(name)

    def _note_failure(self, name: str, change: VersionChange) -> None:
        is_new = change.failed != change.fetching
        change.failed, change.due = change.fetching, self._clock() + RETRY_SECONDS
        if not is_new:
            return
        log = self._home.log(f"{name}.fetch")
        lines = last_lines(log)
        reasons = [line.removeprefix(FAILED) for line in lines if line.startswith(FAILED)] or lines
        reason = reasons[-1] if reasons else "It did not say why."
        self._reporter.report(
            "fetch_failed",
            f"{BAD} {name} goes on with what it serves; {self._describe(name, change.fetching)} cannot be "
            f"had. It is tried again every {RETRY_SECONDS:g} s. {short_path(log)}:",
            reason,
            name=name,
            reason=reason,
        )

    def _to_fetch(self, name: str, text: str) -> dict[str, str] | None:
        """The desired versions but a packaged champion; None where the text is none."""
        desired = read_desired(text)
        if desired and desired.get(CHAMPION) == self._packaged.get(name):
            digest = desired.get(CHAMPION_DIGEST)
            if digest is None or digest == self._digests.get(name, digest):
                desired = {key: value for key, value in desired.items() if not key.startswith(CHAMPION)}
        return desired

    def _is_fetched(self, name: str, to_fetch: Mapping[str, str]) -> bool:
        """Whether the folder holds all that is to be fetched, and nothing else."""
        folder = self._home.served(name)
        return all(
            _read_version(folder / role, name) == (to_fetch.get(role), to_fetch.get(f"{role}_digest"))
            for role in (CHAMPION, CHALLENGER)
        )

    def _remove_outdated(self, name: str) -> None:
        champion = (read_desired(self._read(name)) or {}).get(CHAMPION)
        packaged = self._packaged.get(name)
        if champion is not None and champion.isdecimal() and packaged not in (None, champion):
            (self._home.versions / name).unlink()
            text = (
                f"[dim]·[/] {name}: version {packaged} was appointed meanwhile, and not {champion}; "
                "it is served, without a challenger."
            )
            self._reporter.report("outdated", text, name=name, champion=packaged)

    def _read(self, name: str) -> str:
        try:
            # What is no text is left to the fetch step to explain.
            return (self._home.versions / name).read_text("utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def _describe(self, name: str, text: str) -> str:
        desired = read_desired(text) or {}
        champion = f"version {desired.get(CHAMPION) or self._packaged.get(name, 'packaged')}"
        challenger = desired.get(CHALLENGER)
        return f"{champion} with challenger {challenger}" if challenger else champion


def _read_version(folder: Path, name: str) -> tuple[str | None, str | None]:
    """Version and digest in a role's folder, by which the node checks the file; None if there is none."""
    try:
        info = json.loads((folder / "info.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None, None
    return (str(info.get("version")), info.get("digest")) if info.get("model") == name else (None, None)
