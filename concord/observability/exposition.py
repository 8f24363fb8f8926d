"""What `/metrics` answers: the metrics of one part of the software, in the format that the scraper asks for.

Node and consensus service share the module of metrics, and a metric without labels is 0 from the start. So
each answers its own ones only, or every node would tell of a ledger that it has not.
"""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final, Literal

from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from concord.observability import metrics, process_metrics

Part = Literal["node", "consensus"]

_SHARED: Final = frozenset({"concord_gc_pause_seconds"})
_SERVER: Final = "concord_http_"
_OF_NODE: Final = frozenset({"concord_model", "concord_node_rows", "concord_inference_seconds"})
_OURS: Final = "concord_"


class PartOfMetrics(Collector):
    """The metrics of one part, beside those of Python and its processes.

    Args:
        part: The part.
        whole: All metrics of this process, or of its workers.
    """

    def __init__(self, part: Part, whole: Collector) -> None:
        self._is_node, self._whole = part == "node", whole

    def collect(self) -> Iterator[Metric]:
        """The metrics."""
        return (family for family in self._whole.collect() if self._has(family.name))

    def _has(self, name: str) -> bool:
        if name in _SHARED or name.startswith(_SERVER) or not name.startswith(_OURS):
            return True
        return (name in _OF_NODE) == self._is_node


def render(part: Part, accept: str | None = None) -> tuple[bytes, str]:
    """The metrics of a part, and the media type of their text.

    Workers' files are joined where the server runs several workers (`PROMETHEUS_MULTIPROC_DIR`).

    Args:
        part: The part that is asked.
        accept: Header `accept`; OpenMetrics if it names it, else Prometheus' text format.
    """
    metrics.count_gathered()
    return render_counted(part, accept)


def render_counted(part: Part, accept: str | None = None) -> tuple[bytes, str]:
    """`render` without what is gathered elsewhere; it may be called in a thread, as it takes some 10 ms."""
    chosen = PartOfMetrics(part, _registry())
    accepted = {media_range.partition(";")[0].strip().lower() for media_range in (accept or "").split(",")}
    if "application/openmetrics-text" in accepted:
        text: bytes = openmetrics.generate_latest(chosen)  # type: ignore[no-untyped-call]
        return text, openmetrics.CONTENT_TYPE_LATEST
    return generate_latest(chosen), CONTENT_TYPE_PLAIN_0_0_4


def _registry() -> CollectorRegistry:
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if not folder:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    registry.register(process_metrics.ServiceProcesses(partial(process_metrics.serving, Path(folder))))
    return registry
