"""The ports on which `concord up` listens, and what to do where one is taken.

From a base of 7400: the consensus service at the base, nodes from base + 10, the page at base + 80,
MLflow's page at base + 90, Prometheus at base + 91, and for it the metrics of the two pages at base + 92
and base + 93. A port that people use is never changed without asking; nodes take the next free one.
"""

import contextlib
import errno
import socket
from dataclasses import dataclass, replace
from typing import Any, Final

from concord.errors import ConfigurationError

BASE: Final = 7400
STEP: Final = 100
"""Distance of the next base that is tried: past all ports of this one."""

NODES: Final = range(10, 80)


class PortTaken(ConfigurationError):
    """Something listens there already; `offer` is a base at which all is free, or None."""

    def __init__(self, message: str, offer: int | None) -> None:
        super().__init__(message, field="--port", code="port_taken")
        self.offer = offer


@dataclass(frozen=True)
class Ports:
    """The ports of one `concord up`.

    Attributes:
        host: The address on which the consensus service and the page listen.
        base: The consensus service's port.
        page: Whether the page is started.
        mlflow: Whether MLflow's page is started.
        monitoring: Whether a Prometheus is started, which scrapes the pages too.
    """

    host: str
    base: int = BASE
    page: bool = True
    mlflow: bool = True
    monitoring: bool = False

    @property
    def page_port(self) -> int:
        """Streamlit's."""
        return self.base + 80

    @property
    def mlflow_port(self) -> int:
        """MLflow's."""
        return self.base + 90

    @property
    def prometheus_port(self) -> int:
        """Prometheus'."""
        return self.base + 91

    @property
    def page_metrics_port(self) -> int:
        """Of the metrics of the page's process."""
        return self.base + 92

    @property
    def mlflow_metrics_port(self) -> int:
        """Of the metrics of MLflow's processes."""
        return self.base + 93

    @property
    def fixed(self) -> dict[str, int]:
        """The ports that do not move to the next free one, by what answers there."""
        ports = (
            (True, "the consensus service", self.base),
            (self.page, "the page", self.page_port),
            (self.mlflow, "MLflow's page", self.mlflow_port),
            (self.monitoring, "Prometheus", self.prometheus_port),
            (self.monitoring and self.page, "the page's metrics", self.page_metrics_port),
            (self.monitoring and self.mlflow, "MLflow's metrics", self.mlflow_metrics_port),
        )
        return {purpose: port for is_used, purpose, port in ports if is_used}

    def find_free(self, host: str, count: int) -> list[int]:
        """The first free ports for so many nodes.

        Raises:
            PortTaken: There are fewer.
        """
        free = (self.base + offset for offset in NODES if is_free(host, self.base + offset))
        ports = [port for port, _ in zip(free, range(count), strict=False)]
        if len(ports) < count:
            raise PortTaken(
                f"{count} nodes need ports, and only {len(ports)} are free from {self.base + NODES.start} "
                f"to {self.base + NODES.stop - 1}. Try `concord up --port {self.base + STEP}`.",
                self.base + STEP,
            )
        return ports


def check_ports(ports: Ports) -> None:
    """Checks that the ports that do not move are free.

    Raises:
        PortTaken: One is not; says by what, and which base is free.
    """
    for purpose, port in ports.fixed.items():
        if not is_free(ports.host, port):
            offer = _next_base(ports)
            remedy = f" Try `concord up --port {offer}`." if offer else ""
            raise PortTaken(f"Port {port}, for {purpose}, is taken{port_holder(port)}.{remedy}", offer)


def _next_base(ports: Ports) -> int | None:
    """The next base at which every port that does not move is free."""
    for base in range(ports.base + STEP, 65_000, STEP):
        if all(is_free(ports.host, port) for port in replace(ports, base=base).fixed.values()):
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
            probe.bind(address)
    except PermissionError:
        raise ConfigurationError(f"Port {port} may not be opened by this user.", field="--port") from None
    except (OSError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            return False
        raise ConfigurationError(
            f"{host} is no address of this machine ({error}).", field="--host"
        ) from error
    return True


def port_holder(port: int) -> str:
    """` by python3 (process 4711)`, where this user may know."""
    import psutil

    with contextlib.suppress(psutil.Error, OSError):
        connections: Any = psutil.net_connections("tcp")
        for connection in connections:
            if connection.status == "LISTEN" and connection.laddr.port == port and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    return ""
