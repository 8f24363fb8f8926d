"""The dashboards as tests read them: each query with its place, its variables filled in as Grafana does."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[1] / "helm" / "concord" / "files" / "dashboards"
FILES: Final = sorted(FOLDER.glob("*.json"))

ALL: Final = {"namespace": "concord", "task": ".*", "node": ".*"}
"""What stands for `All` in a query; a namespace is always one of those that were found."""

INTERVALS: Final = {"__rate_interval": "5m", "__range": "1h", "__interval": "1m"}
"""What Grafana itself fills in, with values that it may have at a picture of some hours."""

_VARIABLE: Final = re.compile(r"\$(?:\{(\w+)\}|([a-zA-Z_]\w*))")


@dataclass(frozen=True)
class Query:
    """One query: where it stands, its PromQL, and how its answers are called."""

    place: str
    expr: str
    legend: str
    event: bool
    """Whether it marks events, and so says nothing while none happens."""


def load(path):
    """A dashboard by its path."""
    return json.loads(path.read_text("utf-8"))


def queries(dashboard):
    """Every query of a dashboard's panels and annotations."""
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            place = f"{dashboard['title']}: {panel['title']} {target['refId']}"
            yield Query(place, target["expr"], target["legendFormat"], event=False)
    for one in events(dashboard):
        yield Query(f"{dashboard['title']}: {one['name']}", one["expr"], one["titleFormat"], event=True)


def events(dashboard):
    """Its annotations, without the one that Grafana brings along."""
    return [one for one in dashboard["annotations"]["list"] if not one.get("builtIn")]


def variables(dashboard):
    """Name → variable."""
    return {one["name"]: one for one in dashboard["templating"]["list"]}


def named(text):
    """The variables that a text names."""
    return {braced or bare for braced, bare in _VARIABLE.findall(text)}


def filled(expr, values=None, intervals=None):
    """PromQL with its variables filled in; a name that nothing stands for is an error."""
    known = INTERVALS | (intervals or {}) | (ALL if values is None else values)
    return _VARIABLE.sub(lambda found: known[found[1] or found[2]], expr)
