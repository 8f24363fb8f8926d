"""Reads runs and plots from MLflow over HTTP.

A run ends before its version is registered, so what was read of it does not change and is cached; errors
are not. A password in MLflow's address or variables appears in no message and no link.
"""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit, urlunsplit

import httpx
import streamlit as st

from concord.errors import ServiceAway
from concord.http.outgoing import client_options
from concord.rollout.tracking_server import read_tracking_server
from concord.settings import Settings

KEPT_SECONDS: Final = 600
MOST_KEPT: Final = 200
"""Runs, and pictures of 15 to 30 kB, in memory."""

LARGEST: Final = 4 << 20
"""Bytes of a response; the training's plots have 1 % of it."""

CONNECT_SECONDS: Final = 2.0
READ_SECONDS: Final = 5.0
"""MLflow answers these within a tenth of a second; one that takes longer counts as away."""

PLOTS: Final = "plots"
"""The folder of a run's artifacts that holds its pictures."""

PNG: Final = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class Run:
    """What fitted a version.

    Attributes:
        metrics: What it measured on held-out rows.
        plots: File names of its pictures.
    """

    metrics: dict[str, float]
    plots: tuple[str, ...]


@st.cache_data(ttl=KEPT_SECONDS, show_spinner="…", max_entries=MOST_KEPT)
def read_run(registry: str, run_id: str) -> Run | None:
    """A run; None where MLflow has none of this id any more.

    Args:
        registry: MLflow's address.
        run_id: Its id.

    Raises:
        ServiceAway: MLflow does not serve; as everywhere here.
    """
    response = _json(registry, "/api/2.0/mlflow/runs/get", run_id=run_id)
    if response is None:
        return None
    listed = _json(registry, "/api/2.0/mlflow/artifacts/list", run_id=run_id, path=PLOTS) or {}
    document = response.get("run", {})
    measured = document.get("data", {}).get("metrics", [])
    return Run(
        {str(entry["key"]): float(entry["value"]) for entry in measured},
        tuple(
            str(entry["path"]).rpartition("/")[2]
            for entry in listed.get("files", [])
            if not entry.get("is_dir")
        ),
    )


@st.cache_data(ttl=KEPT_SECONDS, show_spinner="…", max_entries=MOST_KEPT)
def read_plot(registry: str, run_id: str, name: str) -> bytes | None:
    """A picture of a run as PNG; None where there is none of this name."""
    response = _get(registry, "/get-artifact", run_id=run_id, path=f"{PLOTS}/{name}")
    if response is None:
        return None
    if not response.content.startswith(PNG):
        raise _away(registry, f"{name} is no picture")
    return response.content


def page_link(address: str, *parts: str) -> str:
    """A link into MLflow's own page.

    Args:
        address: MLflow's, as browsers reach it; a user and a password in it are left out.
        parts: Where in it: `models`, a name, `versions`, a number.
    """
    split = urlsplit(address)
    bare = urlunsplit((split.scheme, split.netloc.rpartition("@")[2], split.path.rstrip("/"), "", ""))
    return f"{bare}/#/{'/'.join(quote(part, safe='') for part in parts)}"


@st.cache_resource(show_spinner=False, on_release=httpx.Client.close)
def connect(registry: str) -> httpx.Client:
    """The connections to MLflow, shared by all sessions."""
    server = read_tracking_server(registry, Settings.read())
    return httpx.Client(
        auth=server.user,
        headers=server.headers,
        base_url=server.address,
        timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
        **client_options(str(server.address)),
    )


def _json(registry: str, endpoint: str, **query: str) -> dict[str, Any] | None:
    response = _get(registry, endpoint, **query)
    if response is None:
        return None
    try:
        document = response.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise _away(registry, "what answers is no MLflow")
    return document


def _get(registry: str, endpoint: str, **query: str) -> httpx.Response | None:
    """MLflow's response, up to `LARGEST` bytes; None for a 404."""
    try:
        with connect(registry).stream("GET", endpoint, params=query) as response:
            body = b""
            for part in response.iter_bytes():
                body += part
                if len(body) > LARGEST:
                    raise _away(registry, "its answer is too large")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _away(registry, type(error).__name__) from error
    if response.status_code == httpx.codes.NOT_FOUND:
        return None
    if response.is_error:
        raise _away(registry, f"status {response.status_code}")
    return httpx.Response(response.status_code, content=body)


def _away(registry: str, why: str) -> ServiceAway:
    return ServiceAway(f"{page_link(registry).removesuffix('/#/')}: {why}.", field="MLFLOW_TRACKING_URI")
