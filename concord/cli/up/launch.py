"""Which processes make up one installation: nodes, the consensus service, pages for people, Prometheus.

Nothing is started from a file of the operator's that is not on this machine: a node whose URL in
`nodes.toml` points elsewhere is asked by the service and left to whoever runs it.
"""

import os
from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from concord.cli.home import Home, environment, python
from concord.cli.up import nodes_file as nodesfile
from concord.cli.up.monitoring import Monitoring
from concord.cli.up.ports import Ports, PortTaken, holder, is_free
from concord.cli.up.preparation import Packaged
from concord.cli.up.processes import ForkServerProcess, Program
from concord.cli.up.supervisor import Supervisor
from concord.errors import ConfigurationError, UnknownName

NODES, CONSENSUS, PAGES = 0, 1, 2
"""Groups, ended from the highest to the lowest: who asks goes before who answers."""

LOOPBACK: Final = "127.0.0.1"
"""Where nodes listen, whatever the host: only the consensus service has business with them."""

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
    """What is started.

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
        counts: dict[str, int] = {}
        for node in self.nodes:
            counts[node.task] = counts.get(node.task, 0) + 1
        return counts


def plan(place: Home, file: Path, packaged: Packaged, tasks: tuple[str, ...], ports: Ports) -> LaunchPlan:
    """Gives every packaged node a port and writes the nodes file, or follows the one that a person wrote.

    Raises:
        UnknownName: A task has no packaged model.
        ConfigurationError: A person's file is wrong, or a port that it names is taken.
    """
    wanted = packaged.of(tasks)
    for task in tasks:
        if task not in wanted:
            known = ", ".join(packaged.of(())) or "none"
            raise UnknownName(
                f"There is no model for task {task!r}; there are models for {known}.", field=task
            )
    if nodesfile.is_edited(file):
        return _follow(place, file, packaged, tasks)
    names = [(task, node) for task, nodes in wanted.items() for node in nodes]
    free = replace(ports, host=LOOPBACK).nodes(len(names))
    nodes = tuple(
        LocalNode(task, node, LOOPBACK, port) for (task, node), port in zip(names, free, strict=True)
    )
    nodesfile.write(file, _urls(nodes))
    return LaunchPlan(file, nodes)


def _follow(place: Home, file: Path, packaged: Packaged, tasks: tuple[str, ...]) -> LaunchPlan:
    from concord.settings import NodesFile

    declared = {
        task: found.nodes for task, found in NodesFile.load(file).tasks.items() if not tasks or task in tasks
    }
    for task in tasks:
        if task not in declared:
            raise ConfigurationError(
                f"{file} was edited by hand and has no section [tasks.{task}.nodes].", field=task
            )
    models = set(packaged.models)
    nodes = []
    for task, urls in declared.items():
        for node, url in urls.items():
            here = nodesfile.port_here(url)
            if here and f"{task}.{node}" in models:
                nodes.append(LocalNode(task, node, *here))
    for one in nodes:
        if not is_free(one.host, one.port):
            raise PortTaken(
                f"Port {one.port}, which {file} gives to {one.name}, is taken{holder(one.port)}. "
                "Change it there, or delete the file to have it written anew.",
                None,
            )
    chosen = packaged.of(tasks)
    unused = [
        f"{task}.{node}" for task in chosen for node in chosen[task] if node not in declared.get(task, {})
    ]
    return LaunchPlan(
        _part(place, file, tasks) if tasks else file, tuple(nodes), is_edited=True, unused=tuple(unused)
    )


def _part(place: Home, file: Path, tasks: tuple[str, ...]) -> Path:
    """A copy of a person's file with these tasks only, for one run."""
    import tomllib

    document = tomllib.loads(file.read_text("utf-8"))
    lines: list[str] = []
    for task in tasks:
        section = dict(document["tasks"][task])
        nodes = section.pop("nodes")
        lines.append(f"[tasks.{nodesfile.key(task)}]")
        lines += [f"{name} = {nodesfile.value(value)}" for name, value in section.items()]
        lines.append(f"[tasks.{nodesfile.key(task)}.nodes]")
        lines += [f"{nodesfile.key(node)} = {nodesfile.value(url)}" for node, url in nodes.items()]
    copy = place.home / "run" / "nodes.toml"
    copy.write_text("\n".join(lines) + "\n", "utf-8")
    return copy


@dataclass(frozen=True)
class Launch:
    """Starts the processes of a plan under a supervisor.

    Attributes:
        place: Home and logs.
        root: The project's folder.
        ports: Where each listens.
        supervisor: Who keeps them running.
        is_monitored: Whether a Prometheus is started too, for which pages tell their processes' metrics.
    """

    place: Home
    root: Path
    ports: Ports
    supervisor: Supervisor
    is_monitored: bool = False

    def nodes(self, plan: LaunchPlan, bento: str) -> ForkServerProcess:
        """All nodes, as forks of one parent."""
        nursery = ForkServerProcess(bento, self.place.log("nodes"), environment(self.root, self.place.home))
        for one in plan.nodes:
            log, served = self.place.log(one.name), self.place.served(one.name)
            start = partial(nursery.start, one.name, one.host, one.port, log, served)
            self.supervisor.keep(one.name, NODES, start, log)
        return nursery

    def consensus(self, plan: LaunchPlan, bento: str, registry: str | None) -> None:
        """The service that asks them, and the registry's address if it has one."""
        host, port = self.ports.host, str(self.ports.consensus)
        command = python("-m", "bentos.serve", bento, "--direct", "--host", host, "--port", port)
        known = {"MLFLOW_TRACKING_URI": registry} if registry else {}
        self._keep("consensus", CONSENSUS, command, {"CONCORD_NODES": str(plan.file), **known})

    def page(self, service: str, registry: str | None = None, prometheus: str | None = None) -> None:
        """The page for people, and where MLflow and Prometheus answer if they run."""
        options = {
            "server.address": self.ports.host,
            "server.port": str(self.ports.page),
            "server.headless": "true",
            "server.fileWatcherType": "none",
        }
        command = python("-m", "streamlit", "run", str(self.root / PAGE))
        known = {"MLFLOW_TRACKING_URI": registry} if registry else {}
        known |= {"CONCORD_PROMETHEUS": prometheus} if prometheus else {}
        command += [f"--{k}={v}" for k, v in options.items()]
        measured = self._measured(command, self.ports.page_metrics)
        self._keep("page", PAGES, measured, {"CONCORD_URL": service, **known})

    def mlflow(self, store: str) -> None:
        """MLflow's page, which is read by people on this machine only, whatever the host."""
        port = self.ports.mlflow
        command = python(
            *("-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
            *(
                "--backend-store-uri",
                store,
                "--default-artifact-root",
                (self.place.home / "mlartifacts").as_uri(),
            ),
            # MLflow answers 403 to Host headers that it does not know.
            *("--allowed-hosts", f"localhost:{port},127.0.0.1:{port}"),
        )
        # Without this it keeps a pool of workers for jobs that nobody has: ten processes instead of two.
        measured = self._measured(command, self.ports.mlflow_metrics)
        self._keep("mlflow", PAGES, measured, {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"})

    def prometheus(self, program: str, plan: LaunchPlan, pages: Container[str]) -> None:
        """A Prometheus that scrapes the nodes, the service that asks them, and the pages that run."""
        files = Monitoring(self.place, self.root)
        service = (LOOPBACK if self.ports.host in ANY else self.ports.host, self.ports.consensus)
        nodes = {(one.task, one.node): (one.host, one.port) for one in plan.nodes}
        measured = {"page": self.ports.page_metrics, "mlflow": self.ports.mlflow_metrics}
        files.write(service, nodes, {name: (LOOPBACK, measured[name]) for name in measured if name in pages})
        command = files.command(program, self.ports.prometheus)
        self._keep("prometheus", PAGES, command, {})

    def _measured(self, command: list[str], port: int) -> list[str]:
        """The command, with its processes' metrics at a port where a Prometheus runs."""
        if not self.is_monitored:
            return command
        return [*python("-m", "concord.observability.exporter", f"{LOOPBACK}:{port}"), *command]

    def _keep(self, name: str, group: int, command: list[str], extra: Mapping[str, str]) -> None:
        log = self.place.log(name)
        env = {**environment(self.root, self.place.home), **extra}
        self.supervisor.keep(name, group, lambda: Program(command, log, env), log)


def has_page(root: Path) -> bool:
    """Whether the page and what it needs are installed."""
    return (root / PAGE).exists() and find_spec("streamlit") is not None


def registry(home: Path, served: str | None) -> str:
    """Where versions are fetched from: the stated registry, the server that runs here, or the file."""
    return os.environ.get("MLFLOW_TRACKING_URI") or served or f"sqlite:///{home / 'mlflow.db'}"


def mlflow_store(home: Path) -> str | None:
    """Where MLflow's page reads from; None where another server keeps the registry and has a page itself."""
    stated = os.environ.get("MLFLOW_TRACKING_URI")
    if stated and stated.startswith(("http:", "https:", "databricks")):
        return None
    return stated or f"sqlite:///{home / 'mlflow.db'}"


def _urls(nodes: tuple[LocalNode, ...]) -> dict[str, dict[str, str]]:
    urls: dict[str, dict[str, str]] = {}
    for one in nodes:
        urls.setdefault(one.task, {})[one.node] = f"http://{_in_url(one.host)}:{one.port}"
    return urls


def _in_url(host: str) -> str:
    if host in ANY:
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def address(host: str, port: int) -> str:
    """The URL under which this machine reaches what listens there."""
    return f"http://{_in_url(host)}:{port}"
