"""`python -m training.registry.fetch`: brings the versions that a node is told to serve, before the node starts.

The init step of a node's pod. What is to be served stands in a file of the folder CONCORD_VERSIONS (a
ConfigMap that is mounted), named as the node: `{"champion": "8", "challenger": "9"}`, each a number,
`@champion` or `models:/iris.knn/8`. An alias is resolved to a number here and once. The step downloads
each version, holds it against the digest that was registered, and places it below CONCORD_MODELS in
one rename. Without an entry it removes what is there and ends at once, without importing MLflow: the
node serves its packaged model.

A champion that cannot be had is an error and the pod does not start, because another version than
the one that was asked for would be a lie. A challenger that cannot be had is only noted beside it.
"""

import hashlib
import json
import logging
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from concord.errors import ConcordError, ConfigurationError
from concord.observability import logs
from training.registry.download import PATIENCE_SECONDS, REFERENCE, Source
from training.registry.versions import INFO_FILE, ONNX_FILE, URI_VARIABLE

ROLES: Final = ("champion", "challenger")

REFUSED_FILE: Final = "refused"
"""In the challenger's folder, instead of a model: why it is not there. The node shows it."""

_log = logging.getLogger("training.registry.fetch")


@dataclass(frozen=True)
class Order:
    """What is to be fetched, from the environment.

    Attributes:
        node: Registered name, `iris.knn`.
        models: Where the folders `champion` and `challenger` go.
        entry: Role → reference; empty where the packaged model is served.
        registry: Address of MLflow; empty where none is named.
        seconds: How long it is waited for.
    """

    node: str
    models: Path
    entry: Mapping[str, str]
    registry: str
    seconds: float = PATIENCE_SECONDS

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Order":
        """Reads it.

        Raises:
            ConfigurationError: A variable is missing, or the entry says something unknown.
        """
        for name in ("CONCORD_NODE", "CONCORD_MODELS", "CONCORD_VERSIONS"):
            if not environment.get(name):
                raise ConfigurationError(f"{name} is not set.", field=name)
        node = environment["CONCORD_NODE"]
        entry = read_entry(Path(environment["CONCORD_VERSIONS"]) / node, node)
        registry = environment.get(URI_VARIABLE, "")
        if entry and not registry:
            raise ConfigurationError(f"{URI_VARIABLE} is not set; it names the registry.", field=URI_VARIABLE)
        seconds = environment.get("CONCORD_FETCH_SECONDS", str(PATIENCE_SECONDS))
        if not re.fullmatch(r"\d+(\.\d+)?", seconds):
            raise ConfigurationError(
                f"CONCORD_FETCH_SECONDS is a number of seconds, not {seconds!r}.",
                field="CONCORD_FETCH_SECONDS",
            )
        return cls(node, Path(environment["CONCORD_MODELS"]), entry, registry, float(seconds))


def read_entry(path: Path, node: str) -> dict[str, str]:
    """The node's entry, role → reference; empty where there is none.

    Raises:
        ConfigurationError: It is not one; the message names the ConfigMap's key and the remedy.
    """
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return {}
    try:
        entry = json.loads(text)
    except ValueError as error:
        raise _wrong_entry(node, f"is not JSON: {error}.") from error
    if not isinstance(entry, dict) or not entry or set(entry) - set(ROLES):
        raise _wrong_entry(node, "must be a JSON object that names `champion`, `challenger` or both.")
    for role, reference in entry.items():
        found = REFERENCE.fullmatch(reference) if isinstance(reference, str) else None
        if found is None or (found["model"] or node) != node:
            raise _wrong_entry(
                node,
                f'names the {role} {reference!r}; a version is named as "8", "@champion" or '
                f'"models:/{node}/8".',
            )
    return dict(entry)


def _wrong_entry(node: str, what: str) -> ConfigurationError:
    return ConfigurationError(
        f"The entry {node} of what nodes are to serve {what} `concord models promote {node} VERSION` writes "
        "a good one; without an entry the packaged version is served.",
        field=node,
    )


def fetch(order: Order, source: Callable[[], Source]) -> dict[str, str]:
    """Places what is ordered, and removes what is not.

    Returns:
        Role → what became of it, for the log.

    Raises:
        ConcordError: The champion cannot be had.
    """
    done: dict[str, str] = {}
    registry = source() if order.entry else None
    for role in ROLES:
        reference = order.entry.get(role)
        if reference is None or registry is None:
            shutil.rmtree(order.models / role, ignore_errors=True)
            continue
        try:
            done[role] = _bring(order, role, reference, registry)
        except ConcordError as error:
            if role == "champion":
                raise
            _note_refusal(order.models / role, error)
            done[role] = f"refused: {error.message}"
    return done


def _bring(order: Order, role: str, reference: str, registry: Source) -> str:
    named = REFERENCE.fullmatch(reference)
    number = named["number"] if named else None
    if number and _is_there(order.models / role, order.node, number):
        return f"{order.node}/{number} (was there)"
    version = registry.number(order.node, reference)
    fetched = registry.fetch(order.node, version)
    place(order.models / role, fetched.write)
    return f"{order.node}/{version}"


def _is_there(folder: Path, node: str, number: str) -> bool:
    """Whether a pod that starts again has this number already; an alias may mean another one by now."""
    try:
        info = json.loads((folder / INFO_FILE).read_text("utf-8"))
        data = (folder / ONNX_FILE).read_bytes()
    except (OSError, ValueError):
        return False
    stated = (info.get("model"), info.get("version"), info.get("digest"))
    return stated == (node, number, hashlib.sha256(data).hexdigest())


def _note_refusal(folder: Path, error: ConcordError) -> None:
    place(folder, lambda fresh: (fresh / REFUSED_FILE).write_text(error.message, "utf-8"))


def place(folder: Path, write: Callable[[Path], object]) -> None:
    """Fills a folder so that nobody ever sees half of it."""
    fresh, old = folder.with_name(f".{folder.name}.new"), folder.with_name(f".{folder.name}.old")
    for path in (fresh, old):
        shutil.rmtree(path, ignore_errors=True)
    fresh.mkdir(parents=True)
    write(fresh)
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def main() -> int:
    """Runs the step; returns its exit status."""
    logs.configure(os.environ.get("CONCORD_LOG_LEVEL", "INFO"))
    try:
        order = Order.read(os.environ)
        done = fetch(order, lambda: Source(order.registry, order.seconds))
    except (ConcordError, OSError) as error:
        message = error.message if isinstance(error, ConcordError) else str(error)
        _log.critical("fetch failed", extra={"reason": message, "field": getattr(error, "field", None)})
        return 1
    if done:
        _log.info("versions fetched", extra={"node": order.node, **done})
    else:
        _log.info("no version is asked for, the packaged one is served", extra={"node": order.node})
    return 0


if __name__ == "__main__":
    sys.exit(main())
