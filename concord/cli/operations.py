"""What `concord release` and `concord stake` share: a key with each operation, and how its result is shown.

The service carries out an operation once for each key. Where no answer came, the command prints its key, so
that the user can try again without doing it twice.
"""

import secrets
from typing import TYPE_CHECKING, Final

import click

from concord.cli.console import print_json, print_line
from concord.cli.home import connect
from concord.errors import ServiceAway

if TYPE_CHECKING:
    from collections.abc import Callable

    from concord.client import Client
    from concord.types.nodes import AccountView

reason_option: Final = click.option(
    "--reason", required=True, help="Why, in a sentence; it stays in the ledger for good."
)
key_option: Final = click.option("--key", help="Key of an earlier try, so that it happens once.")


def run_operation(
    key: str | None, send: "Callable[[Client, str], AccountView]", done: str, *, as_json: bool
) -> None:
    """Has the service carry out an operation once, and prints the account after it.

    Args:
        key: The key of an earlier try; None for a new one.
        send: Sends the operation with its key.
        done: What has been done then, in words.
        as_json: Print JSON.
    """
    key = key or secrets.token_hex(8)
    with connect() as client:
        try:
            account = send(client, key)
        except ServiceAway:
            click.echo(
                f"Whether it happened is not known. Try again with --key {key}: it happens once.", err=True
            )
            raise
    if as_json:
        print_json(account)
        return
    print_line(
        f"[green]✓[/] {done}, in block {account.height}. It is {account.standing}, with "
        f"{account.stake:,.10g} stake of {account.deposit:,.10g} paid in."
    )
