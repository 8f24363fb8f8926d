"""What is gathered reaches a metric as if the metric had been told itself."""

from prometheus_client import CollectorRegistry, Histogram, generate_latest

from concord.observability import metrics

BOUNDS = (0.125, 0.5, 1.0)
VALUES = (-1.0, 0.0, 0.125, 0.1875, 0.5, 0.75, 1.0, 1.5, 1024.0)
"""Sums of halves of halves are exact in any order."""


def _shown(tell: str, values: tuple[float, ...]) -> bytes:
    registry = CollectorRegistry()
    histogram = Histogram("seconds", "Some.", ["task"], buckets=BOUNDS, registry=registry).labels("iris")
    for value in values:
        if tell == "gathered":
            metrics.observe(histogram, value)
        else:
            histogram.observe(value)
    metrics.render()
    return b"\n".join(line for line in generate_latest(registry).splitlines() if b"_created" not in line)


def test_gathered_values_fall_into_the_buckets_that_the_histogram_chooses_itself():
    assert _shown("gathered", VALUES) == _shown("itself", VALUES)


def test_more_values_than_may_wait_are_counted_once_each():
    many = VALUES * metrics.MOST_OBSERVED
    assert _shown("gathered", many) == _shown("itself", many)
