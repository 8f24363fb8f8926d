"""CPU, memory and open files of a service that runs as several processes, added up.

`bentoml serve` is a supervisor and its workers; prometheus_client's own collector covers one process, and a
pod's limits are about the sum. A worker that has ended takes its seconds of CPU with it, which Prometheus
reads as a restarted counter. There are no values without /proc, nor of a process that may not be read.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from prometheus_client import ProcessCollector
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_WORKERS_FILE: Final = re.compile(r"_(\d+)\.db")
"""A worker's file of metrics: a kind, and its process id."""

_MINIMUM: Final = frozenset({"process_start_time_seconds", "process_max_fds"})
"""Metrics whose smallest value counts instead of the sum: the first start, and the lowest limit."""


class ServiceProcesses(Collector):
    """The usual `process_…` metrics, added up over processes.

    Args:
        pids: Returns the ids of the current processes.
    """

    def __init__(self, pids: Callable[[], Iterable[int]]) -> None:
        self._pids = pids

    def collect(self) -> Iterator[Metric]:
        """One value for each metric that any of the processes has."""
        families: dict[str, tuple[Metric, list[float]]] = {}
        for pid in self._pids():
            for family in _families(pid):
                samples = families.setdefault(family.name, (family, []))[1]
                samples.extend(sample.value for sample in family.samples)
        for name, (family, values) in families.items():
            value = min(values) if name in _MINIMUM else sum(values)
            family_class = CounterMetricFamily if family.type == "counter" else GaugeMetricFamily
            yield family_class(name, family.documentation, value=value)


def serving(folder: Path) -> list[int]:
    """The workers that have a file in their common folder and still run, and their supervisor."""
    workers = {int(match[1]) for path in folder.glob("*.db") if (match := _WORKERS_FILE.search(path.name))}
    return [pid for pid in sorted(workers | {os.getppid()}) if _is_ours(pid)]


def _families(pid: int) -> Iterable[Metric]:
    return ProcessCollector(pid=lambda: pid, registry=None).collect()


def _is_ours(pid: int) -> bool:
    """Whether it runs as this user; the parent of a worker that lost its supervisor does not."""
    try:
        return Path(f"/proc/{pid}").stat().st_uid == os.getuid()
    except OSError:
        return False
