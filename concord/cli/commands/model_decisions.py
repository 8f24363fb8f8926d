"""One decision about a model's versions: asked of the service, waited for, and told.

The consensus service decides and writes down who did what and why; this asks it and waits until the node
has followed. Where none runs on this machine, a promotion moves the registry's alias for the next
`concord up`, and nothing else can be decided.
"""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from concord.cli.console import err, json_option, out, print_json
from concord.cli.service_access import ServiceAccess, placed, service_access
from concord.errors import InvalidInput, ServiceAway

if TYPE_CHECKING:
    from concord.policies.stake import Action
    from concord.types.models import ModelView

POLL_SECONDS: Final = 0.5

BY_HAND: Final = "decided by hand"
"""The reason where none is given: the ledger wants one."""

_parameters: Final = (
    click.argument("model"),
    click.option("--why", default=BY_HAND, help="The reason, in a sentence; it stays in the ledger."),
    click.option(
        "--timeout", default=300.0, show_default=True, help="Seconds to wait until the node has followed."
    ),
    placed,
    json_option,
)


def deciding(command: Any) -> Any:  # noqa: ANN401 - click's decorators
    """Adds what every decision takes: the model, the reason, the patience, and where Concord runs."""
    for parameter in reversed(_parameters):
        command = parameter(command)
    return command


def decide(
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
    from concord.cli import registry as offline

    with service_access(namespace, release) as at:
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


def _followed(at: ServiceAccess, view: "ModelView", timeout: float) -> "ModelView":
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
                view = next((one for one in at.client.models() if one.name == view.name), view)
            except ServiceAway:
                # A replica that ends takes its connections with it.
                continue
    return view


def _is_there(view: "ModelView") -> bool:
    if view.rolling or view.champion is None:
        return False
    return not (view.wanted.challenger and view.challenger is None and view.dropped is None)


def _stuck(at: ServiceAccess, view: "ModelView", timeout: float) -> ServiceAway:
    if at.target:
        where = (
            f"`kubectl logs -n {at.target.namespace} deployment/{at.target.deployment(view.name)} "
            "--all-pods --all-containers --prefix`"
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
