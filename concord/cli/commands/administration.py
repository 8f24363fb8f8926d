"""`concord release` and `concord stake`: what operators do to nodes, through the service.

The service asks for a token that administers (CONCORD_TOKEN). Each command has a key of its own, and
says it where no answer came: with the same key the same thing happens once.
"""

import secrets
from typing import TYPE_CHECKING

import click

from concord.cli.console import Command, Group, json_option, out, print_json
from concord.errors import InvalidInput, ServiceAway

if TYPE_CHECKING:
    from collections.abc import Callable

    from concord.client import Client
    from concord.types.nodes import AccountView

_key_option = click.option("--key", help="Key of an earlier try, so that it happens once.")


@click.command("release", cls=Command, short_help="Let a jailed node count again.")
@click.argument("task")
@click.argument("node")
@click.option("--reason", required=True, help="Why, in a sentence; it stays in the ledger for good.")
@_key_option
@json_option
def release(*, task: str, node: str, reason: str, key: str | None, as_json: bool) -> None:
    """Let NODE of TASK, which is jailed or in probation, count again.

    \b
    Example:
      concord release iris knn --reason "its features were swapped; mended"
    """
    after = _once(key, lambda client, key: client.release(task, node, reason, key=key))
    _say(after, f"{task}.{node} counts again", as_json=as_json)


@click.group("stake", cls=Group, short_help="Pay stake in or out.")
def stake() -> None:
    """Pay stake into a node's account, or take it out.

    \b
    Example:
      concord stake deposit iris knn 100
    """


@stake.command("deposit")
@click.argument("task")
@click.argument("node")
@click.argument("amount")
@_key_option
@json_option
def deposit(*, task: str, node: str, amount: str, key: str | None, as_json: bool) -> None:
    """Pay AMOUNT of stake into the account of NODE in TASK.

    \b
    Example:
      concord stake deposit iris knn 100
    """
    paid = _amount(amount)
    after = _once(key, lambda client, key: client.deposit(task, node, paid, key=key))
    _say(after, f"{amount} paid into {task}.{node}", as_json=as_json)


@stake.command("withdraw")
@click.argument("task")
@click.argument("node")
@click.argument("amount")
@_key_option
@json_option
def withdraw(*, task: str, node: str, amount: str, key: str | None, as_json: bool) -> None:
    """Take AMOUNT of stake out of the account of NODE in TASK.

    \b
    Example:
      concord stake withdraw iris knn 100
    """
    taken = _amount(amount)
    after = _once(key, lambda client, key: client.withdraw(task, node, taken, key=key))
    _say(after, f"{amount} taken out of {task}.{node}", as_json=as_json)


def _amount(text: str) -> float:
    from concord.tasks.values import NUMBER, WHOLE

    if WHOLE.fullmatch(text):
        return int(text)
    if NUMBER.fullmatch(text) is None:
        raise InvalidInput(f"{text[:40]!r} is no number of stake.", field="AMOUNT")
    return float(text)


def _once(key: str | None, ask: "Callable[[Client, str], AccountView]") -> "AccountView":
    from concord.cli.home import connect

    key = key or secrets.token_hex(8)
    with connect() as client:
        try:
            return ask(client, key)
        except ServiceAway:
            click.echo(
                f"Whether it happened is not known. Try again with --key {key}: it happens once.", err=True
            )
            raise


def _say(after: "AccountView", done: str, *, as_json: bool) -> None:
    if as_json:
        print_json(after)
        return
    out().print(
        f"[green]✓[/] {done}, in block {after.height}. It is {after.standing}, with "
        f"{after.stake:,.10g} stake of {after.deposit:,.10g} paid in.",
        soft_wrap=True,
    )
