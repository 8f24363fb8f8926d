"""CPU, memory and open files of a service that runs as several processes, as one.

`bentoml serve` is a supervisor and its workers, and prometheus_client's own collector stands for one process
and is left out where workers share a folder of metrics. Here the processes are added up: what a pod's limits
are about is their sum. A worker that has ended takes its seconds of CPU with it, which Prometheus reads as a
counter that began anew. Nothing is told where there is no /proc, nor of a process that may not be read.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_WORKERS_FILE: Final = re.compile(r"_(\d+)\.db")
"""A worker's file of metrics: a kind, and its process id."""

_LEAST: Final = frozenset({"process_start_time_seconds", "process_max_fds"})
"""Of which the sum would say nothing: the eldest's start, and the narrowest limit."""


class ServiceProcesses(Collector):
    """The usual `process_…` metrics, added up over processes.

    Args:
        pids: Asks which processes there are now.
    """

    def __init__(self, pids: Callable[[], Iterable[int]]) -> None:
        self._pids = pids

    def collect(self) -> Iterator[Metric]:
        """One value for each metric that any of the processes has."""
        told: dict[str, tuple[Metric, list[float]]] = {}
        for pid in self._pids():
            for family in _of(pid):
                told.setdefault(family.name, (family, []))[1].extend(one.value for one in family.samples)
        for name, (family, values) in told.items():
            value = min(values) if name in _LEAST else sum(values)
            made = CounterMetricFamily if family.type == "counter" else GaugeMetricFamily
            yield made(name, family.documentation, value=value)


def serving(folder: Path) -> list[int]:
    """The workers that have a file in their common folder and still run, and the supervisor above them."""
    workers = {int(found[1]) for path in folder.glob("*.db") if (found := _WORKERS_FILE.search(path.name))}
    return [pid for pid in sorted(workers | {os.getppid()}) if _is_ours(pid)]


def _of(pid: int) -> Iterable[Metric]:
    return ProcessCollector(pid=lambda: pid, registry=None).collect()


def _is_ours(pid: int) -> bool:
    """Whether it runs as this user: a worker that lost its supervisor is the machine's first process's."""
    try:
        return Path(f"/proc/{pid}").stat().st_uid == os.getuid()
    except OSError:
        return False


def register(registry: CollectorRegistry, folder: Path) -> None:
    """Adds them to a registry that joins the files of a folder."""
    registry.register(ServiceProcesses(lambda: serving(folder)))
