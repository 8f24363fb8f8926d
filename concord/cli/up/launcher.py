"""Starts the processes of one `concord up`: nodes, the consensus service, pages for people, Prometheus."""

import ipaddress
import os
from collections.abc import Callable, Container
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from concord.cli.databases import REGISTRY
from concord.cli.home import Home, process_environment, python_command
from concord.cli.up.monitoring import prometheus_command, write_config
from concord.cli.up.plan import ANY, LOOPBACK, LaunchPlan
from concord.cli.up.ports import Ports
from concord.cli.up.processes import ForkServerProcess, Program
from concord.cli.up.supervisor import Supervisor
from concord.cli.up.tls import TlsFiles
from concord.util.sqlite_files import sqlite_url

NODES, CONSENSUS, PAGES = 0, 1, 2
"""Groups, ended from the highest to the lowest: who asks goes before who answers."""

PAGE: Final = Path("frontend/server.py")


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

    def start_consensus(
        self, plan: LaunchPlan, bento: str, registry: str | None, tls: TlsFiles | None = None
    ) -> None:
        """Starts the service that asks them, with the registry's address and a certificate if it has them."""
        address = ("--host", self.ports.host, "--port", str(self.ports.base))
        command = python_command("-m", "bentos.serve", bento, "--direct", *address)
        self._keep(
            "consensus", CONSENSUS, command, CONCORD_NODES=str(plan.file), MLFLOW_TRACKING_URI=registry,
            CONCORD_HOSTS=host_names(self.ports.host), **(tls.environment() if tls else {}),
        )  # fmt: skip

    def start_page(self, service: str, registry: str | None = None, prometheus: str | None = None) -> None:
        """Starts the page for people; it links MLflow and reads Prometheus where they run."""
        command = python_command(
            *("-m", "frontend", "--server.headless=true"),
            *(f"--server.address={self.ports.host}", f"--server.port={self.ports.page_port}"),
            "--server.fileWatcherType=none",
        )
        self._keep(
            "page", PAGES, self._exporting(command, self.ports.page_metrics_port),
            CONCORD_URL=service, MLFLOW_TRACKING_URI=registry, CONCORD_PROMETHEUS=prometheus,
            CONCORD_HOSTS=host_names(self.ports.host),
        )  # fmt: skip

    def start_mlflow(self, store: str) -> None:
        """Starts MLflow's page, which only people on this machine read, whatever the host."""
        port, artifacts = self.ports.mlflow_port, (self.home.folder / "mlartifacts").as_uri()
        command = python_command(
            *("-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
            *("--backend-store-uri", store, "--default-artifact-root", artifacts),
            # MLflow answers 403 to Host headers that it does not know.
            *("--allowed-hosts", f"localhost:{port},127.0.0.1:{port}"),
            *("--uvicorn-opts", "--http concord.http.connection:StreamingProtocol --no-server-header"),
        )
        # Otherwise it keeps a pool of workers for jobs, which Concord does not use: ten processes, not two.
        self._keep(
            "mlflow", PAGES, self._exporting(command, self.ports.mlflow_metrics_port),
            MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",
        )  # fmt: skip

    def start_prometheus(
        self, program: str, plan: LaunchPlan, pages: Container[str], *, has_tls: bool = False
    ) -> None:
        """Starts a Prometheus that scrapes the nodes, the service that asks them, and the pages that run."""
        service = (LOOPBACK if self.ports.host in ANY else self.ports.host, self.ports.base)
        nodes = {(node.task, node.node): (node.host, node.port) for node in plan.nodes}
        exporters = {"page": self.ports.page_metrics_port, "mlflow": self.ports.mlflow_metrics_port}
        metrics = {page: (LOOPBACK, port) for page, port in exporters.items() if page in pages}
        config = write_config(
            self.home.folder / "prometheus", self.root, service, nodes, metrics, has_tls=has_tls
        )
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


def host_names(host: str) -> str:
    """The names under which services are asked besides `localhost` and addresses.

    Those are what the environment states, and the host where that is a name.
    """
    stated = os.environ.get("CONCORD_HOSTS", "")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return ",".join(filter(None, [host, stated]))
    return stated


def page_path() -> str:
    """The path that Streamlit's own setting puts before the page, with a slash; empty without one."""
    path = os.environ.get("STREAMLIT_SERVER_BASE_URL_PATH", "").strip("/")
    return f"/{path}" if path else ""


def has_page(root: Path) -> bool:
    """Whether the page and what it needs are installed."""
    return (root / PAGE).exists() and find_spec("streamlit") is not None


def find_registry(home: Path, served: str | None) -> str:
    """Where versions are fetched from: the stated registry, the server that runs here, or the file."""
    return os.environ.get("MLFLOW_TRACKING_URI") or served or sqlite_url(home / REGISTRY)


def find_store(home: Path) -> str | None:
    """Where MLflow's page reads from; None where another server keeps the registry and has a page itself."""
    stated = os.environ.get("MLFLOW_TRACKING_URI")
    if stated and stated.startswith(("http:", "https:", "databricks")):
        return None
    return stated or sqlite_url(home / REGISTRY)
