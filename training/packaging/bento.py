"""Builds one bento from `bentos/NAME/bentofile.yaml`, unless the newest one was built from the same inputs.

The bentofile in the repository states service, files and image. What depends on the machine's registry and
on the lock is added in a copy below the home folder: the models, each under its registered name as alias;
the requirements of one dependency group of `uv.lock`; and a label with the digest of all inputs, by which
the next call recognises that nothing has changed.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import bentoml
import yaml  # type: ignore[import-untyped]  # it ships no types
from bentoml.exceptions import BentoMLException, NotFound

from concord.errors import TrainingError

ROOT = Path(__file__).parents[2]
"""The project's folder, which is the context of every build."""

INPUTS_LABEL = "concord.inputs"


def build(home: Path, name: str, models: Mapping[str, str]) -> tuple[str, bool]:
    """Builds `concord-<name>`, or finds it built.

    Args:
        home: Concord's home folder; the generated bentofile goes below it.
        name: Folder in `bentos/`, and the dependency group.
        models: Registered name → tag of the models that it carries.

    Returns:
        The bento's tag, and whether it was built now.

    Raises:
        TrainingError: The step that failed, and the remedy.
    """
    source = ROOT / "bentos" / name / "bentofile.yaml"
    config = yaml.safe_load(source.read_text("utf-8"))
    inputs = _digest(config, models)
    latest = _latest(f"concord-{name}")
    if latest is not None and latest.info.labels.get(INPUTS_LABEL) == inputs:
        return str(latest.tag), False
    config["labels"] = config.get("labels", {}) | {INPUTS_LABEL: inputs}
    config["models"] = [{"tag": tag, "alias": model} for model, tag in models.items()]
    config["python"] = {"packages": _requirements(name), "lock_packages": False}
    generated = home / "build" / f"{name}.yaml"
    generated.parent.mkdir(parents=True, exist_ok=True)
    generated.write_text(yaml.safe_dump(config, allow_unicode=True, sort_keys=False), "utf-8")
    try:
        bento = bentoml.bentos.build_bentofile(str(generated.absolute()), build_ctx=str(ROOT))
    except BentoMLException as error:
        raise TrainingError(
            f"concord-{name}: `bentoml build -f {generated} {ROOT}` failed: {error}", field=name
        ) from error
    return str(bento.tag), True


def _latest(name: str) -> bentoml.Bento | None:
    try:
        return bentoml.bentos.get(f"{name}:latest")
    except NotFound:
        return None


def _digest(config: Mapping[str, Any], models: Mapping[str, str]) -> str:
    digest = hashlib.sha256(repr((config, sorted(models.items()), installed("bentoml"))).encode())
    for path in [ROOT / "uv.lock", *_included(config["include"])]:
        digest.update(f"\0{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _included(patterns: list[str]) -> Iterator[Path]:
    # A bentofile of ours lists files and folders (with a slash at the end), no wildcards.
    for pattern in patterns:
        paths = sorted((ROOT / pattern).rglob("*")) if pattern.endswith("/") else [ROOT / pattern]
        yield from (path for path in paths if path.is_file() and path.suffix != ".pyc")


def _requirements(group: str) -> list[str]:
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        raise TrainingError(
            "`uv` is not on the PATH; it exports the image's locked requirements. `pip install uv`."
        )
    options = ["--no-default-groups", "--no-emit-project", "--no-hashes", "--no-header", "--no-annotate"]
    command = [uv, "export", "--quiet", "--frozen", "--group", group, *options]
    export = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603  fixed words
    if export.returncode:
        raise TrainingError(f"`{' '.join(command)}` failed: {export.stderr.strip()}")
    return export.stdout.split("\n")[:-1]
