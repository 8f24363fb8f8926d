"""Which ports `concord up` listens on, and what to do where one is taken.

From a base of 7400: the consensus service at the base, nodes from base + 10, the page at base + 80,
MLflow's page at base + 90, Prometheus at base + 91, and for it the metrics of the two pages at base + 92
and base + 93. A port that people use is never changed without asking;
a node's port is nobody's business, so nodes take the next free one.
"""

import contextlib
import errno
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from concord.errors import ConfigurationError

BASE: Final = 7400
STEP: Final = 100
"""Distance of the next base that is tried: past all ports of this one."""

NODES: Final = range(10, 80)
PAGE: Final = 80
MLFLOW: Final = 90
PROMETHEUS: Final = 91
PAGE_METRICS: Final = 92
MLFLOW_METRICS: Final = 93


class PortTaken(ConfigurationError):
    """Something listens there already; `offer` is a base at which all is free, or None."""

    def __init__(self, message: str, offer: int | None) -> None:
        super().__init__(message, field="--port", code="port_taken")
        self.offer = offer


@dataclass(frozen=True)
class Ports:
    """The ports of one installation on one machine."""

    host: str
    base: int = BASE

    @property
    def consensus(self) -> int:
        """The API's."""
        return self.base

    @property
    def page(self) -> int:
        """Streamlit's."""
        return self.base + PAGE

    @property
    def mlflow(self) -> int:
        """MLflow's."""
        return self.base + MLFLOW

    @property
    def prometheus(self) -> int:
        """Prometheus'."""
        return self.base + PROMETHEUS

    @property
    def page_metrics(self) -> int:
        """Of the page's process, where a Prometheus runs."""
        return self.base + PAGE_METRICS

    @property
    def mlflow_metrics(self) -> int:
        """Of MLflow's processes, where a Prometheus runs."""
        return self.base + MLFLOW_METRICS

    def people(self, *, page: bool, mlflow: bool, monitoring: bool = False) -> dict[str, int]:
        """The ports that people use, by what answers there."""
        wanted = {"the consensus service": self.consensus}
        if page:
            wanted["the page"] = self.page
        if mlflow:
            wanted["MLflow's page"] = self.mlflow
        if monitoring:
            wanted["Prometheus"] = self.prometheus
            wanted |= {"the page's metrics": self.page_metrics} if page else {}
            wanted |= {"MLflow's metrics": self.mlflow_metrics} if mlflow else {}
        return wanted

    def nodes(self, count: int) -> list[int]:
        """The first free ports for so many nodes.

        Raises:
            PortTaken: There are fewer.
        """
        free = (self.base + offset for offset in NODES if is_free(self.host, self.base + offset))
        found = [port for port, _ in zip(free, range(count), strict=False)]
        if len(found) < count:
            raise PortTaken(
                f"{count} nodes need ports, and only {len(found)} are free from {self.base + NODES.start} "
                f"to {self.base + NODES.stop - 1}. Try `concord up --port {self.base + STEP}`.",
                self.base + STEP,
            )
        return found


def check(ports: Ports, *, page: bool, mlflow: bool, monitoring: bool = False) -> None:
    """Finds out whether the ports that people use are free.

    Raises:
        PortTaken: One is not; says by what, and which base is free.
    """
    for what, port in ports.people(page=page, mlflow=mlflow, monitoring=monitoring).items():
        if not is_free(ports.host, port):
            offer = next_base(ports, page=page, mlflow=mlflow, monitoring=monitoring)
            remedy = f" Try `concord up --port {offer}`." if offer else ""
            raise PortTaken(f"Port {port}, for {what}, is taken{holder(port)}.{remedy}", offer)


def next_base(ports: Ports, *, page: bool, mlflow: bool, monitoring: bool = False) -> int | None:
    """The next base at which everything that people use is free."""
    for base in range(ports.base + STEP, 65_000, STEP):
        other = Ports(ports.host, base)
        wanted = other.people(page=page, mlflow=mlflow, monitoring=monitoring)
        if all(is_free(ports.host, port) for port in wanted.values()):
            return base
    return None


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there.

    Raises:
        ConfigurationError: The host is none of this machine's addresses.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # As servers do: a connection that is still being closed does not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except PermissionError:
                raise ConfigurationError(
                    f"Port {port} may not be opened by this user.", field="--port"
                ) from None
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL:
                    raise
                return False
    except (OSError, OverflowError) as error:
        raise ConfigurationError(
            f"{host} is no address of this machine ({error}).", field="--host"
        ) from error
    return True


def holder(port: int) -> str:
    """` by python3 (process 4711)`, where this user may know."""
    import psutil

    with contextlib.suppress(psutil.Error, OSError):
        for found in _listening(psutil.net_connections("tcp")):
            if found.laddr.port == port and found.pid:
                return f" by {psutil.Process(found.pid).name()} (process {found.pid})"
    return ""


def _listening(connections: Iterable[Any]) -> Iterable[Any]:
    return (found for found in connections if found.status == "LISTEN")
