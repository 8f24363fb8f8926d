"""Renders the chart without a helm binary or a cluster, and writes `k8s/` from it.

    python tests/chart/rendering.py          what `make k8s` runs

`k8s/` is for `kubectl apply`: the chart without hooks, without the marks that only Helm reads, and with a
namespace that enforces Pod Security's `restricted` profile. Nothing in it is edited by hand.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from helm_python.chart import Chart

from tests.homes import SHIPPED

ROOT: Final = Path(__file__).parents[2]
CHART: Final = ROOT / "helm" / "concord"

Manifest = dict[str, Any]


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Refuses a key that an object has twice, of which YAML's libraries and Kubernetes drop one."""


def _mapping(loader, node, deep=False):  # noqa: FBT002 - as PyYAML calls it
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    twice = {key for key in keys if keys.count(key) > 1}
    assert not twice, f"{twice} more than once{node.start_mark}"
    return yaml.SafeLoader.construct_mapping(loader, node, deep)


Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
LOADER: Final = Loader
"""In C where there is one: ten times as fast, and there are thousands of lines."""

K8S: Final[dict[str, tuple[str, Mapping[str, Any]]]] = {
    "concord.yaml": ("concord", {}),
    "overlays/iris/concord.yaml": (
        "concord-iris",
        {
            "tasks": {task: {"enabled": False} for task in SHIPPED if task != "iris"},
            "mlflow": {"enabled": False},
            "monitoring": {"prometheus": {"enabled": False}},
        },
    ),
}
"""File below `k8s/` → its namespace, and the values that it is rendered with."""

HEADER: Final = """\
# Rendered from helm/concord by `make k8s`; a test compares the two. Edit the chart, not this file.
"""

NAMESPACE: Final = """\
---
apiVersion: v1
kind: Namespace
metadata:
  name: {namespace}
  labels:
    pod-security.kubernetes.io/enforce: restricted
"""

KEEP: Final = r"(annotations:\n *)?helm\.sh/resource-policy: keep"

ONLY_HELM: Final = re.compile(
    rf"^ *(helm\.sh/chart: .*|app\.kubernetes\.io/managed-by: Helm|{KEEP})\n", re.MULTILINE
)
"""Lines that say something to Helm, or that Helm is at work, which it is not."""


@cache
def chart() -> Chart:
    """The chart, loaded once."""
    return Chart.load(CHART)


def texts(
    values: Mapping[str, Any] | None = None, name: str = "concord", namespace: str = "concord"
) -> dict[str, str]:
    """File of the chart → what it renders to, for files that render to something."""
    rendered = chart().render(values=dict(values or {}), name=name, namespace=namespace)
    return {Path(path).name: text.strip() for path, text in sorted(rendered.items()) if text.strip()}


def manifests(
    values: Mapping[str, Any] | None = None, name: str = "concord", namespace: str = "concord"
) -> list[Manifest]:
    """Every object of the chart, hooks too."""
    rendered = texts(values, name, namespace)
    rendered.pop("NOTES.txt")
    return [
        document
        for text in rendered.values()
        for document in yaml.load_all(text, LOADER)
        if document is not None
    ]


def is_hook(manifest: Manifest) -> bool:
    """Whether Helm alone runs it, as `helm test` does."""
    return "helm.sh/hook" in manifest["metadata"].get("annotations", {})


def pod_specs(objects: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """The name of each object that makes pods, with its pods' spec."""
    for one in objects:
        match one["kind"]:
            case "Pod":
                yield one["metadata"]["name"], one["spec"]
            case "Deployment" | "StatefulSet" | "Job":
                yield one["metadata"]["name"], one["spec"]["template"]["spec"]
            case "CronJob":
                yield one["metadata"]["name"], one["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def k8s(file: str) -> str:
    """The text of a file below `k8s/`."""
    namespace, values = K8S[file]
    rendered = texts(values, namespace=namespace)
    rendered.pop("NOTES.txt")
    documents = [
        ONLY_HELM.sub("", document).strip()
        for text in rendered.values()
        for document in re.split(r"^---\n", text + "\n", flags=re.MULTILINE)
        if yaml.safe_load(document) is not None and "helm.sh/hook" not in document
    ]
    whole = "\n---\n".join([HEADER + NAMESPACE.format(namespace=namespace).strip(), *documents]) + "\n"
    # An empty line within an indented text is empty all through.
    return re.sub(r" +$", "", whole, flags=re.MULTILINE)


def main() -> None:
    """Writes `k8s/`."""
    for file in K8S:
        path = ROOT / "k8s" / file
        path.write_text(k8s(file), "utf-8")
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
