"""`python -m training.registry.fetch`: the init step of a node's pod, which downloads the desired versions.

They are stated in a file of the folder CONCORD_VERSIONS (a mounted ConfigMap), named as the node:
`{"champion": "8", "champion_digest": "9f…", "challenger": "9", "challenger_digest": "03…"}`, each a number,
`@champion` or `models:/iris.knn/8`. An alias is resolved here, once. Whoever writes to the registry may move
it, or change a version; so only the file with the stated digest is placed below CONCORD_MODELS, in one
rename. Without an entry, downloads of before are removed and the node serves its packaged model.

A champion that cannot be downloaded is an error and the pod does not start: it must not serve another version
than the desired one. For a challenger the reason is written into its folder.
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
from concord.util.digests import is_digest
from concord.util.proxies import set_client_variables
from training.registry.download import PATIENCE_SECONDS, REFERENCE, RegistrySource
from training.registry.versions import INFO_FILE, ONNX_FILE, URI_VARIABLE

ROLES: Final = ("champion", "challenger")

_KEYS: Final = frozenset({*ROLES, *(f"{role}_digest" for role in ROLES)})

REFUSED_FILE: Final = "refused"
"""In the challenger's folder, instead of a model: the reason, which the node shows."""

_log = logging.getLogger("training.registry.fetch")


@dataclass(frozen=True)
class FetchSettings:
    """What is to be fetched, from the environment.

    Attributes:
        node: Registered name, `iris.knn`.
        models: Where the folders `champion` and `challenger` go.
        desired: Role → reference, and `<role>_digest` → digest; empty where the packaged model is served.
        registry: Address of MLflow; empty where none is named.
        seconds: Time limit for MLflow to serve.
    """

    node: str
    models: Path
    desired: Mapping[str, str]
    registry: str
    seconds: float = PATIENCE_SECONDS

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "FetchSettings":
        """Reads the settings.

        Raises:
            ConfigurationError: A variable is missing, or the desired versions cannot be read.
        """
        for name in ("CONCORD_NODE", "CONCORD_MODELS", "CONCORD_VERSIONS"):
            if not environment.get(name):
                raise ConfigurationError(f"{name} is not set.", field=name)
        node = environment["CONCORD_NODE"]
        desired = read_desired(Path(environment["CONCORD_VERSIONS"]) / node, node)
        registry = environment.get(URI_VARIABLE, "")
        if desired and not registry:
            raise ConfigurationError(f"{URI_VARIABLE} is not set; it names the registry.", field=URI_VARIABLE)
        seconds = environment.get("CONCORD_FETCH_SECONDS", str(PATIENCE_SECONDS))
        if not re.fullmatch(r"\d+(\.\d+)?", seconds):
            raise ConfigurationError(
                f"CONCORD_FETCH_SECONDS is a number of seconds, not {seconds!r}.",
                field="CONCORD_FETCH_SECONDS",
            )
        return cls(node, Path(environment["CONCORD_MODELS"]), desired, registry, float(seconds))


def read_desired(path: Path, node: str) -> dict[str, str]:
    """The node's desired versions, as their entry has them; empty where none are stated.

    Raises:
        ConfigurationError: They cannot be read; the message names the ConfigMap's key and the remedy.
    """
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return {}
    try:
        desired = json.loads(text)
    except ValueError as error:
        raise _wrong_entry(node, f"is not JSON: {error}.") from error
    if not isinstance(desired, dict) or not set(desired) & set(ROLES) or set(desired) - _KEYS:
        raise _wrong_entry(
            node, "must be a JSON object that names `champion`, `challenger` or both, each with its digest."
        )
    for key, reference in desired.items():
        role, _, is_of_file = key.partition("_")
        if is_of_file:
            if not is_digest(reference):
                raise _wrong_entry(node, f"has a {key} that is no SHA-256 in hex.")
            continue
        match = REFERENCE.fullmatch(reference) if isinstance(reference, str) else None
        if match is None or (match["model"] or node) != node:
            raise _wrong_entry(
                node,
                f'names the {role} {reference!r}; a version is named as "8", "@champion" or '
                f'"models:/{node}/8".',
            )
    return dict(desired)


def _wrong_entry(node: str, what: str) -> ConfigurationError:
    return ConfigurationError(
        f"The entry {node} of what nodes are to serve {what} `concord models promote {node} VERSION` writes "
        "a good one; without an entry the packaged version is served.",
        field=node,
    )


def fetch(settings: FetchSettings, connect: Callable[[], RegistrySource]) -> dict[str, str]:
    """Places the desired versions, and removes others.

    Returns:
        Role → the outcome, for the log.

    Raises:
        ConcordError: The champion cannot be downloaded.
    """
    outcomes: dict[str, str] = {}
    registry = connect() if settings.desired else None
    for role in ROLES:
        reference = settings.desired.get(role)
        if reference is None or registry is None:
            shutil.rmtree(settings.models / role, ignore_errors=True)
            continue
        try:
            outcomes[role] = _fetch_role(settings, role, reference, registry)
        except ConcordError as error:
            if role == "champion":
                raise
            _note_refusal(settings.models / role, error)
            outcomes[role] = f"refused: {error.message}"
    return outcomes


def _fetch_role(settings: FetchSettings, role: str, reference: str, registry: RegistrySource) -> str:
    match = REFERENCE.fullmatch(reference)
    number, digest = match["number"] if match else None, settings.desired.get(f"{role}_digest")
    if digest is None:
        raise _wrong_entry(
            settings.node,
            f"names the {role} {reference!r} without the digest of its file, so it could be any file.",
        )
    if number and _is_there(settings.models / role, (settings.node, number, digest)):
        return f"{settings.node}/{number} (was there)"
    version = registry.resolve(settings.node, reference)
    files = registry.fetch(settings.node, version, digest)
    replace_folder(settings.models / role, files.write)
    return f"{settings.node}/{version}"


def _is_there(folder: Path, wanted: tuple[str, str, str]) -> bool:
    """Whether a pod that starts again has this node's number already, with the file of this digest.

    An alias may mean another number by now.
    """
    try:
        info = json.loads((folder / INFO_FILE).read_text("utf-8"))
        data = (folder / ONNX_FILE).read_bytes()
    except (OSError, ValueError):
        return False
    return (info.get("model"), info.get("version"), hashlib.sha256(data).hexdigest()) == wanted


def _note_refusal(folder: Path, error: ConcordError) -> None:
    replace_folder(folder, lambda fresh: (fresh / REFUSED_FILE).write_text(error.message, "utf-8"))


def replace_folder(folder: Path, write: Callable[[Path], object]) -> None:
    """Fills a folder in one rename, so that no reader sees a part of it."""
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
    set_client_variables()
    try:
        settings = FetchSettings.read(os.environ)
        outcomes = fetch(settings, lambda: RegistrySource(settings.registry, settings.seconds))
    except (ConcordError, OSError) as error:
        message = error.message if isinstance(error, ConcordError) else str(error)
        _log.critical("fetch failed", extra={"reason": message, "field": getattr(error, "field", None)})
        return 1
    if outcomes:
        _log.info("versions fetched", extra={"node": settings.node, **outcomes})
    else:
        _log.info("no version is asked for, the packaged one is served", extra={"node": settings.node})
    return 0


if __name__ == "__main__":
    sys.exit(main())
