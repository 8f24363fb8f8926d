"""Copies champions from the registry into BentoML's model store, and builds the bentos that carry them.

The store is BentoML's own ($BENTOML_HOME, or ~/bentoml), because `bentoml serve concord-node:latest`
and `bentoml containerize` look there. It is shared by all of a machine's projects, so a tag is
never overwritten: where `iris.knn:7` is another registry's version 7, ours becomes
`iris.knn:7-<run>`, and both can be served. `/info` says 7 either way.

What others have registered and no node can serve is told by name, and the other models are packed. Where the
ledger has appointed another version than the registry's champion, the appointed one is packed.

What is already packed from the same champions, code and lock is not packed again: `concord up` runs this at
every start.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import bentoml
from bentoml.exceptions import BentoMLException, NotFound

from concord.errors import TrainingError
from concord.tasks.schema import TaskSchema
from training.packaging.bento import build
from training.progress import ReportStep, ignore_step
from training.registry.contract import check_graph
from training.registry.registry import Champion, Registry, has_registry
from training.registry.versions import (
    INFO_FILE,
    ONNX_FILE,
    VersionFiles,
    check_model_name,
    first_line,
    register_again,
)


@dataclass(frozen=True)
class PackageResult:
    """Bentos and models after packaging.

    Attributes:
        bentos: `concord-node` and `concord-consensus` → tag of the bento.
        models: Registered name → tag in BentoML's model store.
        folders: Registered name → folder of its files.
        unchanged: Tags of bentos that needed no build.
        refused: Registered name → why its champion cannot be served, and what to do.
        digests: Registered name → SHA-256 of its file.
        kept: Registered name → the registry's champion that was not packed, since another is appointed.
    """

    bentos: dict[str, str]
    models: dict[str, str]
    folders: dict[str, str]
    unchanged: tuple[str, ...]
    refused: dict[str, str]
    digests: dict[str, str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class AppointedVersion:
    """A version that is to be packed whatever the registry's alias says, and the SHA-256 of its file."""

    version: str
    digest: str


def package(
    home: Path,
    names: Sequence[str] = (),
    report_step: ReportStep = ignore_step,
    appointed: Mapping[str, AppointedVersion] | None = None,
) -> PackageResult:
    """Packs champions and builds both bentos.

    Args:
        home: Concord's home folder.
        names: Tasks or registered names; all champions where none is given.
        report_step: Shows what is being done.
        appointed: Registered name → the version that the ledger has appointed.

    Raises:
        TrainingError: Nothing to pack, a name without a champion, or a failed build.
    """
    chosen = _chosen(Registry(home).champions(), names) if has_registry(home) else {}
    kept = {
        name: version
        for name, version in (appointed or {}).items()
        if name in chosen and (chosen[name].version, chosen[name].digest) != (version.version, version.digest)
    }
    champions = _store_champions(Registry(home), chosen, kept, report_step) if chosen else {}
    models = {name: tag for name, tag in champions.items() if isinstance(tag, str)}
    refused = {name: error.message for name, error in champions.items() if isinstance(error, TrainingError)}
    if not models:
        reasons = "".join(f" {reason}" for reason in refused.values())
        raise TrainingError(
            f"There is no champion that a node can serve. Run `python -m training fit`.{reasons}"
        )
    folders = {name: str(bentoml.models.get(tag).path) for name, tag in models.items()}
    bentos, unchanged = {}, []
    for name, carried in (("node", models), ("consensus", {})):
        report_step(f"concord-{name}")
        bentos[f"concord-{name}"], built = build(home, name, carried)
        if not built:
            unchanged.append(bentos[f"concord-{name}"])
    digests = {name: _stored_identity(tag).digest for name, tag in models.items()}
    offered = {name: chosen[name].version for name in kept}
    return PackageResult(bentos, models, folders, tuple(unchanged), refused, digests, offered)


def _store_champions(
    registry: Registry,
    champions: Mapping[str, Champion],
    kept: Mapping[str, AppointedVersion],
    report_step: ReportStep,
) -> dict[str, str | TrainingError]:
    """Registered name → its tag in the store, or why it has none: a registry is shared with others."""
    outcomes: dict[str, str | TrainingError] = {}
    for name, champion in champions.items():
        report_step(name)
        try:
            # Before the store is asked: it knows no capitals, and finds there what another model has stored.
            check_model_name(name)
            outcomes[name] = (
                _find_appointed(name, kept[name]) or _store(registry, name, kept[name])
                if name in kept
                else _stored_tag(name, champion) or _store(registry, name)
            )
        except TrainingError as error:
            outcomes[name] = error
        except (BentoMLException, ValueError) as error:
            outcomes[name] = TrainingError(f"{name} cannot be packaged: {first_line(error)}", field=name)
    return outcomes


def _chosen(champions: Mapping[str, Champion], names: Sequence[str]) -> dict[str, Champion]:
    for name in names:
        if not any(name in {model, model.partition(".")[0]} for model in champions):
            raise TrainingError(
                f"{name!r} has no champion in the registry. "
                f"Run `python -m training fit {name.partition('.')[0]}`.",
                field=name,
            )
    return {
        model: champion
        for model, champion in champions.items()
        if not names or model in names or model.partition(".")[0] in names
    }


def _stored_tag(name: str, champion: Champion) -> str | None:
    # A model from elsewhere states no digest, so only the registry can tell whether this one is it.
    if not champion.digest:
        return None
    for tag in _tags(name, champion):
        if _stored(tag) == champion:
            return tag
    return None


def _find_appointed(name: str, version: AppointedVersion) -> str | None:
    """The tag of an appointed version that was packed before, whatever the registry says of it now."""
    for tag in (str(model.tag) for model in bentoml.models.list() if model.tag.name == name):
        stored = _stored_identity(tag)
        if (stored.version, stored.digest) == (version.version, version.digest):
            return tag
    return None


def _store(registry: Registry, name: str, appointed: AppointedVersion | None = None) -> str:
    files = registry.fetch(name, appointed.version if appointed else None)
    if files is not None and appointed is not None and files.info.digest != appointed.digest:
        raise TrainingError(
            f"{name}: version {appointed.version} is another file in the registry ({files.info.digest[:12]}) "
            f"than the one that the ledger appointed ({appointed.digest[:12]}), which is no more in "
            f"BentoML's store. `concord models promote {name} VERSION` appoints another one.",
            field=name,
        )
    if files is None:
        raise TrainingError(
            f"{name}: its champion carries no task's schema, so no node can serve it. {register_again(name)}",
            field=name,
        )
    info = files.info
    check_graph(name, TaskSchema.from_json(info.schema), files.onnx)
    identity = Champion(info.version, info.run_id, info.digest)
    for tag in _tags(name, identity):
        stored = _stored(tag)
        if stored is None:
            _write(tag, files)
        if stored in (None, identity):
            return tag
    raise TrainingError(
        f"BentoML's store holds another model under every tag for {name}:{info.version}. "
        f"Remove one with `bentoml models delete {name}:{info.version}`."
    )


def _tags(name: str, champion: Champion) -> tuple[str, str]:
    return (
        f"{name}:{champion.version}",
        f"{name}:{champion.version}-{(champion.run_id or champion.digest)[:8]}",
    )


def _stored(tag: str) -> Champion | None:
    """What `_stored_identity` gives; None where the store holds nothing under the tag."""
    try:
        return _stored_identity(tag)
    except NotFound:
        return None


def _stored_identity(tag: str) -> Champion:
    """Version, run and digest of what the store holds under a tag; empty texts for what is not ours."""
    model = bentoml.models.get(tag)
    path = Path(model.path) / INFO_FILE
    try:
        info = json.loads(path.read_text("utf-8")) if path.exists() else {}
        identity = Champion(info.get("version", ""), info.get("run_id", ""), info.get("digest", ""))
    except (ValueError, AttributeError) as error:
        raise _damaged(tag, path) from error
    if identity.digest:
        _check_file(tag, Path(model.path) / ONNX_FILE, identity.digest)
    return identity


def _check_file(tag: str, path: Path, digest: str) -> None:
    """Refuses a file that a node would refuse when it starts."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _damaged(tag, path) from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise _damaged(tag, path)


def _damaged(tag: str, path: Path) -> TrainingError:
    return TrainingError(
        f"{tag} is damaged in BentoML's store: {path} is not what was packed. Remove it with "
        f"`bentoml models delete {tag}`; the next packaging brings it anew.",
        field=tag,
    )


def _write(tag: str, files: VersionFiles) -> None:
    info = files.info
    labels = {"task": info.model.partition(".")[0], "run_id": info.run_id, "digest": info.digest[:16]}
    with bentoml.models.create(tag, labels=labels) as model:
        files.write(Path(model.path))
