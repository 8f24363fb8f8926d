"""Takes champions out of the registry into BentoML's model store, and builds the bentos around them.

The store is BentoML's own ($BENTOML_HOME, or ~/bentoml), because `bentoml serve concord-node:latest`
and `bentoml containerize` look there. It is shared by all of a machine's projects, so a tag is
never overwritten: where `iris.knn:7` is another registry's version 7, ours becomes
`iris.knn:7-<run>`, and both can be served. `/info` says 7 either way.

What is already packed from the same champions, code and lock is not packed again, and finding
that out imports no MLflow: `concord up` runs this at every start.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import bentoml
from bentoml.exceptions import NotFound

from concord.errors import TrainingError
from training.packaging.bento import build
from training.registry.champions import Champion, champions
from training.registry.versions import INFO_FILE, Fetched


@dataclass(frozen=True)
class Packaged:
    """What a packaging left behind.

    Attributes:
        bentos: `concord-node` and `concord-consensus` → tag of the bento.
        models: Registered name → tag in BentoML's model store.
        folders: Registered name → folder of its files.
        unchanged: Tags of bentos that were there already.
    """

    bentos: dict[str, str]
    models: dict[str, str]
    folders: dict[str, str]
    unchanged: tuple[str, ...]


def package(home: Path, names: Sequence[str] = (), tell: Callable[[str], None] = lambda _: None) -> Packaged:
    """Packs champions and builds both bentos.

    Args:
        home: Concord's home folder.
        names: Tasks or registered names; all champions where none is given.
        tell: Hears what is being done.

    Raises:
        TrainingError: Nothing to pack, a name without a champion, or a failed build.
    """
    models = {}
    for name, champion in _chosen(champions(home), names).items():
        tell(name)
        tag = _stored(name, champion) or _store(home, name)
        if tag is not None:
            models[name] = tag
    if not models:
        raise TrainingError("There is no champion with a task's schema. Run `python -m training fit`.")
    folders = {name: str(bentoml.models.get(tag).path) for name, tag in models.items()}
    bentos, unchanged = {}, []
    for name, carried in (("node", models), ("consensus", {})):
        tell(f"concord-{name}")
        bentos[f"concord-{name}"], built = build(home, name, carried)
        if not built:
            unchanged.append(bentos[f"concord-{name}"])
    return Packaged(bentos, models, folders, tuple(unchanged))


def _chosen(found: Mapping[str, Champion], names: Sequence[str]) -> dict[str, Champion]:
    for name in names:
        if not any(name in {model, model.partition(".")[0]} for model in found):
            raise TrainingError(
                f"{name!r} has no champion in the registry. "
                f"Run `python -m training fit {name.partition('.')[0]}`.",
                field=name,
            )
    return {
        model: champion
        for model, champion in found.items()
        if not names or model in names or model.partition(".")[0] in names
    }


def _stored(name: str, champion: Champion) -> str | None:
    # A model from elsewhere states no digest, so only the registry can tell whether this one is it.
    if not champion.digest:
        return None
    for tag in _tags(name, champion):
        stated = _stated(tag)
        if stated == (champion.version, champion.run_id, champion.digest):
            return tag
    return None


def _store(home: Path, name: str) -> str | None:
    from training.registry.registry import Registry  # noqa: PLC0415  seconds of import, for what is new only

    fetched = Registry(home).fetch(name)
    if fetched is None:
        return None
    info = fetched.info
    identity = (info.version, info.run_id, info.digest)
    for tag in _tags(name, Champion(*identity)):
        stated = _stated(tag)
        if stated is None:
            _write(tag, fetched)
        if stated in (None, identity):
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


def _stated(tag: str) -> tuple[str, str, str] | None:
    """Version, run and digest of what the store holds under a tag; empty texts for what is not ours."""
    try:
        model = bentoml.models.get(tag)
    except NotFound:
        return None
    path = Path(model.path) / INFO_FILE
    info = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return info.get("version", ""), info.get("run_id", ""), info.get("digest", "")


def _write(tag: str, fetched: Fetched) -> None:
    info = fetched.info
    labels = {"task": info.model.partition(".")[0], "run_id": info.run_id, "digest": info.digest[:16]}
    with bentoml.models.create(tag, labels=labels) as model:
        fetched.write(Path(model.path))
