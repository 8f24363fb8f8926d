"""`concord models`: which versions there are, which one a node serves, and decisions about that.

The consensus service decides; after a decision the command waits until the node has followed. Where none
runs on this machine, the registry alone is asked (`concord.cli.registry`): it can be listed, and a promotion
or a rollback moves its alias and is written to the ledger, for the next `concord up`.
"""

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from concord.cli.console import Group, combine, err, json_option, print_result
from concord.cli.service_access import ServiceAccess, open_service, target_options
from concord.errors import InvalidInput, ServiceAway

if TYPE_CHECKING:
    from concord.policies.stake import Action
    from concord.types.models import ModelView

POLL_SECONDS: Final = 0.5

DEFAULT_REASON: Final = "decided by hand"
"""The ledger requires one."""

decision_parameters: Final = combine(
    click.argument("model"),
    click.option("--why", default=DEFAULT_REASON, help="The reason, in a sentence; it stays in the ledger."),
    click.option(
        "--timeout", default=300.0, show_default=True, help="Seconds to wait until the node has followed."
    ),
    target_options,
    json_option,
)
"""What every decision takes: the model, the reason, the time limit, and where Concord runs."""


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


@models.command("list")
@target_options
@json_option
def list_models(*, namespace: str | None, release: str, as_json: bool) -> None:
    """List every model's versions: which one answers, and which one is tried beside it.

    \b
    Examples:
      concord models list
      concord models list --namespace concord
    """
    from concord.cli import registry
    from concord.cli.text.models import show_models

    with open_service(namespace, release) as access:
        served = _ask_service(access)
        views = served or []
        if all(view.registry is None for view in views):
            views = registry.list_models(views)
    show = partial(show_models, has_service=served is not None)
    print_result(views, show, as_json=as_json)


@models.command("compare")
@click.argument("model")
@click.option("--since", help="Only rounds since this time; by default since the phase began.")
@target_options
@json_option
def compare(*, model: str, since: str | None, namespace: str | None, release: str, as_json: bool) -> None:
    """Compare champion and challenger of MODEL on the labelled rounds that both answered.

    \b
    Example:
      concord models compare iris.knn
    """
    from concord.cli.text.models import show_comparison

    with open_service(namespace, release) as access:
        comparison = access.client.compare(model, since=since)
    print_result(comparison, show_comparison, as_json=as_json)


@models.command("challenge")
@decision_parameters
@click.argument("version")
def challenge(**options: Any) -> None:  # noqa: ANN401 - click's parameters
    """Have VERSION of MODEL answer beside the champion; its answers are scored and do not count.

    \b
    Example:
      concord models challenge iris.knn 9 --why "learned from spring's rows too"
    """
    _decide("challenge", **options)


@models.command("promote")
@decision_parameters
@click.argument("version", required=False)
def promote(**options: Any) -> None:  # noqa: ANN401 - click's parameters
    """Have MODEL answer with VERSION, or with its challenger; the old champion is watched beside it.

    \b
    Examples:
      concord models promote iris.knn
      concord models promote iris.knn 8 --namespace concord
    """
    _decide("promote", **options)


@models.command("rollback")
@decision_parameters
def rollback(**options: Any) -> None:  # noqa: ANN401 - click's parameters
    """Have MODEL answer with the version that it served before the last promotion.

    \b
    Example:
      concord models rollback iris.knn --why "callers complain"
    """
    _decide("rollback", **options)


@models.command("dismiss")
@decision_parameters
def dismiss(**options: Any) -> None:  # noqa: ANN401 - click's parameters
    """Send the challenger of MODEL away, or end the watch over a new champion.

    \b
    Example:
      concord models dismiss iris.knn --why "no better after a month"
    """
    _decide("dismiss", **options)


def _ask_service(access: ServiceAccess, *, has_fallback: bool = True) -> "list[ModelView] | None":
    """The models as the service knows them; None where none runs on this machine and the registry will do.

    Raises:
        ServiceAway: The service does not answer, and only it can do what is asked.
    """
    try:
        return access.client.models()
    except ServiceAway:
        if access.target or not has_fallback:
            raise
        return None


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
    """Has the service decide, and waits until the node has followed; without a service the alias moves."""
    from concord.cli.text.models import show_decided, show_moved

    with open_service(namespace, release) as access:
        if _ask_service(access, has_fallback=action in {"promote", "rollback"}) is None:
            move = _move_alias(action, model, version, why)
            return print_result(move, show_moved, as_json=as_json)
        access.check_token()
        view = _wait_until_served(access, access.client.appoint(model, action, version, why), timeout)
    return print_result(view, partial(show_decided, action), as_json=as_json)


def _move_alias(action: "Action", model: str, version: str | None, why: str) -> Any:  # noqa: ANN401 - training's JSON
    """Moves the alias champion in the registry of this machine, and appoints the version in its ledger.

    Raises:
        InvalidInput: A promotion names no version, and only a service knows a challenger.
    """
    from concord.cli import registry

    if action == "rollback":
        return registry.roll_back(model, why)
    if version is None:
        raise InvalidInput(
            "No service runs here that would know a challenger; name the version to be served.",
            field="VERSION",
        )
    return registry.promote(model, version, why)


def _wait_until_served(access: ServiceAccess, view: "ModelView", timeout: float) -> "ModelView":
    """The model once its node serves what was decided.

    Raises:
        ServiceAway: It has not in time.
    """
    from concord.cli.text.models import describe_desired, describe_served

    end = time.monotonic() + timeout
    with err().status(f"{view.name} is changing over …") as status:
        while not _is_served(view):
            if time.monotonic() > end:
                raise _not_served(access, view, timeout)
            time.sleep(POLL_SECONDS)
            status.update(
                f"{view.name} is to serve {describe_desired(view)} and answers with {describe_served(view)} …"
            )
            try:
                view = next((other for other in access.client.models() if other.name == view.name), view)
            except ServiceAway:
                # A replica that ends takes its connections with it.
                continue
    return view


def _is_served(view: "ModelView") -> bool:
    if view.rolling or view.champion is None:
        return False
    return not (view.wanted.challenger and view.challenger is None and view.dropped is None)


def _not_served(access: ServiceAccess, view: "ModelView", timeout: float) -> ServiceAway:
    from concord.cli.text.models import describe_desired, describe_served

    logs = "The terminal of `concord up`"
    if access.target:
        logs = (
            f"`kubectl logs -n {access.target.namespace} deployment/{access.target.deployment(view.name)} "
            "--all-pods --all-containers --prefix`"
        )
    return ServiceAway(
        f"{view.name} does not serve {describe_desired(view)} after {timeout:.0f} s; it was decided, and the "
        f"node goes on with {describe_served(view)}. {logs} says why; `concord models rollback {view.name}` "
        "goes back."
    )
