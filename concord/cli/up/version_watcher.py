"""Brings the versions that nodes of this machine are told to serve, while they go on serving.

What a node is to serve stands in the file CONCORD_HOME/versions/NAME, which the consensus service writes:
`{"champion": "8", "challenger": "9"}`. When it changes, the fetch step of a pod (`python -m training.registry.fetch`)
runs here as a process; then the supervisor starts the node anew beside the old process. A version that
cannot be had changes nothing: the reason is said and it is tried again later.

Nothing is decided here, and an entry is never written. One is removed, at a start: when its champion is
not the registry's any more, because models were trained or promoted while nothing ran.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from concord.cli.home import Home, environment, python
from concord.cli.up.processes import Handle, Program, last_lines
from concord.cli.up.reporter import BAD, OK, Reporter, shown
from concord.cli.up.supervisor import Kept, Supervisor
from concord.util import private_files as private

AT_ONCE: Final = 2
"""Fetches at a time; each imports MLflow's client, which is a second of one core."""

RETRY_SECONDS: Final = 60.0
"""Until a fetch that failed is tried again; it has itself waited for MLflow that long."""

CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
REFUSED: Final = "refused"
"""As the fetch step names folders and the note in place of a challenger that cannot be had."""

FAILED: Final = "fetch failed "
"""How the fetch step's last line begins; the reason follows."""


def wanted(text: str) -> dict[str, str] | None:
    """An entry as role → version; None where it is none, which the fetch step explains."""
    try:
        entry = json.loads(text) if text.strip() else {}
    except ValueError:
        return None
    if not isinstance(entry, dict):
        return None
    return {str(role): str(version) for role, version in entry.items() if version is not None}


@dataclass
class VersionChange:
    """How far one node is.

    Attributes:
        served: The entry's text that is dealt with.
        under_way: The text that is being fetched.
        fetch: The step that fetches it.
        failed: The text whose fetch failed.
        due: When that is tried again.
    """

    served: str = ""
    under_way: str = ""
    fetch: Handle | None = None
    failed: str | None = None
    due: float = 0.0


class VersionWatcher:
    """What the nodes of one `concord up` are to serve.

    Args:
        place: Home and logs.
        root: The project's folder.
        registry: Where versions are fetched from, as MLFLOW_TRACKING_URI.
        packaged: Registered name → the version that is packaged.
        supervisor: Who replaces processes.
        voice: Says what happens.
        clock: Seconds.
        run: Starts the fetch step: command, log, environment.
    """

    def __init__(
        self,
        place: Home,
        root: Path,
        registry: str,
        packaged: Mapping[str, str],
        supervisor: Supervisor,
        voice: Reporter,
        clock: Callable[[], float] = time.monotonic,
        run: Callable[[list[str], Path, Mapping[str, str]], Handle] = Program,
    ) -> None:
        self._place, self._root, self._registry, self._packaged = place, root, registry, packaged
        self._supervisor, self._voice, self._clock, self._run = supervisor, voice, clock, run
        self._nodes: dict[str, VersionChange] = {}

    def settle(self, names: Iterable[str]) -> None:
        """Has each node find what it is to serve, as far as it was fetched before; ahead of their start."""
        private.make_folder(self._place.versions)
        for name in names:
            self._drop_outdated(name)
            text = self._text(name)
            self._nodes[name] = VersionChange()
            if not self._order(name, text):
                shutil.rmtree(self._place.served(name), ignore_errors=True)
                self._nodes[name].served = text
            elif self._is_there(name, text):
                self._nodes[name].served = text

    def look(self) -> None:
        """Notices entries that have changed, and fetches that are over."""
        for name, swap in self._nodes.items():
            if swap.fetch is not None:
                code = swap.fetch.poll()
                if code is not None:
                    self._fetched(name, swap, code)
                continue
            text = self._text(name)
            if text != swap.served and (text != swap.failed or self._clock() >= swap.due):
                self._begin(name, swap, text)

    def replaced(self, one: Kept, *, is_done: bool) -> None:
        """Says that a node's process was replaced, or could not be."""
        if is_done:
            self._voice.say(
                "replaced",
                f"{OK} {one.name} serves {self._words(one.name)}.",
                name=one.name, entry=wanted(self._nodes[one.name].served),
            )  # fmt: skip
            return
        lines = last_lines(one.log, 1) or ["It did not say why."]
        self._voice.say(
            "not_replaced",
            f"{BAD} {one.name} does not start with {self._words(one.name)}; the old process goes on. "
            f"`concord models rollback {one.name}` goes back. {shown(one.log)}:",
            lines[0],
            name=one.name, reason=lines[0],
        )  # fmt: skip

    def _begin(self, name: str, swap: VersionChange, text: str) -> None:
        if sum(other.fetch is not None for other in self._nodes.values()) >= AT_ONCE:
            return
        swap.under_way = text
        order = self._order(name, text)
        if not order:
            shutil.rmtree(self._place.served(name), ignore_errors=True)
            self._serve(name, swap)
            return
        folder = self._place.home / "run" / "versions"
        private.make_folder(folder)
        (folder / name).write_text(order, "utf-8")
        env = environment(self._root, self._place.home) | {
            "CONCORD_NODE": name,
            "CONCORD_VERSIONS": str(folder),
            "CONCORD_MODELS": str(self._place.served(name)),
            "MLFLOW_TRACKING_URI": self._registry,
        }
        self._voice.say("fetching", f"[dim]·[/] {name}: fetching {self._words(name, text)} …", name=name)
        swap.fetch = self._run(python("-m", "training.registry.fetch"), self._place.log(f"{name}.fetch"), env)

    def _fetched(self, name: str, swap: VersionChange, code: int) -> None:
        swap.fetch = None
        if code:
            self._complain(name, swap)
            return
        refused = self._place.served(name) / CHALLENGER / REFUSED
        if refused.exists():
            reason = refused.read_text("utf-8")
            self._voice.say(
                "challenger_refused",
                f"[yellow]![/] {name}: the challenger cannot be had, and the champion goes on alone.",
                reason,
                name=name, reason=reason,
            )  # fmt: skip
        self._serve(name, swap)

    def _serve(self, name: str, swap: VersionChange) -> None:
        swap.served, swap.failed = swap.under_way, None
        self._supervisor.replace(name)

    def _complain(self, name: str, swap: VersionChange) -> None:
        is_new = swap.failed != swap.under_way
        swap.failed, swap.due = swap.under_way, self._clock() + RETRY_SECONDS
        log = self._place.log(f"{name}.fetch")
        lines = last_lines(log)
        said = [line.removeprefix(FAILED) for line in lines if line.startswith(FAILED)] or lines
        reason = said[-1] if said else "It did not say why."
        if is_new:
            self._voice.say(
                "fetch_failed",
                f"{BAD} {name} goes on with what it serves; "
                f"{self._words(name, swap.under_way)} cannot be had. "
                f"It is tried again every {RETRY_SECONDS:g} s. {shown(log)}:",
                reason,
                name=name, reason=reason,
            )  # fmt: skip

    def _order(self, name: str, text: str) -> str:
        """What is to be fetched for an entry: all but what is packaged; empty if that is nothing."""
        entry = wanted(text)
        if entry is None:
            return text
        needed = {
            role: version
            for role, version in entry.items()
            if (role, version) != (CHAMPION, self._packaged.get(name))
        }
        return json.dumps(needed) if needed else ""

    def _is_there(self, name: str, text: str) -> bool:
        """Whether the folder holds all that an entry asks for, and nothing else."""
        needed, folder = wanted(self._order(name, text)), self._place.served(name)
        if needed is None:
            return False
        return all(_version(folder / role, name) == needed.get(role) for role in (CHAMPION, CHALLENGER))

    def _drop_outdated(self, name: str) -> None:
        champion = (wanted(self._text(name)) or {}).get(CHAMPION)
        packaged = self._packaged.get(name)
        if champion is not None and champion.isdecimal() and packaged not in (None, champion):
            (self._place.versions / name).unlink()
            self._voice.say(
                "outdated",
                f"[dim]·[/] {name}: the registry's champion is version {packaged} by now, not {champion}; "
                "it is served, without a challenger.",
                name=name, champion=packaged,
            )  # fmt: skip

    def _text(self, name: str) -> str:
        try:
            # What is no text is no entry either, and is left to the fetch step to explain.
            return (self._place.versions / name).read_text("utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def _words(self, name: str, text: str | None = None) -> str:
        entry = wanted(self._nodes[name].served if text is None else text) or {}
        champion = f"version {entry.get(CHAMPION) or self._packaged.get(name, 'packaged')}"
        challenger = entry.get(CHALLENGER)
        return f"{champion} with challenger {challenger}" if challenger else champion


def _version(folder: Path, name: str) -> str | None:
    """The version in a role's folder; None if there is none."""
    try:
        info = json.loads((folder / "info.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return str(info.get("version")) if info.get("model") == name else None
