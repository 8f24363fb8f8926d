"""What a PromQL query asks for, read from its text, and what Concord's processes and rules have of it.

A query is taken apart into words; its syntax is promtool's to check. Metrics and their labels are those of
the objects that the code defines, so a name that is misspelt here or there is found without a Prometheus.
"""

import re
from dataclasses import dataclass, field
from functools import cache
from typing import Final

import yaml
from prometheus_client import ProcessCollector
from prometheus_client.metrics import MetricWrapperBase

from concord.observability import metrics
from tests.chart import rendering

SCRAPED: Final = frozenset({"namespace", "pod", "instance", "job"})
"""Labels that a series has from the Prometheus that reads it."""

PROMETHEUS: Final = {"ALERTS": frozenset({"alertname", "alertstate", "severity", "task", "node"})}
"""What Prometheus itself makes of its rules."""

_TOKEN: Final = re.compile(
    r'"(?:[^"\\]|\\.)*" | [a-zA-Z_:][\w:]* | \d[\w.]* | \$\w+ | [=!]~ | [=!<>]= | \S', re.VERBOSE
)
_GROUPING: Final = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_WORDS: Final = _GROUPING | {"and", "or", "unless", "bool", "offset", "inf", "nan"}
_CALLS: Final = frozenset({"(", "by", "without"})
"""What follows a function or an aggregation."""

_SIGNS: Final = frozenset({"=", "!=", "=~", "!~"})


@dataclass
class Asked:
    """Metrics with the labels by which they are chosen, and the labels by which answers are grouped.

    `selectors` are the metrics again as the query writes them, without a range and a moment.
    """

    metrics: list[tuple[str, frozenset[str]]] = field(default_factory=list)
    selectors: list[str] = field(default_factory=list)
    grouped: set[str] = field(default_factory=set)


def asked(expr):
    """What a query asks for."""
    found, tokens = Asked(), [*_TOKEN.findall(expr), ""]
    place = 0
    while place < len(tokens) - 1:
        word, following = tokens[place], tokens[place + 1]
        place += 1
        if word in _GROUPING and following == "(":
            end = tokens.index(")", place)
            found.grouped.update(set(tokens[place + 1 : end]) - {","})
            place = end
        elif word == "[":
            place = tokens.index("]", place)
        elif re.match(r"[a-zA-Z_:]", word) and word.lower() not in _WORDS and following not in _CALLS:
            chosen, written = frozenset(), word
            if following == "{":
                end = tokens.index("}", place)
                inside = tokens[place + 1 : end]
                chosen = frozenset(inside[i] for i, sign in enumerate(inside[1:]) if sign in _SIGNS)
                written += "".join(tokens[place : end + 1])
                place = end
            found.metrics.append((word, chosen))
            found.selectors.append(written)
    return found


@cache
def rules():
    """Every recording rule of the chart, name → query."""
    files = sorted((rendering.CHART / "files" / "rules").glob("*.yaml"))
    groups = [group for path in files for group in yaml.safe_load(path.read_text("utf-8"))["groups"]]
    return {rule["record"]: rule["expr"] for group in groups for rule in group["rules"] if "record" in rule}


@cache
def known():
    """Metric → its labels, of all that Concord's processes and rules make."""
    found = dict(PROMETHEUS)
    for one in vars(metrics).values():
        if isinstance(one, MetricWrapperBase):
            found |= dict.fromkeys(*_series(one._name, one._type, frozenset(one._labelnames)))
            if one._type == "histogram":
                found[f"{one._name}_bucket"] |= {"le"}
    for family in ProcessCollector(registry=None).collect():
        found |= dict.fromkeys(*_series(family.name, family.type, frozenset()))
    for name, expr in rules().items():
        found[name] = frozenset(asked(expr).grouped - {"le"}) - SCRAPED
    return {name: labels | SCRAPED for name, labels in found.items()}


def _series(name, kind, labels):
    """Names of a metric's series, and what each is to hold."""
    ends = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
    return [name + end for end in ends.get(kind, ("",))], labels


def faults(place, expr, legend=""):
    """What a query asks for that there is not, a sentence each."""
    found = asked(expr)
    there = set()
    for name, labels in found.metrics:
        if name not in known():
            yield f"{place}: there is no metric {name}"
            continue
        there |= known()[name]
        for label in sorted(labels - known()[name]):
            yield f"{place}: {name} has no label {label}"
    if not found.metrics:
        yield f"{place}: asks for no metric"
    for label in sorted(found.grouped - there):
        yield f"{place}: is grouped by {label}, which nothing in it has"
    for label in sorted(set(re.findall(r"{{\s*(\w+)\s*}}", legend)) - found.grouped):
        yield f"{place}: is called by {label}, which is not left"
