"""Models where no service runs: the registry's list, and its alias, which the next `concord up` follows."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from concord.types.models import DesiredVersions, ListedVersion, ModelView, RegistryView


def listing(served: Sequence[ModelView]) -> list[ModelView]:
    """Every registered model, with what is known of its node.

    Args:
        served: The nodes of a service that knows no registry; empty where none runs.

    Raises:
        CallerError: There is no registry yet.
        TrainingError: It does not serve.
    """
    nodes = {view.name: view for view in served}
    found = []
    for model in _ask("list"):
        name = model["model"]
        versions = [ListedVersion(**one) for one in model["versions"]]
        alias = {alias: one.version for one in versions for alias in one.aliases}
        registry = RegistryView(alias.get("champion"), alias.get("challenger"), versions)
        view = nodes.pop(name, None)
        if view is None:
            view = _unserved(name, model["previous"])
        found.append(replace(view, registry=registry))
    return found + list(nodes.values())


def promote(model: str, version: str) -> Mapping[str, Any]:
    """Names a version champion in the registry.

    Raises:
        CallerError: There is no such version, or it is champion already.
        TrainingError: The registry does not serve.
    """
    return dict(_ask("promote", model, version))


def roll_back(model: str) -> Mapping[str, Any]:
    """Names the version champion that was before.

    Raises:
        CallerError: There was none.
        TrainingError: The registry does not serve.
    """
    move = dict(_ask("rollback", model))
    _ask("settle", model)
    return move


def _unserved(name: str, previous: str | None) -> ModelView:
    task, _, node = name.rpartition(".")
    return ModelView(
        name,
        task,
        node,
        champion=None,
        challenger=None,
        phase="serving",
        since=None,
        previous=previous,
        wanted=DesiredVersions(),
        rolling=False,
        registry=None,
    )


def _ask(step: str, *arguments: str) -> Any:  # noqa: ANN401 - the step's own JSON
    """A step of `python -m training models`."""
    from concord.cli.home import home, project
    from concord.cli.up.preparation import Preparation

    return Preparation(project(), home().home).models(step, *arguments)
