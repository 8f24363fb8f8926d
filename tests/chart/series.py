"""One series of every kind that Concord's processes give, as promtool takes them: an hour of a busy cluster.

In it a node leaves probation, another is jailed and a model gets its second version, all at half past.
"""

from typing import Final

from prometheus_client.metrics import MetricWrapperBase

from concord.observability import metrics
from tests.chart import promql

_SCRAPED: Final = {"namespace": "concord", "pod": "concord-0", "instance": "10.0.0.1:3000", "job": "concord"}
_USUAL: Final = {
    "task": "iris",
    "node": "knn",
    "model": "iris.knn",
    "version": "1",
    "run_id": "b2c1",
    "feature": "petal_length",
    "kind": "feature",
    "name": "petal_length",
    "stretch": "now",
    "label": "virginica",
    "outcome": "voted",
    "right": "false",
    "route": "/v1/tasks/{task}/predict",
    "method": "POST",
    "status": "200",
    "generation": "0",
    "code": "head_too_large",
    "limit": "rows",
    "alertname": "ConcordNodeDown",
    "alertstate": "firing",
    "severity": "warning",
}
_EVENTS: Final = (
    ("concord_jailed", {"node": "svm"}, "0x30 1x30"),
    ("concord_probation", {"node": "knn"}, "1x30 0x30"),
    ("concord_jailed", {"node": "knn"}, "0x60"),
    ("concord_model", {"version": "1"}, "1x60"),
    ("concord_model", {"version": "2"}, "_x30 1x30"),
)


def _series(name, values, **labels):
    wanted = promql.known()[name]
    told = {key: value for key, value in (_USUAL | _SCRAPED | labels).items() if key in wanted}
    assert set(told) == wanted, f"no usual value of {wanted - set(told)} of {name}"
    return {"series": name + "{" + ",".join(f'{k}="{v}"' for k, v in told.items()) + "}", "values": values}


def _all():
    eventful = {name for name, _, _ in _EVENTS}
    buckets = {
        f"{one._name}_bucket": one._kwargs["buckets"]
        for one in vars(metrics).values()
        if isinstance(one, MetricWrapperBase) and one._type == "histogram"
    }
    for name in promql.known():
        if name in buckets:
            for place, bound in enumerate((*buckets[name], "+Inf"), 1):
                le = bound if bound == "+Inf" else float(bound)
                yield _series(name, f"0+{60 * place}x60", le=le)
        elif name not in eventful and name not in promql.rules():
            rising = name.endswith(("_total", "_sum", "_count"))
            yield _series(name, "0+600x60" if rising else "1x60")
    for name, labels, values in _EVENTS:
        yield _series(name, values, **labels)


SERIES: Final = list(_all())
"""As `input_series` of a promtool test."""
