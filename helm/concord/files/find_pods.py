"""Tells a Prometheus where the release's pods are, in a file that it reads whenever it changes (`file_sd`).

Takes the folder of that file, a namespace, a label selector and the seconds between two looks. Asks the API
server with the ServiceAccount's token, which this container alone has, and says of each port of each pod what
Prometheus' own discovery would say (`__meta_kubernetes_…`), so that the same rules choose from either. While
the API server is away the last answer stands. Nothing but Python's own library.
"""
# ruff: noqa: INP001  a file of the chart, in no package

import json
import os
import re
import signal
import ssl
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final

ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
NO_LABEL: Final = re.compile(r"[^a-zA-Z0-9_]")
META: Final = "__meta_kubernetes_"


def fetch(url: str) -> dict[str, Any]:
    """What the API server answers; OSError for any other status than 200."""
    # Read anew each time: the kubelet replaces it long before it expires.
    token = (ACCOUNT / "token").read_text("utf-8").strip()
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {token}"})  # noqa: S310  see `main`
    trust = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    with urllib.request.urlopen(request, timeout=10, context=trust) as response:  # noqa: S310
        return dict(json.load(response))


def groups(pods: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A group of `file_sd` for each port of each pod that has an address."""
    for pod in pods:
        metadata, address = pod["metadata"], pod["status"].get("podIP")
        known = {
            f"{META}namespace": metadata["namespace"],
            f"{META}pod_name": metadata["name"],
            f"{META}pod_phase": pod["status"].get("phase", ""),
            **{
                f"{META}pod_label_{NO_LABEL.sub('_', name)}": value
                for name, value in metadata.get("labels", {}).items()
            },
        }
        if not address:
            continue
        host = f"[{address}]" if ":" in address else address
        for port in (port for one in pod["spec"]["containers"] for port in one.get("ports", [])):
            labels = known | {f"{META}pod_container_port_name": port.get("name", "")}
            yield {"targets": [f"{host}:{port['containerPort']}"], "labels": labels}


def write(file: Path, text: str) -> bool:
    """Replaces the file at once, unless it holds this already; says whether it did."""
    if file.exists() and file.read_text("utf-8") == text:
        return False
    fresh = file.with_suffix(".new")
    fresh.write_text(text, "utf-8")
    fresh.replace(file)
    return True


def look(url: str, file: Path) -> str | None:
    """Asks once; what there is to say of it, if there is anything."""
    try:
        answer = list(groups(fetch(url)["items"]))
    except (OSError, HTTPException, ValueError, KeyError) as error:
        return f"The pods are not known anew, and the last ones stand: {error}"
    text = json.dumps(answer, indent=1, sort_keys=True)
    return f"{len(answer)} ports of pods are known." if write(file, text) else None


def main(folder: str, namespace: str, selector: str, seconds: str) -> None:
    """Looks until it is ended."""
    # The first process of a container is not ended by a signal that it does not handle.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    server = f"https://{f'[{host}]' if ':' in host else host}:{port}"
    query = urllib.parse.urlencode({"labelSelector": selector})
    url = f"{server}/api/v1/namespaces/{namespace}/pods?{query}"
    said = None
    while True:
        saying = look(url, Path(folder) / "pods.json")
        if saying and saying != said:
            sys.stderr.write(f"{saying}\n")
        said = saying or said
        time.sleep(float(seconds))


if __name__ == "__main__":
    main(*sys.argv[1:])
