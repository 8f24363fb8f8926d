"""`concord models`: which versions there are, which one a node serves, and the decisions about that.

The consensus service knows, and decides (`concord.cli.commands.model_decisions`). Where none runs on this machine, the
registry alone is asked: `python -m training models`, a process of its own.
"""

from typing import TYPE_CHECKING, Any

import click

from concord.cli.commands.model_decisions import decide, deciding
from concord.cli.console import Command, Group, err, json_option, out, print_json, table
from concord.cli.service_access import placed, service_access
from concord.errors import ServiceAway

if TYPE_CHECKING:
    from concord.types.models import Comparison, ModelView


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
    from concord.cli.registry import listing

    found, is_online = None, True
    with service_access(namespace, release) as at:
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
    with service_access(namespace, release) as at:
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
@deciding
@click.argument("version")
def challenge(**options: Any) -> None:  # noqa: ANN401 - click's parameters
    """Have VERSION of MODEL answer beside the champion; its answers are scored and do not count.

    \b
    Example:
      concord models challenge iris.knn 9 --why "learned from spring's rows too"
    """
    decide("challenge", **options)


@models.command("promote", cls=Command)
@deciding
@click.argument("version", required=False)
def promote(**options: Any) -> None:  # noqa: ANN401 - click's parameters
    """Have MODEL answer with VERSION, or with its challenger; the old champion is watched beside it.

    \b
    Examples:
      concord models promote iris.knn
      concord models promote iris.knn 8 --namespace concord
    """
    decide("promote", **options)


@models.command("rollback", cls=Command)
@deciding
def rollback(**options: Any) -> None:  # noqa: ANN401 - click's parameters
    """Have MODEL answer with the version that it served before the last promotion.

    \b
    Example:
      concord models rollback iris.knn --why "callers complain"
    """
    decide("rollback", **options)


@models.command("dismiss", cls=Command)
@deciding
def dismiss(**options: Any) -> None:  # noqa: ANN401 - click's parameters
    """Send the challenger of MODEL away, or end the watch over a new champion.

    \b
    Example:
      concord models dismiss iris.knn --why "no better after a month"
    """
    decide("dismiss", **options)
