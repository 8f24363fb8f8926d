"""Which processes make up one `concord up`: nodes, the consensus service, pages for people, Prometheus.

Only nodes of this machine are started: a node whose URL in an edited `nodes.toml` points elsewhere is asked
by the service and left to its operator.
"""

import os
import tomllib
from collections import Counter
from collections.abc import Callable, Container
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from concord.cli.home import Home, process_environment, python_command
from concord.cli.up import nodes_file
from concord.cli.up.monitoring import prometheus_command, write_config
from concord.cli.up.ports import Ports, PortTaken, is_free, port_holder
from concord.cli.up.preparation import PackagedBentos
from concord.cli.up.processes import ForkServerProcess, Program
from concord.cli.up.supervisor import Supervisor
from concord.errors import ConfigurationError, UnknownName

NODES, CONSENSUS, PAGES = 0, 1, 2
"""Groups, ended from the highest to the lowest: who asks goes before who answers."""

LOOPBACK: Final = "127.0.0.1"
"""Where nodes listen, whatever the host: only the consensus service asks them."""

ANY: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not bound
"""Hosts that mean every address of this machine."""

PAGE: Final = Path("frontend/app.py")


@dataclass(frozen=True)
class LocalNode:
    """A node that is started here."""

    task: str
    node: str
    host: str
    port: int

    @property
    def name(self) -> str:
        """The registered name of its model."""
        return f"{self.task}.{self.node}"


@dataclass(frozen=True)
class LaunchPlan:
    """The nodes that are started, and the file that names them.

    Attributes:
        file: The nodes file that the consensus service reads.
        nodes: The nodes to start.
        is_edited: Whether the file is a person's.
        unused: Packaged models that such a file does not name.
    """

    file: Path
    nodes: tuple[LocalNode, ...]
    is_edited: bool = False
    unused: tuple[str, ...] = ()

    @property
    def tasks(self) -> dict[str, int]:
        """Task → how many nodes of it are started."""
        return Counter(node.task for node in self.nodes)


def make_plan(
    home: Home, file: Path, packaged: PackagedBentos, tasks: tuple[str, ...], ports: Ports
) -> LaunchPlan:
    """Gives every packaged node a port and writes the nodes file, or follows the one that a person wrote.

    Raises:
        UnknownName: A task has no packaged model.
        ConfigurationError: A person's file is wrong, or a port that it names is taken.
    """
    models = packaged.nodes_of(tasks)
    for task in tasks:
        if task not in models:
            known = ", ".join(packaged.nodes_of(())) or "none"
            raise UnknownName(
                f"There is no model for task {task!r}; there are models for {known}.", field=task
            )
    if nodes_file.is_edited(file):
        return _follow_edited(home, file, packaged, tasks)
    pairs = [(task, node) for task, names in models.items() for node in names]
    free = ports.find_free(LOOPBACK, len(pairs))
    nodes = tuple(
        LocalNode(task, node, LOOPBACK, port) for (task, node), port in zip(pairs, free, strict=True)
    )
    urls: dict[str, dict[str, str]] = {}
    for node in nodes:
        urls.setdefault(node.task, {})[node.node] = address(node.host, node.port)
    nodes_file.write_nodes(file, urls)
    return LaunchPlan(file, nodes)


def _follow_edited(home: Home, file: Path, packaged: PackagedBentos, tasks: tuple[str, ...]) -> LaunchPlan:
    from concord.settings import NodesFile

    declared = {
        task: section.nodes
        for task, section in NodesFile.load(file).tasks.items()
        if not tasks or task in tasks
    }
    for task in tasks:
        if task not in declared:
            raise ConfigurationError(
                f"{file} was edited by hand and has no section [tasks.{task}.nodes].", field=task
            )
    nodes = [
        LocalNode(task, node, *local)
        for task, urls in declared.items()
        for node, url in urls.items()
        if (local := nodes_file.local_address(url)) and f"{task}.{node}" in packaged.models
    ]
    for node in nodes:
        if not is_free(node.host, node.port):
            raise PortTaken(
                f"Port {node.port}, which {file} gives to {node.name}, is taken{port_holder(node.port)}. "
                "Change it there, or delete the file to have it written anew.",
                None,
            )
    unused = tuple(
        f"{task}.{name}"
        for task, names in packaged.nodes_of(tasks).items()
        for name in names
        if name not in declared.get(task, {})
    )
    copy = _copy_sections(home, file, tasks) if tasks else file
    return LaunchPlan(copy, tuple(nodes), is_edited=True, unused=unused)


def _copy_sections(home: Home, file: Path, tasks: tuple[str, ...]) -> Path:
    """A copy of a person's file with these tasks only, for one run."""
    sections = tomllib.loads(file.read_text("utf-8"))["tasks"]
    copy = home.folder / "run" / "nodes.toml"
    copy.write_text(
        "".join(
            nodes_file.render_section(
                task,
                {name: value for name, value in sections[task].items() if name != "nodes"},
                sections[task]["nodes"],
            )
            for task in tasks
        ),
        "utf-8",
    )
    return copy


@dataclass
class Launcher:
    """Starts the processes of a plan under a supervisor.

    Attributes:
        home: The home folder.
        root: The project's folder.
        ports: Where each process listens, and which of them are started.
        supervisor: What keeps them running.
        fork_server: The process that forks the nodes, once they are started.
    """

    home: Home
    root: Path
    ports: Ports
    supervisor: Supervisor
    fork_server: ForkServerProcess | None = None

    def start_nodes(self, plan: LaunchPlan, bento: str) -> None:
        """Starts all nodes, as forks of one process."""
        environment = process_environment(self.root, self.home.folder)
        self.fork_server = ForkServerProcess(bento, self.home.log("nodes"), environment)
        for node in plan.nodes:
            log, served = self.home.log(node.name), self.home.served(node.name)
            start = partial(self.fork_server.start, node.name, node.host, node.port, log, served)
            self.supervisor.keep(node.name, NODES, start, log)

    def start_consensus(self, plan: LaunchPlan, bento: str, registry: str | None) -> None:
        """Starts the service that asks them, with the registry's address if it has one."""
        address = ("--host", self.ports.host, "--port", str(self.ports.base))
        command = python_command("-m", "bentos.serve", bento, "--direct", *address)
        self._keep(
            "consensus", CONSENSUS, command, CONCORD_NODES=str(plan.file), MLFLOW_TRACKING_URI=registry
        )

    def start_page(self, service: str, registry: str | None = None, prometheus: str | None = None) -> None:
        """Starts the page for people; it links MLflow and reads Prometheus where they run."""
        command = python_command(
            *("-m", "streamlit", "run", str(self.root / PAGE), "--server.headless=true"),
            *(f"--server.address={self.ports.host}", f"--server.port={self.ports.page_port}"),
            "--server.fileWatcherType=none",
        )
        self._keep(
            "page", PAGES, self._exporting(command, self.ports.page_metrics_port),
            CONCORD_URL=service, MLFLOW_TRACKING_URI=registry, CONCORD_PROMETHEUS=prometheus,
        )  # fmt: skip

    def start_mlflow(self, store: str) -> None:
        """Starts MLflow's page, which only people on this machine read, whatever the host."""
        port, artifacts = self.ports.mlflow_port, (self.home.folder / "mlartifacts").as_uri()
        command = python_command(
            *("-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
            *("--backend-store-uri", store, "--default-artifact-root", artifacts),
            # MLflow answers 403 to Host headers that it does not know.
            *("--allowed-hosts", f"localhost:{port},127.0.0.1:{port}"),
        )
        # Otherwise it keeps a pool of workers for jobs, which Concord does not use: ten processes, not two.
        self._keep(
            "mlflow", PAGES, self._exporting(command, self.ports.mlflow_metrics_port),
            MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",
        )  # fmt: skip

    def start_prometheus(self, program: str, plan: LaunchPlan, pages: Container[str]) -> None:
        """Starts a Prometheus that scrapes the nodes, the service that asks them, and the pages that run."""
        service = (LOOPBACK if self.ports.host in ANY else self.ports.host, self.ports.base)
        nodes = {(node.task, node.node): (node.host, node.port) for node in plan.nodes}
        exporters = {"page": self.ports.page_metrics_port, "mlflow": self.ports.mlflow_metrics_port}
        metrics = {page: (LOOPBACK, port) for page, port in exporters.items() if page in pages}
        config = write_config(self.home.folder / "prometheus", self.root, service, nodes, metrics)
        command = prometheus_command(program, config, self.ports.prometheus_port)
        self._keep("prometheus", PAGES, command)

    def _exporting(self, command: list[str], port: int) -> list[str]:
        """The command, with its processes' metrics at a port if a Prometheus runs."""
        if not self.ports.monitoring:
            return command
        return [*python_command("-m", "concord.observability.exporter", f"{LOOPBACK}:{port}"), *command]

    def _keep(self, name: str, group: int, command: list[str], **variables: str | None) -> None:
        log = self.home.log(name)
        environment = process_environment(self.root, self.home.folder)
        environment |= {variable: value for variable, value in variables.items() if value is not None}
        self.supervisor.keep(name, group, lambda: Program(command, log, environment), log)

    def stop(self, is_hurried: Callable[[], bool]) -> list[str]:
        """Ends all processes; returns the names of those that had to be killed."""
        killed = self.supervisor.stop(is_hurried)
        if self.fork_server is not None:
            self.fork_server.end()
        return killed


def has_page(root: Path) -> bool:
    """Whether the page and what it needs are installed."""
    return (root / PAGE).exists() and find_spec("streamlit") is not None


def find_registry(home: Path, served: str | None) -> str:
    """Where versions are fetched from: the stated registry, the server that runs here, or the file."""
    return os.environ.get("MLFLOW_TRACKING_URI") or served or f"sqlite:///{home / 'mlflow.db'}"


def find_store(home: Path) -> str | None:
    """Where MLflow's page reads from; None where another server keeps the registry and has a page itself."""
    stated = os.environ.get("MLFLOW_TRACKING_URI")
    if stated and stated.startswith(("http:", "https:", "databricks")):
        return None
    return stated or f"sqlite:///{home / 'mlflow.db'}"


def address(host: str, port: int) -> str:
    """The URL under which this machine reaches what listens there."""
    if host in ANY:
        host = LOOPBACK
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
