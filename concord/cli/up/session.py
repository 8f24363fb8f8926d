"""`concord up`: trains what is missing, starts everything, waits until it answers, and stays with it."""

import os
import signal
import threading
import time
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final

import click

from concord.cli.console import Command, ask, json_option
from concord.cli.home import Home, project, settings
from concord.cli.up import launch, monitoring
from concord.cli.up.ports import BASE, Ports, PortTaken, check
from concord.cli.up.preparation import Packaged, Preparation, Stopped, read_data, summary
from concord.cli.up.processes import ForkServerProcess
from concord.cli.up.readiness import Part, Readiness, home_of
from concord.cli.up.reporter import BAD, OK, Reporter, shown
from concord.cli.up.supervisor import Supervisor
from concord.cli.up.version_watcher import VersionWatcher
from concord.errors import ServiceAway

READY_SECONDS: Final = 180
"""When waiting gives way to saying what is not up; a slow machine takes a third of it."""

HOPELESS: Final = 3
"""So many ends in a row before it was ever up mean that a part does not start."""

WATCH_SECONDS: Final = 0.5


@click.command("up", cls=Command, short_help="Train, start and run everything on this machine.")
@click.argument("tasks", nargs=-1, metavar="[TASK]...")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=BASE,
    show_default=True,
    type=click.IntRange(1, 65_000),
    help="The consensus service's port; nodes listen from 10 above it, the page 80, MLflow's page 90.",
)
@click.option(
    "--data",
    "files",
    multiple=True,
    metavar="TASK=SOURCE",
    help="Train a task from your own rows: a CSV file, or URL#table of a database. Repeatable.",
)
@click.option("--no-page", "page", flag_value=False, default=True, help="Without the page for people.")
@click.option("--no-mlflow", "mlflow", flag_value=False, default=True, help="Without MLflow's page.")
@click.option(
    "--monitoring",
    is_flag=True,
    help="With the Prometheus that is on the PATH, 91 above the port: metrics, recorded and alerted on.",
)
@json_option
def up(**options: Any) -> None:  # noqa: ANN401 - click's parameters
    """Train what is missing, start everything on this machine, and stay until Ctrl-C.

    Without TASK all tasks are started. The first start trains and packages the models, which takes
    a minute; later ones take what is there. Everything is kept in CONCORD_HOME (.concord), with a
    log for each process in its folder logs.

    \b
    Examples:
      concord up
      concord up iris --no-mlflow
      concord up loan_default --data loan_default=loan_data.csv
      concord up --port 8400
      concord up --monitoring
    """
    place = Home(settings().home)
    with place.held():
        _Up(place, Reporter(as_json=options["as_json"]), options).run()


SAME_SIGNAL_SECONDS: Final = 1.0
"""A second signal within this time is the first one once more; a later one kills what has not ended."""


@dataclass
class _Up:
    """One run.

    Attributes:
        place: The home folder, whose lock is held.
        voice: Says what happens.
        options: The command's.
    """

    place: Home
    voice: Reporter
    options: dict[str, Any]
    stop: threading.Event = field(default_factory=threading.Event)
    impatient: bool = False
    stopped: float = 0.0
    began: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        """Everything, from the ports to the end."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        root, data = project(), read_data(self.options["files"])
        # Before anything is trained: what is missing is to be said at once.
        prometheus = monitoring.program() if self.options["monitoring"] else None
        ports = self._ports()
        self._warn(ports)
        supervisor = Supervisor(self.voice.ended, self.voice.started_again)
        start = launch.Launch(self.place, root, ports, supervisor, is_monitored=prometheus is not None)
        nursery = None
        try:
            preparation = Preparation(root, self.place.home, self.stop)
            self._fit(preparation, data)
            # The slowest to start goes first, and needs nothing but the registry.
            pages = self._start_pages(start)
            packaged = self._package(preparation)
            plan = launch.plan(self.place, settings().nodes_file, packaged, self.options["tasks"], ports)
            self._explain(plan)
            registry = home_of(pages["mlflow"]) if "mlflow" in pages else None
            store = launch.registry(self.place.home, registry)
            swaps = VersionWatcher(self.place, root, store, packaged.versions, supervisor, self.voice)
            supervisor.tell_replaced = swaps.replaced
            swaps.settle(one.name for one in plan.nodes)
            if prometheus:
                start.prometheus(prometheus, plan, pages)
                pages["prometheus"] = launch.address(launch.LOOPBACK, ports.prometheus) + "/-/ready"
            nursery = start.nodes(plan, packaged.bentos["concord-node"])
            start.consensus(plan, packaged.bentos["concord-consensus"], registry)
            self.voice.say("started", f"[dim]·[/] Starting {len(supervisor.kept)} processes …")
            self._wait(supervisor, ports, plan, pages)
            self._stay(supervisor, swaps)
        except Stopped:
            pass
        finally:
            self._end(supervisor, nursery)

    def _ports(self) -> Ports:
        ports = Ports(self.options["host"], self.options["port"])
        while True:
            try:
                wanted = {name: self.options[name] for name in ("page", "mlflow", "monitoring")}
                check(ports, **wanted)
            except PortTaken as taken:
                if (
                    self.voice.as_json
                    or taken.offer is None
                    or not ask(f"{taken.message} Use {taken.offer} now?")
                ):
                    raise
                ports = Ports(ports.host, taken.offer)
            else:
                return ports

    def _warn(self, ports: Ports) -> None:
        if ports.host not in {"127.0.0.1", "localhost", "::1"}:
            self.voice.say(
                "warning",
                f"[yellow]![/] Listening on {ports.host}: everyone who reaches this machine can ask, "
                "and read all rounds with their features. There is no password.",
                message=f"Everyone who reaches {ports.host} can use this installation.",
            )

    def _fit(self, preparation: Preparation, data: dict[str, str]) -> None:
        tasks = self.options["tasks"]
        self.voice.say("training", "[dim]·[/] Training the models that are missing …", tasks=list(tasks))
        results = preparation.fit(tasks, data, missing=True)
        lines = summary(results) or ["No model is missing."]
        self.voice.say(
            "trained", "\n".join(f"{OK} {line}" for line in lines), models=[r["model"] for r in results]
        )

    def _package(self, preparation: Preparation) -> Packaged:
        packaged = preparation.package()
        self.voice.say(
            "packaged", f"{OK} {len(packaged.models)} models are packaged.", bentos=dict(packaged.bentos)
        )
        return packaged

    def _explain(self, plan: launch.LaunchPlan) -> None:
        if plan.is_edited:
            self.voice.say(
                "nodes_file",
                f"{OK} {shown(plan.file)} was edited by hand and is followed.",
                file=str(plan.file),
            )
        if plan.unused:
            names = ", ".join(plan.unused)
            self.voice.say("unused", f"[yellow]![/] It does not name {names}.", models=list(plan.unused))

    def _start_pages(self, start: launch.Launch) -> dict[str, str]:
        """Starts the pages for people; returns their health paths by name."""
        ports, pages = start.ports, {}
        store = launch.mlflow_store(self.place.home)
        registry = launch.address("127.0.0.1", ports.mlflow) if self.options["mlflow"] and store else None
        if self.options["page"] and not launch.has_page(start.root):
            self.voice.say(
                "warning", "[yellow]![/] There is no page: `uv sync --group frontend` installs it."
            )
        elif self.options["page"]:
            watched = self.options["monitoring"]
            prometheus = launch.address(launch.LOOPBACK, ports.prometheus) if watched else None
            start.page(launch.address(ports.host, ports.consensus), registry, prometheus)
            pages["page"] = launch.address(ports.host, ports.page) + "/_stcore/health"
        if store and registry:
            start.mlflow(store)
            pages["mlflow"] = registry + "/health"
        return pages

    def _wait(
        self, supervisor: Supervisor, ports: Ports, plan: launch.LaunchPlan, pages: dict[str, str]
    ) -> None:
        service = launch.address(ports.host, ports.consensus)
        self._note(supervisor, service, pages)

        def carry_on() -> bool:
            supervisor.look()
            hopeless = {one.name for one in supervisor.kept if one.times >= HOPELESS}
            if "consensus" in hopeless:
                raise ServiceAway(
                    f"The consensus service does not start; {self.place.log('consensus')} says why."
                )
            return not self.stop.is_set() and not hopeless

        missing = Readiness(service, plan.tasks, pages).wait(self.voice, carry_on, READY_SECONDS)
        if self.stop.is_set():
            raise Stopped
        self._note(supervisor, service, pages)
        self._announce(service, pages, missing, plan)

    def _note(self, supervisor: Supervisor, service: str, pages: dict[str, str]) -> None:
        urls = {name: home_of(url) for name, url in pages.items()}
        self.place.note({"pid": os.getpid(), "url": service, **urls, "processes": supervisor.pids()})

    def _announce(
        self, service: str, pages: dict[str, str], missing: list[Part], plan: launch.LaunchPlan
    ) -> None:
        from concord.cli.up.welcome import welcome

        for part in missing:
            self.voice.say(
                "not_up",
                f"{BAD} {part.name}: {part.up} of {part.of} up. See {shown(self.place.home / 'logs')}.",
                name=part.name, up=part.up, of=part.of,
            )  # fmt: skip
        welcome(self.voice, self.place, service, pages, list(plan.tasks), time.monotonic() - self.began)

    def _stay(self, supervisor: Supervisor, swaps: VersionWatcher) -> None:
        while not self.stop.wait(WATCH_SECONDS):
            before = supervisor.pids()
            swaps.look()
            supervisor.look()
            if supervisor.pids() != before and self.place.state.exists():
                self.place.note({**self.place.running(), "processes": supervisor.pids()})

    def _end(self, supervisor: Supervisor, nursery: ForkServerProcess | None) -> None:
        if supervisor.kept:
            self.voice.say("stopping", "[dim]·[/] Stopping …")
        killed = supervisor.stop(lambda: self.impatient)
        if nursery is not None:
            nursery.end()
        for name in killed:
            self.voice.say("killed", f"[yellow]![/] {name} did not end by itself and was killed.", name=name)
        if supervisor.kept or self.stop.is_set():
            self.voice.say("stopped", f"{OK} Stopped.")

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        # One Ctrl-C can arrive twice: from the terminal, and from a `uv run` that hands it on.
        now = time.monotonic()
        self.impatient = self.stop.is_set() and now - self.stopped > SAME_SIGNAL_SECONDS
        self.stopped = self.stopped if self.stop.is_set() else now
        self.stop.set()
