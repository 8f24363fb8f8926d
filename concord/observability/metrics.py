"""Every metric of every service, named once. Labels hold names from settings and schemas, never ids.

Metrics are made at import, in one registry a process. `render` serves them, and joins the workers'
files where the server runs several workers (`PROMETHEUS_MULTIPROC_DIR`). CPU, memory and open files are there
either way.
"""

import gc
import os
import time
from bisect import bisect_left
from collections import Counter as Counts
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from concord.observability import process_metrics

__all__ = ["CONTENT_TYPE_LATEST", "render", "watch_garbage_collection"]

_LATENCY: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_SHARES: Final = (0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99, 1.0)
_ROWS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)
_AGES: Final = (1, 10, 60, 600, 3600, 21_600, 86_400, 3 * 86_400, 7 * 86_400, 30 * 86_400, 90 * 86_400)

HTTP_REQUESTS = Counter("concord_http_requests_total", "Requests answered.", ["route", "method", "status"])
HTTP_SECONDS = Histogram("concord_http_seconds", "Whole request.", ["route"], buckets=_LATENCY)

ROUNDS = Counter("concord_rounds_total", "Rounds decided, by status.", ["task", "status"])
ROUND_SECONDS = Histogram("concord_round_seconds", "Whole round.", ["task"], buckets=_LATENCY)
OVERHEAD_SECONDS = Histogram(
    "concord_overhead_seconds", "Round minus the slowest node that counted.", ["task"], buckets=_LATENCY
)
AGREEMENT = Histogram(
    "concord_agreement", "Share of the weight behind the answer.", ["task"], buckets=_SHARES
)
NODE_SECONDS = Histogram(
    "concord_node_seconds",
    "A call to a node, with rows of one or more requests.",
    ["task", "node"],
    buckets=_LATENCY,
)
OUTCOMES = Counter("concord_outcomes_total", "What nodes did in rounds.", ["task", "node", "outcome"])
VOTES = Counter("concord_votes_total", "Valid votes, by the label they name.", ["task", "node", "label"])

LABELS = Counter(
    "concord_labels_total",
    "Labels that came in, by what became of them; unknown rounds have no task.",
    ["task", "status"],
)
LABEL_AGE = Histogram("concord_label_age_seconds", "From a round to its label.", ["task"], buckets=_AGES)

WEIGHT = Gauge(
    "concord_weight", "Weight in 0..1 if all nodes vote.", ["task", "node"], multiprocess_mode="max"
)
STAKE = Gauge("concord_stake", "Stake of durable blocks.", ["task", "node"], multiprocess_mode="max")
NODE_UP = Gauge("concord_node_up", "1 if the node is asked.", ["task", "node"], multiprocess_mode="max")
SKILL = Gauge(
    "concord_skill", "Faded mean score of the node's version.", ["task", "node"], multiprocess_mode="max"
)
REGRET = Gauge(
    "concord_regret",
    "Rounds lost against the mean; above 6 jails.",
    ["task", "node"],
    multiprocess_mode="max",
)
HIT_RATE = Gauge(
    "concord_hit_rate",
    "Share of its labelled rounds in which the node's version was right.",
    ["task", "node"],
    multiprocess_mode="max",
)
JAILED = Gauge("concord_jailed", "1 if the node is jailed.", ["task", "node"], multiprocess_mode="max")
PROBATION = Gauge(
    "concord_probation", "1 if the node is on probation.", ["task", "node"], multiprocess_mode="max"
)
JAIL_WITHHELD = Gauge(
    "concord_jail_withheld",
    "1 if the node is due to be jailed and too few would count without it.",
    ["task", "node"],
    multiprocess_mode="max",
)
LABELLED_ROUNDS = Gauge(
    "concord_labelled_rounds", "Labelled rounds that were settled.", ["task"], multiprocess_mode="max"
)
# The newest value counts of all workers', not the largest: what has drifted may come back.
DRIFT_ROWS = Gauge(
    "concord_drift_rows",
    "Live rows that were compared with those that were learned from.",
    ["task"],
    multiprocess_mode="mostrecent",
)
DRIFT_PSI = Gauge(
    "concord_drift_psi",
    "Population stability index of a feature's live rows against those that were learned from.",
    ["task", "feature"],
    multiprocess_mode="mostrecent",
)
DRIFT_SIGNIFICANT = Gauge(
    "concord_drift_significant",
    "1 if that difference is more than chance, at 1 % over all of the task's features and answers.",
    ["task", "feature"],
    multiprocess_mode="mostrecent",
)
DRIFT_ANSWERS_PSI = Gauge(
    "concord_drift_answers_psi",
    "Population stability index of a version's answers against those to the rows held out from its fit.",
    ["task", "node", "version"],
    multiprocess_mode="mostrecent",
)
DRIFT_ERRORS = Gauge(
    "concord_drift_errors",
    "Mean error of labelled rounds, now and before the newest change.",
    ["task", "stretch"],
    multiprocess_mode="mostrecent",
)
DRIFTED = Gauge(
    "concord_drifted",
    "1 if it has drifted: a feature, the target, a node's answers, or the errors, which have grown.",
    ["task", "kind", "name"],
    multiprocess_mode="mostrecent",
)
IMBALANCE = Gauge(
    "concord_imbalance",
    "Stake held less stake paid in and not out: always 0.",
    ["task"],
    multiprocess_mode="max",
)
DEBITS = Counter(
    "concord_debits_total",
    "Stake taken under wager from nodes, by whether they were right in the round; without levelling.",
    ["task", "right"],
)
SLASHES = Counter("concord_slashes_total", "Settlements that took stake from a node.", ["task", "node"])
SLASHED_STAKE = Counter("concord_slashed_stake_total", "Stake taken by settlements.", ["task", "node"])
LEDGER_HEIGHT = Gauge("concord_ledger_height", "Height of the newest block.", multiprocess_mode="max")
LEDGER_HEAD_BYTES = Gauge(
    "concord_ledger_head_bytes", "Size of the head that this replica wrote last.", multiprocess_mode="max"
)
LEDGER_WRITES = Counter("concord_ledger_head_writes_total", "Swaps of the ledger's head by this replica.")
LEDGER_CONFLICTS = Counter(
    "concord_ledger_conflicts_total", "Swaps that were lost to another replica, and tried again."
)
LEDGER_FAULTS = Counter("concord_ledger_faults_total", "Steps that failed because the store did not serve.")
LEDGER_ALARM = Gauge("concord_ledger_alarm", "1 if the chain is broken.", multiprocess_mode="max")

BATCH_ROWS = Histogram("concord_batch_rows", "Rows in one call to a node.", ["task", "node"], buckets=_ROWS)
WAITING_ROWS = Gauge("concord_waiting_rows", "Rows of requests under way.", multiprocess_mode="livesum")
JOURNAL_WAITING = Gauge(
    "concord_journal_waiting_rounds", "Rounds not yet durable.", multiprocess_mode="livesum"
)
JOURNAL_FAULTS = Counter("concord_journal_faults_total", "Failed writes to the journal.")

MODEL = Gauge(
    "concord_model",
    "1; which model this node serves.",
    ["model", "version", "run_id"],
    multiprocess_mode="max",
)
NODE_ROWS = Counter("concord_node_rows_total", "Rows answered by this node.", ["model"])
INFERENCE_SECONDS = Histogram("concord_inference_seconds", "Time in the model.", ["model"], buckets=_LATENCY)

GC_SECONDS = Histogram(
    "concord_gc_pause_seconds", "Pauses for garbage collection.", ["generation"], buckets=_LATENCY
)


_pauses: deque[tuple[int, float]] = deque(maxlen=10_000)
"""Pauses not counted yet. A collection can begin while a metric is locked, so it must not touch one."""


_counted: dict[Counter, int] = {}
"""Counts that have not reached their counters yet."""


def count(counter: Counter) -> None:
    """Adds 1 to a counter, cheaply: the counter itself hears of it when somebody reads the metrics.

    For what is counted several times a round; to be called from the event loop only.
    """
    _counted[counter] = _counted.get(counter, 0) + 1


_shown: dict[Gauge, float] = {}
"""Values that have not reached their gauges yet."""


def show(gauge: Gauge, value: float) -> None:
    """Sets a gauge as cheaply as `count` counts."""
    _shown[gauge] = value


_observed: dict[Histogram, list[float]] = {}
"""Values that have not reached their histograms yet."""

MOST_OBSERVED: Final = 1000
"""Values of a histogram that wait for a reader, at some 30 bytes each."""


def observe(histogram: Histogram, value: float) -> None:
    """Adds a value to a histogram as cheaply as `count` counts: its own `observe` takes four times that."""
    values = _observed.setdefault(histogram, [])
    values.append(value)
    if len(values) >= MOST_OBSERVED:
        _add(histogram, values)


def _add(histogram: Histogram, values: list[float]) -> None:
    """Does what the histogram's own `observe` would do with each, at once."""
    # It has no public way to take several; a test compares the two.
    bounds, buckets, total = histogram._upper_bounds, histogram._buckets, histogram._sum  # noqa: SLF001
    for bucket, times in Counts(bisect_left(bounds, value) for value in values).items():
        buckets[bucket].inc(times)
    total.inc(sum(values))
    values.clear()


_before_reading: list[Callable[[], None]] = []
"""What gathers counts in a way of its own."""


def before_reading(flush: Callable[[], None]) -> None:
    """Has what was gathered elsewhere brought to its metrics whenever somebody reads them."""
    _before_reading.append(flush)


def render() -> bytes:
    """All metrics in the text format that Prometheus reads."""
    for flush in _before_reading:
        flush()
    while _shown:
        gauge, value = _shown.popitem()
        gauge.set(value)
    while _counted:
        counter, times = _counted.popitem()
        counter.inc(times)
    while _pauses:
        generation, seconds = _pauses.popleft()
        GC_SECONDS.labels(str(generation)).observe(seconds)
    for histogram, values in _observed.items():
        _add(histogram, values)
    if folder := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        process_metrics.register(registry, Path(folder))
        return generate_latest(registry)
    return generate_latest(REGISTRY)


def watch_garbage_collection() -> None:
    """Measures pauses, and spares the collector what was made during start-up."""
    began = 0.0

    def on_collection(phase: str, info: dict[str, int]) -> None:
        nonlocal began
        if phase == "start":
            began = time.perf_counter()
        else:
            _pauses.append((info["generation"], time.perf_counter() - began))

    gc.callbacks.append(on_collection)
    gc.collect()
    gc.freeze()
    # Requests leave few cycles behind: small young collections are short, and old ones are rare.
    gc.set_threshold(2_000, 50, 1000)
