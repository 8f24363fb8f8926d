"""The registry of this machine, for `concord models` where no service runs.

`python -m training models` reads and moves its aliases. What the next `concord up` serves is decided by the
ledger, so a decision is written there too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from concord.cli.appointed import AppointedVersion, appoint, read_appointed
from concord.cli.home import find_home, find_project
from concord.cli.up.preparation import Preparation
from concord.errors import Conflict
from concord.types.models import DesiredVersions, ListedVersion, ModelView, RegistryView


def list_models(served: Sequence[ModelView]) -> list[ModelView]:
    """Lists every registered model, and every node of a service that knows no registry.

    Args:
        served: The nodes of such a service; empty where none runs.

    Raises:
        CallerError: There is no registry yet.
        TrainingError: It does not serve.
    """
    nodes = {view.name: view for view in served}
    views = []
    for model in _run_step("list"):
        name = model["model"]
        versions = [ListedVersion(**version) for version in model["versions"]]
        aliases = {alias: version.version for version in versions for alias in version.aliases}
        registry = RegistryView(aliases.get("champion"), aliases.get("challenger"), versions)
        view = nodes.pop(name, None) or _unserved(name, model["previous"])
        views.append(replace(view, registry=registry))
    return views + list(nodes.values())


def promote(model: str, version: str, why: str) -> Mapping[str, Any]:
    """Gives a version the alias champion, and appoints it in the ledger.

    Raises:
        CallerError: There is no such version, or it is champion already.
        TrainingError: The registry does not serve.
    """
    move = dict(_run_step("promote", model, version))
    is_new = appoint("promote", model, AppointedVersion(version, move["digest"]), why)
    if not is_new or not (move["is_moved"] or _has_account(model)):
        raise Conflict(f"Version {version} of {model} is the champion already.")
    return move


def roll_back(model: str, why: str) -> Mapping[str, Any]:
    """Gives the alias champion back to the version that had it before, and appoints it in the ledger.

    Raises:
        CallerError: There was none.
        TrainingError: The registry does not serve.
    """
    move = dict(_run_step("rollback", model))
    _run_step("settle", model)
    if move["version"] is not None:
        appoint("rollback", model, AppointedVersion(move["version"], move["digest"] or ""), why)
    return move


def _has_account(model: str) -> bool:
    return model in read_appointed()


def _unserved(name: str, previous: str | None) -> ModelView:
    task, _, node = name.rpartition(".")
    return ModelView(
        name, task, node, champion=None, challenger=None, phase="serving", since=None, previous=previous,
        wanted=DesiredVersions(), rolling=False, registry=None,
    )  # fmt: skip


def _run_step(step: str, *arguments: str) -> Any:  # noqa: ANN401 - the step's own JSON
    return Preparation(find_project(), find_home().folder).models(step, *arguments)
