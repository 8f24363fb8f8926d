"""`concord models`: which versions there are, which one a node serves, and the decisions about that.

The consensus service decides and writes down who did what and why; this asks it and waits until the node
has followed. Where none runs on this machine, the registry alone is asked (`python -m training models`, a
process of its own), and a promotion moves its alias for the next `concord up`.
"""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from concord.cli.desk import Desk, desk, placed
from concord.cli.screen import Command, Group, err, json_option, out, print_json, table
from concord.errors import InvalidInput, ServiceAway

if TYPE_CHECKING:
    from concord.stake import Action
    from concord.versions import Comparison, ModelView

POLL_SECONDS: Final = 0.5

BY_HAND: Final = "decided by hand"
"""The reason where none is given: the ledger wants one."""

PACKAGED: Final = "packaged"

_why = click.option("--why", default=BY_HAND, help="The reason, in a sentence; it stays in the ledger.")
_timeout = click.option(
    "--timeout", default=300.0, show_default=True, help="Seconds to wait until the node has followed."
)


@click.group("models", cls=Group, short_help="List and compare versions; promote one, or roll back.")
def models() -> None:
    """List the versions of every model, compare two, serve another one, or go back.

    \b
    Examples:
      concord models list
      concord models challenge iris.knn 9 --why "learned from spring's rows too"
      concord models compare iris.knn
      concord models promote iris.knn
      concord models rollback iris.knn --namespace concord

    All but list and compare take a token that administers (CONCORD_TOKEN). In a cluster (--namespace, or
    CONCORD_DEPLOYMENT=NAMESPACE/FULLNAME) the way to the service is opened with kubectl unless CONCORD_URL
    names it.
    """


@models.command("list", cls=Command)
@placed
@json_option
def list_models(*, namespace: str | None, release: str, as_json: bool) -> None:
    """List every model's versions: which one answers, and which one is tried beside it.

    \b
    Examples:
      concord models list
      concord models list --namespace concord
    """
    from concord.cli.offline import listing

    found, is_online = None, True
    with desk(namespace, release) as at:
        try:
            found = at.client.models()
        except ServiceAway:
            if at.target:
                raise
        if found is None or all(view.registry is None for view in found):
            found, is_online = listing(found or []), found is not None
    if as_json:
        print_json(found)
        return
    made = table("model", "phase", "v", "alias", "answers", "created", "metric", right=("v", "metric"))
    for view in found:
        _rows(made, view)
    out().print(made)
    for view in found:
        if view.problem:
            err().print(f"[yellow]![/] {view.name}: {view.problem}", soft_wrap=True)
    if not is_online:
        err().print("[dim]The consensus service does not answer, so what is served is not known.[/]")


def _rows(made: Any, view: "ModelView") -> None:  # noqa: ANN401 - rich's table
    phase = "" if view.champion is None and not view.rolling else view.phase
    answering = {view.champion: "[green]champion[/]", view.challenger: "challenger"}
    versions = view.registry.versions if view.registry else []
    if not versions and view.champion:
        made.add_row(view.name, phase, view.champion, "", answering[view.champion], "", "")
    for place, one in enumerate(versions):
        metric = "" if one.value is None else f"{one.metric} {one.value:.3f}"
        made.add_row(
            *(("", "") if place else (view.name, f"{phase}{' (rolling)' if view.rolling else ''}")),
            one.version,
            ", ".join(one.aliases),
            answering.get(one.version, ""),
            one.created.replace("T", " ")[:16],
            metric,
        )


@models.command("compare", cls=Command)
@click.argument("model")
@click.option("--since", help="Only rounds since this time; by default since the phase began.")
@placed
@json_option
def compare(*, model: str, since: str | None, namespace: str | None, release: str, as_json: bool) -> None:
    """Compare champion and challenger of MODEL on the labelled rounds that both answered.

    \b
    Example:
      concord models compare iris.knn
    """
    with desk(namespace, release) as at:
        found = at.client.compare(model, since=since)
    if as_json:
        print_json(found)
        return
    _show_comparison(found)


def _show_comparison(found: "Comparison") -> None:
    made = table("", "v", found.score, right=("v", found.score))
    former = "predecessor" if found.phase == "watch" else "challenger"
    for role, one in (("champion", found.champion), (former, found.challenger)):
        made.add_row(role, one.version, "" if one.score is None else f"{one.score:.3f}")
    console = out()
    console.print(made)
    words = {
        "better": f"The {former} is better.",
        "worse": f"The {former} is worse.",
        "undecided": "Which one is better is not decided.",
        "too_few": "Too few to say.",
    }[found.verdict]
    if found.difference is None or found.low is None or found.high is None:
        console.print(f"{found.rounds} labelled rounds that both answered. {words}")
        return
    console.print(
        f"difference {found.difference:+.3f} ({found.low:+.3f} to {found.high:+.3f}) on {found.rounds} "
        f"labelled rounds. {words}",
        soft_wrap=True,
    )


@models.command("challenge", cls=Command)
@click.argument("model")
@click.argument("version")
@_why
@_timeout
@placed
@json_option
def challenge(**options: Any) -> None:  # noqa: ANN401 - click's parameters
    """Have VERSION of MODEL answer beside the champion; its answers are scored and do not count.

    \b
    Example:
      concord models challenge iris.knn 9 --why "learned from spring's rows too"
    """
    _decide("challenge", **options)


@models.command("promote", cls=Command)
@click.argument("model")
@click.argument("version", required=False)
@_why
@_timeout
@placed
@json_option
def promote(**options: Any) -> None:  # noqa: ANN401 - click's parameters
    """Have MODEL answer with VERSION, or with its challenger; the old champion is watched beside it.

    \b
    Examples:
      concord models promote iris.knn
      concord models promote iris.knn 8 --namespace concord
    """
    _decide("promote", **options)


@models.command("rollback", cls=Command)
@click.argument("model")
@_why
@_timeout
@placed
@json_option
def rollback(**options: Any) -> None:  # noqa: ANN401 - click's parameters
    """Have MODEL answer with the version that it served before the last promotion.

    \b
    Example:
      concord models rollback iris.knn --why "callers complain"
    """
    _decide("rollback", **options)


@models.command("dismiss", cls=Command)
@click.argument("model")
@_why
@_timeout
@placed
@json_option
def dismiss(**options: Any) -> None:  # noqa: ANN401 - click's parameters
    """Send the challenger of MODEL away, or end the watch over a new champion.

    \b
    Example:
      concord models dismiss iris.knn --why "no better after a month"
    """
    _decide("dismiss", **options)


def _decide(
    action: "Action",
    *,
    model: str,
    version: str | None = None,
    why: str,
    timeout: float,
    namespace: str | None,
    release: str,
    as_json: bool,
) -> None:
    """Has the service decide, and waits; without a service on this machine only the alias moves."""
    from concord.cli import offline

    with desk(namespace, release) as at:
        try:
            at.client.models()
        except ServiceAway:
            if at.target or action not in {"promote", "rollback"}:
                raise
            if version is None and action == "promote":
                raise InvalidInput(
                    "No service runs here that would know a challenger; name the version to be served.",
                    field="VERSION",
                ) from None
            move = offline.promote(model, version) if version else offline.roll_back(model)
            _say_offline(move, as_json=as_json)
            return
        at.check_token()
        view = _followed(at, at.client.appoint(model, action, version, why), timeout)
    if as_json:
        print_json(view)
    else:
        _say(action, view)


def _followed(at: Desk, view: "ModelView", timeout: float) -> "ModelView":
    """The model once its node serves what was decided.

    Raises:
        ServiceAway: It has not in time.
    """
    end = time.monotonic() + timeout
    with err().status(f"{view.name} is changing over …") as status:
        while not _is_there(view):
            if time.monotonic() > end:
                raise _stuck(at, view, timeout)
            time.sleep(POLL_SECONDS)
            status.update(f"{view.name} is to serve {_wanted(view)} and answers with {_now(view)} …")
            try:
                view = next(one for one in at.client.models() if one.name == view.name)
            except ServiceAway:
                # A replica that ends takes its connections with it.
                continue
    return view


def _is_there(view: "ModelView") -> bool:
    if view.rolling or view.champion is None:
        return False
    return not (view.wanted.challenger and view.challenger is None and view.dropped is None)


def _stuck(at: Desk, view: "ModelView", timeout: float) -> ServiceAway:
    if at.target:
        node = f"{at.target.fullname}-{view.name.replace('.', '-').replace('_', '-')}"
        where = (
            f"`kubectl logs -n {at.target.namespace} deployment/{node} --all-pods --all-containers --prefix`"
        )
    else:
        where = "The terminal of `concord up`"
    return ServiceAway(
        f"{view.name} does not serve {_wanted(view)} after {timeout:.0f} s; it was decided, and the node "
        f"goes on with {_now(view)}. {where} says why; `concord models rollback {view.name}` goes back."
    )


def _wanted(view: "ModelView") -> str:
    champion = f"version {view.wanted.champion}" if view.wanted.champion else "the packaged version"
    return f"{champion} with challenger {view.wanted.challenger}" if view.wanted.challenger else champion


def _now(view: "ModelView") -> str:
    champion = f"version {view.champion}" if view.champion else "nothing yet"
    return f"{champion} with challenger {view.challenger}" if view.challenger else champion


def _say(action: "Action", view: "ModelView") -> None:
    console = out()
    if view.dropped:
        console.print(
            f"[yellow]![/] {view.name}: its challenger answers no more. {view.dropped}", soft_wrap=True
        )
    line = f"[green]✓[/] {view.name} answers with version {view.champion}"
    beside = {
        "serving": ".",
        "probation": f"; version {view.challenger} is tried beside it.",
        "watch": f"; version {view.challenger}, the one before, is asked beside it and ready to come back.",
    }[view.phase]
    console.print(line + beside, soft_wrap=True)
    if action == "challenge":
        console.print(f"  `concord models compare {view.name}` shows how it does, as labels come in.")
    elif action == "promote":
        console.print(f"  `concord models rollback {view.name}` goes back.")


def _say_offline(move: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(move)
        return
    version = f"version {move['version']}" if move["version"] else "the packaged version"
    out().print(f"[green]✓[/] {move['model']}: {version} is champion. The next `concord up` serves it.")
