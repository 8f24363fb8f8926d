"""One run of `concord up`: the steps from choosing ports to ending the last process."""

import logging
import os
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import Final

from concord.cli.appointed import AppointedVersion, appoint, choose_versions, read_appointed
from concord.cli.console import ask
from concord.cli.home import Home, find_project, read_settings
from concord.cli.text.fits import failures, summarise
from concord.cli.up.launcher import (
    Launcher,
    find_registry,
    find_store,
    has_page,
    host_names,
    page_path,
)
from concord.cli.up.log_files import rotate_all
from concord.cli.up.monitoring import find_prometheus
from concord.cli.up.plan import LOOPBACK, LaunchPlan, address, make_plan
from concord.cli.up.ports import Ports, PortTaken, check_ports
from concord.cli.up.preparation import (
    PackagedBentos,
    Preparation,
    Stopped,
    check_store,
    read_sources,
)
from concord.cli.up.readiness import PartProgress, Readiness
from concord.cli.up.reporter import BAD, OK, Reporter, short_path
from concord.cli.up.supervisor import Supervisor
from concord.cli.up.tls import TlsFiles
from concord.cli.up.version_watcher import VersionWatcher
from concord.cli.up.welcome import report_ready
from concord.errors import ConcordError, ServiceAway

READY_SECONDS: Final = 180
"""When waiting ends and what is not up is reported; a slow machine takes a third of it."""

MOST_ENDS: Final = 3
"""So many ends in a row before it was ever up mean that a process does not start."""

WATCH_SECONDS: Final = 0.5

SAME_SIGNAL_SECONDS: Final = 1.0
"""A second signal within this time is the first one once more; a later one kills what has not ended."""


_log = logging.getLogger(__name__)


@dataclass
class UpSession:
    """One run of `concord up`.

    Attributes:
        home: The home folder, whose lock is held.
        reporter: Reports what happens.
        tasks: The tasks to start; empty for all.
        sources: `TASK=SOURCE` of the tasks that have data of their own.
        ports: Where to listen, and which pages to start.
        tls: The certificate of the consensus service, if it speaks TLS.
    """

    home: Home
    reporter: Reporter
    tasks: tuple[str, ...]
    sources: tuple[str, ...]
    ports: Ports
    tls: TlsFiles | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    is_hurried: bool = False
    stopped: float = 0.0
    _service: str = ""
    """The consensus service's URL."""
    began: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        """Runs everything until Ctrl-C."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        root, data = find_project(), read_sources(self.sources)
        check_store()
        # Before anything is trained: what is missing is reported at once.
        prometheus = find_prometheus() if self.ports.monitoring else None
        self._choose_ports()
        self._choose_url()
        self._warn_of_host()
        supervisor = Supervisor(self.reporter.report_ended, self.reporter.report_restarted)
        launcher = Launcher(self.home, root, self.ports, supervisor)
        try:
            self._start_and_stay(launcher, data, prometheus)
        except Stopped:
            pass
        finally:
            self._end(launcher)

    def _start_and_stay(self, launcher: Launcher, data: dict[str, str], prometheus: str | None) -> None:
        supervisor = launcher.supervisor
        preparation = Preparation(launcher.root, self.home.folder, self.stop)
        fitted = self._fit(preparation, data)
        # The slowest to start goes first, and needs nothing but the registry.
        pages = self._start_pages(launcher)
        packaged = self._package(preparation, fitted)
        plan = make_plan(self.home, read_settings().nodes_file, packaged, self.tasks, self.ports)
        self._report_nodes_file(plan)
        registry = pages.get("mlflow")
        store = find_registry(self.home.folder, registry)
        watcher = VersionWatcher(launcher, store, packaged, self.reporter)
        supervisor.on_replaced = watcher.report_replaced
        watcher.prepare(node.name for node in plan.nodes)
        if prometheus:
            launcher.start_prometheus(prometheus, plan, pages, has_tls=self.tls is not None)
            pages["prometheus"] = address(LOOPBACK, self.ports.prometheus_port)
        launcher.start_nodes(plan, packaged.bentos["concord-node"])
        launcher.start_consensus(plan, packaged.bentos["concord-consensus"], registry, self.tls)
        self.reporter.report("started", f"[dim]·[/] Starting {len(supervisor.processes)} processes …")
        self._wait_until_ready(supervisor, plan, pages)
        self._stay(supervisor, watcher)

    def _choose_url(self) -> None:
        """Chooses the consensus service's URL, under which this machine's processes trust its certificate."""
        if self.tls is None:
            self._service = address(self.ports.host, self.ports.base)
            return
        self._service = address(self.tls.find_host(self.ports.host), self.ports.base, "https")
        os.environ["CONCORD_CA"] = str(self.tls.authority)

    def _choose_ports(self) -> None:
        while True:
            try:
                return check_ports(self.ports)
            except PortTaken as taken:
                if self.reporter.as_json or taken.offer is None:
                    raise
                if not ask(f"{taken.message} Use {taken.offer} now?"):
                    raise
                self.ports = replace(self.ports, base=taken.offer)

    def _warn_of_host(self) -> None:
        host = self.ports.host
        if host in {"127.0.0.1", "localhost", "::1"}:
            return
        settings = read_settings()
        asks = "who has a token that predicts" if settings.predict_access == "token" else "everyone"
        reads = {
            "token": "who has a token that reads",
            "open": "everyone",
            None: "everyone, until a token has the right,",
        }
        names = ["localhost", *host_names(host).replace(",", " ").split()]
        self.reporter.report(
            "warning",
            f"[yellow]![/] Listening on {host}. Of those who reach this machine {asks} can ask "
            f"(CONCORD_PREDICT), and {reads[settings.read_access]} can read rounds (CONCORD_READ). "
            f"It answers under its addresses and the names {', '.join(names)}; CONCORD_HOSTS adds others.",
            message=f"Who reaches {host} can use this installation.",
            hosts=names,
        )

    def _fit(self, preparation: Preparation, data: dict[str, str]) -> dict[str, AppointedVersion]:
        """Fits what is missing or has data of its own; returns the versions that were made of the latter."""
        self.reporter.report(
            "training", "[dim]·[/] Training the models that are missing …", tasks=list(self.tasks)
        )
        results = preparation.fit(self.tasks, data, missing=True)
        for model, error in failures(results).items():
            text = f"{BAD} {model} could not be fitted; what is there without it is served."
            self.reporter.report("not_fitted", text, model=model, message=error)
        lines = summarise(results) or ([] if results else ["No model is missing."])
        text = "\n".join(f"{OK} {line}" for line in lines)
        fitted = [result["model"] for result in results if not result.get("error")]
        self.reporter.report("trained", text, models=fitted)
        return {
            result["model"]: AppointedVersion(result["version"], result["digest"])
            for result in results
            if not result.get("error") and result["model"].partition(".")[0] in data
        }

    def _package(self, preparation: Preparation, fitted: Mapping[str, AppointedVersion]) -> PackagedBentos:
        appointed = self._read_appointed()
        for model in fitted.keys() & appointed.keys():
            appoint("promote", model, fitted[model], "fitted by `concord up --data`")
        packaged = preparation.package(choose_versions(appointed, fitted))
        for model, champion in packaged.kept.items():
            if model in packaged.versions:
                self._report_kept(model, champion, packaged.versions[model])
        for model, reason in packaged.refused.items():
            text = f"{BAD} {model} is not served; the others are."
            self.reporter.report("not_packaged", text, reason, model=model, message=reason)
        text = f"{OK} {len(packaged.versions)} models are packaged."
        self.reporter.report("packaged", text, bentos=dict(packaged.bentos))
        return packaged

    def _read_appointed(self) -> dict[str, AppointedVersion]:
        try:
            return read_appointed()
        except ConcordError as error:
            text = f"{BAD} The ledger cannot be read, so the registry's champions are served: {error.message}"
            self.reporter.report("warning", text, message=error.message)
            return {}

    def _report_kept(self, model: str, champion: str, served: str) -> None:
        """Reports that the registry's champion is not the version that the ledger has."""
        remedy = f"`concord models promote {model} {champion}` accepts it."
        text = (
            f"[yellow]![/] {model}: the registry's champion is version {champion}, which nobody has "
            f"appointed; version {served} is served. {remedy}"
        )
        _log.warning("champion not appointed", extra={"model": model, "champion": champion, "served": served})
        self.reporter.report("kept", text, model=model, champion=champion, served=served, message=remedy)

    def _report_nodes_file(self, plan: LaunchPlan) -> None:
        if plan.is_edited:
            text = f"{OK} {short_path(plan.file)} was edited by hand and is followed."
            self.reporter.report("nodes_file", text, file=str(plan.file))
        if plan.unused:
            text = f"[yellow]![/] It does not name {', '.join(plan.unused)}."
            self.reporter.report("unused", text, models=list(plan.unused))

    def _start_pages(self, launcher: Launcher) -> dict[str, str]:
        """Starts the pages for people; returns their URLs by name."""
        ports, pages = self.ports, {}
        store = find_store(self.home.folder)
        registry = address(LOOPBACK, ports.mlflow_port) if ports.mlflow and store else None
        if ports.page and not has_page(launcher.root):
            self.reporter.report(
                "warning", "[yellow]![/] There is no page: `uv sync --group frontend` installs it."
            )
        elif ports.page:
            prometheus = address(LOOPBACK, ports.prometheus_port) if ports.monitoring else None
            launcher.start_page(self._service, registry, prometheus)
            pages["page"] = address(ports.host, ports.page_port) + page_path()
        if store and registry:
            launcher.start_mlflow(store)
            pages["mlflow"] = registry
        return pages

    def _wait_until_ready(self, supervisor: Supervisor, plan: LaunchPlan, pages: dict[str, str]) -> None:
        self._write_state(supervisor, pages)

        def goes_on() -> bool:
            supervisor.check()
            failing = {process.name for process in supervisor.processes if process.times >= MOST_ENDS}
            if "consensus" in failing:
                raise ServiceAway(
                    f"The consensus service does not start; {self.home.log('consensus')} says why."
                )
            return not self.stop.is_set() and not failing

        readiness = Readiness(self._service, plan.tasks, pages)
        missing = readiness.wait(self.reporter, goes_on, READY_SECONDS)
        if self.stop.is_set():
            raise Stopped
        self._write_state(supervisor, pages)
        self._report_missing(missing)
        seconds = time.monotonic() - self.began
        report_ready(self.reporter, self.home, self._service, pages, list(plan.tasks), seconds)

    def _write_state(self, supervisor: Supervisor, pages: dict[str, str]) -> None:
        processes = supervisor.pids()
        tls = {"ca": str(self.tls.authority)} if self.tls else {}
        state = {"pid": os.getpid(), "url": self._service, **tls, **pages, "processes": processes}
        self.home.write_state(state)

    def _report_missing(self, missing: list[PartProgress]) -> None:
        logs = short_path(self.home.folder / "logs")
        for part in missing:
            text = f"{BAD} {part.name}: {part.up} of {part.total} up. See {logs}."
            self.reporter.report("not_up", text, name=part.name, up=part.up, of=part.total)

    def _stay(self, supervisor: Supervisor, watcher: VersionWatcher) -> None:
        while not self.stop.wait(WATCH_SECONDS):
            before = supervisor.pids()
            watcher.check()
            supervisor.check()
            rotate_all(self.home.folder / "logs")
            if supervisor.pids() != before and self.home.state_file.exists():
                self.home.write_state({**self.home.read_state(), "processes": supervisor.pids()})

    def _end(self, launcher: Launcher) -> None:
        has_started = bool(launcher.supervisor.processes)
        if has_started:
            self.reporter.report("stopping", "[dim]·[/] Stopping …")
        for name in launcher.stop(lambda: self.is_hurried):
            text = f"[yellow]![/] {name} did not end by itself and was killed."
            self.reporter.report("killed", text, name=name)
        if has_started or self.stop.is_set():
            self.reporter.report("stopped", f"{OK} Stopped.")

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        # One Ctrl-C can arrive twice: from the terminal, and from a `uv run` that hands it on.
        now = time.monotonic()
        self.is_hurried = self.stop.is_set() and now - self.stopped > SAME_SIGNAL_SECONDS
        self.stopped = self.stopped if self.stop.is_set() else now
        self.stop.set()
