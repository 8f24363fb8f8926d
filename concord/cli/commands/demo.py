"""`concord demo`: how a consensus comes about, on the workshop's example and live nodes."""

import click

from concord.cli.console import Command, json_option, print_json
from concord.cli.home import connect
from concord.cli.stores import open_ledger

# The ledger and the client are imported when the demo runs.


@click.command("demo", cls=Command)
@click.option("--again", is_flag=True, help="Go on with the balances that the last run has left.")
@json_option
def demo(*, again: bool, as_json: bool) -> None:
    """Play the workshop's example on the live Iris nodes, step by step.

    Four of the Iris nodes are asked about one flower, their answers are weighed by accuracy and
    stake, and who dissents pays. The accounts are the demo's own and are set to 1000 at each run;
    with --again the next round is played on what is left.

    \b
    Examples:
      concord demo
      concord demo --again
    """
    from concord.cli.text.demo import show_round, to_json
    from concord.cli.workshop import run_round

    with connect() as client:
        client.tasks()
        with open_ledger() as ledger:
            round_ = run_round(client, ledger, again=again)
    if as_json:
        print_json(to_json(round_))
    else:
        show_round(round_, again=again)
