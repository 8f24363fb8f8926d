"""`concord stake`: stake is paid in or taken out. The service asks for a token that administers."""

from typing import Final

import click

from concord.cli.console import Group, combine, json_option
from concord.cli.operations import key_option, reason_option, run_operation
from concord.errors import InvalidInput

payment_parameters: Final = combine(
    click.argument("task"),
    click.argument("node"),
    click.argument("amount"),
    reason_option,
    key_option,
    json_option,
)


@click.group("stake", cls=Group, short_help="Pay stake in or out.")
def stake() -> None:
    """Pay stake into a node's account, or take it out.

    \b
    Example:
      concord stake deposit iris knn 100 --reason "its share of the third quarter"
    """


@stake.command("deposit")
@payment_parameters
def deposit(*, task: str, node: str, amount: str, reason: str, key: str | None, as_json: bool) -> None:
    """Pay AMOUNT of stake into the account of NODE in TASK.

    \b
    Example:
      concord stake deposit iris knn 100 --reason "its share of the third quarter"
    """
    done, number = f"{amount} paid into {task}.{node}", _read_amount(amount)
    run_operation(
        key, lambda client, key: client.deposit(task, node, number, reason, key=key), done, as_json=as_json
    )


@stake.command("withdraw")
@payment_parameters
def withdraw(*, task: str, node: str, amount: str, reason: str, key: str | None, as_json: bool) -> None:
    """Take AMOUNT of stake out of the account of NODE in TASK.

    \b
    Example:
      concord stake withdraw iris knn 100 --reason "its share of the third quarter"
    """
    done, number = f"{amount} taken out of {task}.{node}", _read_amount(amount)
    run_operation(
        key, lambda client, key: client.withdraw(task, node, number, reason, key=key), done, as_json=as_json
    )


def _read_amount(text: str) -> float:
    from concord.tasks.numbers import NUMBER, parse_number

    if NUMBER.fullmatch(text) is None:
        raise InvalidInput(f"{text[:40]!r} is no number of stake.", field="AMOUNT")
    return parse_number(text)
