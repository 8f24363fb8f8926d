"""`concord models`: which versions there are, and which one a node serves.

A promotion has two sides: the registry's alias, which `python -m training models` moves as a process of
its own, and in a cluster the node's entry and its restart. The alias comes first, so that a promotion
that ends half-way is found by the same command: it moves on from where the registry, the entry and the
node itself say that it stopped.
"""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from concord.cli.screen import Command, Group, err, json_option, out, print_json, table

if TYPE_CHECKING:
    from concord.cli.preparation import Preparation
    from concord.cli.rollout import Rollout, Target

MLFLOW_PORT: Final = 5000
SERVICE_PORT: Final = 3000

PACKAGED: Final = "packaged"
"""To the registry's side: the version in the node's image."""

LOOKS: Final = 5
"""At a node that has rolled out, a second apart, until the old pod is out of its Service."""

where_options: Final = (
    click.option("--namespace", "-n", help="Where Concord runs in a cluster; a laptop's without it."),
    click.option("--release", default="concord", show_default=True, help="Name of its Helm release."),
)


@click.group("models", cls=Group, short_help="List versions; promote one, or roll back.")
def models() -> None:
    """List the versions of every model, serve another one, or go back.

    \b
    Examples:
      concord models list
      concord models promote iris.knn 8
      concord models rollback iris.knn --namespace concord

    In a cluster (--namespace, or CONCORD_DEPLOYMENT=NAMESPACE/FULLNAME) a promotion restarts the
    node's Deployment; on a laptop the next `concord up` serves the version. MLFLOW_TRACKING_URI names the
    registry; without it a way to the cluster's own is opened with kubectl.
    """


def _placed(command: Any) -> Any:  # noqa: ANN401 - click's decorators
    for option in reversed(where_options):
        command = option(command)
    return command


@dataclass(frozen=True)
class Desk:
    """What a command works with: the registry, and the cluster if there is one."""

    preparation: "Preparation"
    registry: str | None
    target: "Target | None"

    def ask(self, step: str, *arguments: str) -> Any:  # noqa: ANN401 - the step's own JSON
        """A step of `python -m training models`."""
        about = ["--cluster"] if self.target else []
        return self.preparation.models(step, *arguments, *about, registry=self.registry)


@contextmanager
def _desk(namespace: str | None, release: str) -> Iterator[Desk]:
    from concord.cli.forward import forwarded
    from concord.cli.place import place, project
    from concord.cli.preparation import Preparation
    from concord.cli.rollout import Target

    target, registry = Target.of(namespace, release), None
    with ExitStack() as stack:
        if target and "MLFLOW_TRACKING_URI" not in os.environ:
            way = forwarded(target.namespace, f"{target.fullname}-mlflow", MLFLOW_PORT)
            registry = stack.enter_context(way)
        yield Desk(Preparation(project(), place().home), registry, target)


@models.command("list", cls=Command)
@_placed
@json_option
def list_models(*, namespace: str | None, release: str, as_json: bool) -> None:
    """List every model's versions: which is champion, and which is served.

    \b
    Examples:
      concord models list
      concord models list --namespace concord
    """
    with _desk(namespace, release) as desk:
        found = desk.ask("list")
        served = _served(desk.target)
    for model in found:
        model["served"] = served.get(model["model"])
    if as_json:
        print_json(found)
        return
    made = table("model", "v", "alias", "served", "created", "metric", right=("v", "metric"))
    for model in found:
        for place, one in enumerate(model["versions"]):
            metric = "" if one["value"] is None else f"{one['metric']} {one['value']:.3f}"
            made.add_row(
                "" if place else model["model"],
                one["version"],
                ", ".join(one["aliases"]),
                "[green]✓[/]" if one["version"] == model["served"] else "",
                one["created"].replace("T", " ")[:16],
                metric,
            )
    out().print(made)
    if not served:
        err().print("[dim]The consensus service does not answer, so what is served is not known.[/]")


@models.command("promote", cls=Command)
@click.argument("model")
@click.argument("version")
@_placed
@click.option("--timeout", default=300.0, show_default=True, help="Seconds to wait for the roll-out.")
@json_option
def promote(
    *, model: str, version: str, namespace: str | None, release: str, timeout: float, as_json: bool
) -> None:
    """Have a node serve VERSION of MODEL.

    \b
    Examples:
      concord models promote iris.knn 8
      concord models promote iris.knn 8 --namespace concord
    """
    with _desk(namespace, release) as desk:
        if desk.target is None:
            move = desk.ask("promote", model, version)
            _say_local(move, as_json=as_json)
            return
        rollout = _rollout(desk.target, model)
        now, entry = _info(desk.target, model), rollout.entry()
        is_served = now.get("version") == version and entry.get("champion") == version
        move = desk.ask("promote", model, version, *_stated(now, entry), *([] if is_served else ["--again"]))
        # A challenger that becomes champion challenges nobody.
        after = _roll(rollout, desk.target, move, timeout)
    _say(move, after, as_json=as_json)


@models.command("rollback", cls=Command)
@click.argument("model")
@_placed
@click.option("--timeout", default=300.0, show_default=True, help="Seconds to wait for the roll-out.")
@json_option
def rollback(*, model: str, namespace: str | None, release: str, timeout: float, as_json: bool) -> None:
    """Have a node serve the version of MODEL that it served before the last promotion.

    \b
    Examples:
      concord models rollback iris.knn
      concord models rollback iris.knn --namespace concord
    """
    with _desk(namespace, release) as desk:
        if desk.target is None:
            move = desk.ask("rollback", model)
            desk.ask("settle", model)
            _say_local(move, as_json=as_json)
            return
        rollout = _rollout(desk.target, model)
        move = desk.ask("rollback", model)
        after = _roll(rollout, desk.target, move, timeout)
        desk.ask("settle", model)
    _say(move, after, as_json=as_json)


def _stated(now: Mapping[str, Any], entry: Mapping[str, str]) -> list[str]:
    """What is served, as the node says itself or, where it cannot be asked, as its entry says."""
    if now:
        return [f"--served={now['version']}:{now['digest']}"]
    champion = str(entry.get("champion", PACKAGED))
    # An alias may mean another version than when the node started.
    return [f"--served={champion}:"] if champion == PACKAGED or champion.isdecimal() else []


def _rollout(target: "Target", model: str) -> "Rollout":
    from concord.cli.rollout import Rollout
    from concord.cluster import Cluster

    rollout = Rollout(Cluster.connect(target.namespace), target, model)
    rollout.check()
    return rollout


def _roll(rollout: "Rollout", target: "Target", move: Mapping[str, Any], timeout: float) -> Mapping[str, Any]:
    """Writes the entry, restarts, waits, and asks who answers now."""
    version = move["version"]

    def change(entry: dict[str, str]) -> dict[str, str]:
        kept = {role: named for role, named in entry.items() if role == "challenger" and named != version}
        return kept | ({"champion": version} if version else {})

    rollout.write(change)
    rollout.restart()
    with err().status(f"Rolling out {rollout.deployment} …") as status:
        rollout.wait(timeout, lambda words: status.update(f"Rolling out {rollout.deployment}: {words}"))
        return _answering(target, move["model"], version)


def _answering(target: "Target", model: str, version: str | None) -> Mapping[str, Any]:
    """What the node says of itself after the roll-out; empty where it cannot be asked from here.

    Raises:
        ServiceAway: Another version answers than the one that was asked for.
    """
    from concord.errors import ServiceAway

    for look in range(LOOKS):
        if look:
            time.sleep(1)
        found = _info(target, model)
        if not found or version is None or found.get("version") == version:
            return found
    raise ServiceAway(
        f"{model} has rolled out and answers with version {found['version']}, not {version}: the new pod may "
        "have read its entry before it was written. Run the same command again."
    )


def _info(target: "Target", model: str) -> dict[str, Any]:
    """What a node says of itself; empty where it cannot be asked from here."""
    import httpx

    from concord.errors import ConcordError

    with suppress(ConcordError, httpx.HTTPError, ValueError), _way(target, target.deployment(model)) as url:
        answer = httpx.get(f"{url}/info", timeout=5, trust_env=False)
        if answer.status_code == 200:
            return dict(answer.json())
    return {}


@contextmanager
def _way(target: "Target", service: str) -> Iterator[str]:
    from concord.cli.forward import forwarded

    if "KUBERNETES_SERVICE_HOST" in os.environ:
        yield f"http://{service}.{target.namespace}:{SERVICE_PORT}"
    else:
        with forwarded(target.namespace, service, SERVICE_PORT) as url:
            yield url


def _served(target: "Target | None") -> dict[str, str | None]:
    """Registered name → the version that answers, as the consensus service knows it; empty if it is away."""
    from concord.cli.place import service_url, settings
    from concord.client import Client
    from concord.errors import ConcordError

    with suppress(ConcordError), ExitStack() as stack:
        url = service_url(settings())
        if target:
            url = stack.enter_context(_way(target, f"{target.fullname}-consensus"))
        with Client(url, 5.0) as client:
            return {node.model: node.version for node in client.nodes()}
    return {}


def _say_local(move: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json({**move, "answers": None})
        return
    version = f"version {move['version']}" if move["version"] else "the packaged version"
    out().print(f"[green]✓[/] {move['model']}: {version} is champion. The next `concord up` serves it.")


def _say(move: Mapping[str, Any], after: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json({**move, "answers": after.get("version")})
        return
    if after:
        out().print(f"[green]✓[/] {move['model']} answers with version {after['version']}.")
    else:
        version = f"version {move['version']}" if move["version"] else "the packaged version"
        out().print(f"[green]✓[/] {move['model']} has rolled out to {version}; it cannot be asked from here.")
    if move["previous"]:
        out().print(f"  `concord models rollback {move['model']}` goes back to {move['previous']}.")
