"""Reads the service's `/metrics`: the counts that the live indicators need.

Prometheus's own parser reads the few hundred lines about calls and rounds, of some thousand. Text in
another format is refused.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from concord.errors import ServiceAway
from frontend.data import series
from frontend.data.series import CountKey, Sample

_STARTED: Final = "process_start_time_seconds"
_PLAIN: Final = (series.CALLS, series.AGREEMENT_SUM, series.AGREEMENT_COUNT)
_DETAILED: Final[Mapping[str, str]] = {
    series.ROUNDS: "status",
    series.LATENCY_BUCKET: "le",
    series.OVERHEAD_BUCKET: "le",
}
_READ: Final = (*_PLAIN, *_DETAILED, series.HTTP, _STARTED)
_PREDICTION: Final = re.compile(r".*/(predict|infer)")
"""Routes of predictions, as the rules of the service's objectives have them."""


def parse_sample(text: str, time: float) -> Sample:
    """What a process states at a moment.

    Args:
        text: Its metrics.
        time: When they were read, in seconds since the epoch.

    Raises:
        ServiceAway: It is no text of metrics, or of another service's.
    """
    process: float | None = None
    counts: dict[CountKey, float] = {}
    try:
        for name, labels, value in _lines(text):
            key = _key(name, labels)
            if name == _STARTED:
                process = value
            elif key is not None:
                counts[key] = counts.get(key, 0.0) + value
    except (ValueError, KeyError, IndexError) as error:
        raise ServiceAway("The service's metrics cannot be read.", field="CONCORD_URL") from error
    if f"# TYPE {series.HTTP} counter" not in text:
        raise ServiceAway("These metrics are not of a consensus service.", field="CONCORD_URL")
    return Sample(time, process, counts)


def _lines(text: str) -> Iterator[tuple[str, Mapping[str, str], float]]:
    lines = "\n".join(line for line in text.splitlines() if line.startswith(_READ))
    for family in text_string_to_metric_families(lines + "\n"):
        for sample in family.samples:
            if sample.name in _READ:
                yield sample.name, sample.labels, sample.value


def _key(name: str, labels: Mapping[str, str]) -> CountKey | None:
    if name in _PLAIN:
        return CountKey(name, labels["task"], "")
    if name in _DETAILED:
        return CountKey(name, labels["task"], labels[_DETAILED[name]])
    if name == series.HTTP and _PREDICTION.fullmatch(labels["route"]):
        return CountKey(name, "", "failed" if labels["status"].startswith("5") else "answered")
    return None
