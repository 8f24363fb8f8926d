"""All metrics of node and consensus service; labels hold names from settings and schemas, never ids.

They are made at import, in one registry a process; `concord.observability.exposition` writes those of a part.
"""

import gc
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

# When a series began is told by no other series: that doubles what is stored, and rates don't need it.
disable_created_metrics()  # type: ignore[no-untyped-call]

_LATENCY: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_SHARES: Final = (0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99, 1.0)
_ROWS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)
_AGES: Final = (1, 10, 60, 600, 3600, 21_600, 86_400, 3 * 86_400, 7 * 86_400, 30 * 86_400, 90 * 86_400)

_gauge = partial(Gauge, multiprocess_mode="max")
_newest_gauge = partial(Gauge, multiprocess_mode="mostrecent")
"""Of several workers the newest value counts, not the largest: what has drifted may come back."""

_OF_NODE: Final = ("task", "node")

HTTP_REQUESTS = Counter("concord_http_requests_total", "Requests answered.", ["route", "method", "status"])
HTTP_SECONDS = Histogram("concord_http_seconds", "Whole request.", ["route"], buckets=_LATENCY)
HTTP_REFUSED = Counter(
    "concord_http_refused_total", "Requests and connections refused before the application.", ["code"]
)
HTTP_CONNECTIONS = Gauge("concord_http_connections", "Connections open.", multiprocess_mode="livesum")
RATE_REFUSALS = Counter(
    "concord_rate_refusals_total", "Requests refused because one caller asks too much, by limit.", ["limit"]
)
HOST_REFUSALS = Counter("concord_host_refusals_total", "Requests refused for the name in their Host.")

ROUNDS = Counter("concord_rounds_total", "Rounds decided, by status.", ["task", "status"])
ROUND_SECONDS = Histogram("concord_round_seconds", "Whole round.", ["task"], buckets=_LATENCY)
OVERHEAD_SECONDS = Histogram(
    "concord_overhead_seconds", "Round minus the slowest node that counted.", ["task"], buckets=_LATENCY
)
AGREEMENT = Histogram(
    "concord_agreement", "Share of the weight behind the answer.", ["task"], buckets=_SHARES
)
NODE_SECONDS = Histogram(
    "concord_node_seconds", "A call to a node, with rows of one or more requests.", _OF_NODE, buckets=_LATENCY
)
OUTCOMES = Counter("concord_outcomes_total", "What nodes did in rounds.", ["task", "node", "outcome"])
VOTES = Counter("concord_votes_total", "Valid votes, by the label they name.", ["task", "node", "label"])

LABELS = Counter(
    "concord_labels_total",
    "Labels that came in, by what became of them; unknown rounds have no task.",
    ["task", "status"],
)
LABEL_AGE = Histogram("concord_label_age_seconds", "From a round to its label.", ["task"], buckets=_AGES)

WEIGHT = _gauge("concord_weight", "Weight in 0..1 if all nodes vote.", _OF_NODE)
STAKE = _gauge("concord_stake", "Stake of durable blocks.", _OF_NODE)
NODE_UP = _gauge("concord_node_up", "1 if the node is asked.", _OF_NODE)
SKILL = _gauge("concord_skill", "Faded mean score of the node's version.", _OF_NODE)
REGRET = _gauge("concord_regret", "Rounds lost against the mean; above 6 jails.", _OF_NODE)
HIT_RATE = _gauge(
    "concord_hit_rate", "Share of its labelled rounds in which the node's version was right.", _OF_NODE
)
JAILED = _gauge("concord_jailed", "1 if the node is jailed.", _OF_NODE)
PROBATION = _gauge("concord_probation", "1 if the node is on probation.", _OF_NODE)
JAIL_WITHHELD = _gauge(
    "concord_jail_withheld", "1 if the node is due to be jailed and too few would count without it.", _OF_NODE
)
LABELLED_ROUNDS = _gauge("concord_labelled_rounds", "Labelled rounds that were settled.", ["task"])
DRIFT_ROWS = _newest_gauge(
    "concord_drift_rows", "Live rows that were compared with those that were learned from.", ["task"]
)
DRIFT_PSI = _newest_gauge(
    "concord_drift_psi",
    "Population stability index of a feature's live rows against those that were learned from.",
    ["task", "feature"],
)
DRIFT_SIGNIFICANT = _newest_gauge(
    "concord_drift_significant",
    "1 if that difference is more than chance, at 1 % over all of the task's features and answers.",
    ["task", "feature"],
)
DRIFT_ANSWERS_PSI = _newest_gauge(
    "concord_drift_answers_psi",
    "Population stability index of a version's answers against those to the rows held out from its fit.",
    ["task", "node", "version"],
)
DRIFT_ERRORS = _newest_gauge(
    "concord_drift_errors",
    "Mean error of labelled rounds, now and before the newest change.",
    ["task", "stretch"],
)
DRIFTED = _newest_gauge(
    "concord_drifted",
    "1 if it has drifted: a feature, the target, a node's answers, or the errors, which have grown.",
    ["task", "kind", "name"],
)
IMBALANCE = _gauge("concord_imbalance", "Stake held less stake paid in and not out: always 0.", ["task"])
DEBITS = Counter(
    "concord_debits_total",
    "Stake taken under wager from nodes, by whether they were right in the round; without levelling.",
    ["task", "right"],
)
SLASHES = Counter("concord_slashes_total", "Settlements that took stake from a node.", _OF_NODE)
SLASHED_STAKE = Counter("concord_slashed_stake_total", "Stake taken by settlements.", _OF_NODE)
LEDGER_HEIGHT = _gauge("concord_ledger_height", "Height of the newest block.")
LEDGER_HEAD_BYTES = _gauge("concord_ledger_head_bytes", "Size of the head that this replica wrote last.")
LEDGER_WRITES = Counter("concord_ledger_head_writes_total", "Swaps of the ledger's head by this replica.")
LEDGER_CONFLICTS = Counter(
    "concord_ledger_conflicts_total", "Swaps that were lost to another replica, and tried again."
)
LEDGER_FAULTS = Counter("concord_ledger_faults_total", "Steps that failed because the store did not serve.")
LEDGER_ALARM = _gauge("concord_ledger_alarm", "1 if the chain is broken.")

BATCH_ROWS = Histogram("concord_batch_rows", "Rows in one call to a node.", _OF_NODE, buckets=_ROWS)
WAITING_ROWS = Gauge("concord_waiting_rows", "Rows of requests under way.", multiprocess_mode="livesum")
JOURNAL_WAITING = Gauge(
    "concord_journal_waiting_rounds", "Rounds not yet durable.", multiprocess_mode="livesum"
)
JOURNAL_FAULTS = Counter("concord_journal_faults_total", "Failed writes to the journal.")
CLOCK_AHEAD = _gauge("concord_clock_ahead_seconds", "The clock ahead of what heartbeats confirmed.")

MODEL = _gauge("concord_model", "1; which model this node serves.", ["model", "version", "run_id"])
NODE_ROWS = Counter("concord_node_rows_total", "Rows answered by this node.", ["model"])
INFERENCE_SECONDS = Histogram("concord_inference_seconds", "Time in the model.", ["model"], buckets=_LATENCY)

GC_SECONDS = Histogram(
    "concord_gc_pause_seconds", "Pauses for garbage collection.", ["generation"], buckets=_LATENCY
)


_pauses: deque[tuple[int, float]] = deque(maxlen=10_000)
"""Pauses not counted yet. A collection can begin while a metric is locked, so it must not touch one."""


_before_reading: list[Callable[[], None]] = []
"""Functions that add gathered counts to their metrics."""


def before_reading(flush: Callable[[], None]) -> None:
    """Has a function called before the metrics are read, to add counts that were gathered elsewhere."""
    _before_reading.append(flush)


def count_gathered() -> None:
    """Adds to their metrics what was gathered elsewhere; before they are read."""
    for flush in _before_reading:
        flush()
    while _pauses:
        generation, seconds = _pauses.popleft()
        GC_SECONDS.labels(str(generation)).observe(seconds)


def watch_garbage_collection() -> None:
    """Measures the pauses of garbage collection, and exempts from it what was made during start-up."""
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
    # Requests leave few cycles behind: collections of what is young are short, at most 2 ms for the rows of
    # large requests, and those of what is old are rare.
    gc.set_threshold(2_000, 10, 5_000)
