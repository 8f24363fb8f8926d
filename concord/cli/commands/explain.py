"""`concord explain`: why a round was answered as it was, what it did to stake, and the proof of that.

A proof is written as a file of its own, for `concord ledger prove`, which needs no service.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from concord.cli.console import Command, json_option, print_json
from concord.cli.files.out_file import check_out, replacing
from concord.cli.home import connect
from concord.errors import Conflict

if TYPE_CHECKING:
    from concord.types.explanation import Explanation


@click.command("explain", cls=Command, short_help="Explain a round's answer, and prove it.")
@click.argument("round_id", metavar="ID")
@click.option("--proof", "target", type=click.Path(path_type=Path), help="Write the proof there, as JSON.")
@click.option("--force", is_flag=True, help="Overwrite the file of --proof.")
@json_option
def explain(*, round_id: str, target: Path | None, force: bool, as_json: bool) -> None:
    """Say who voted what in the round ID, with which weight and why, what was true, and what that did.

    \b
    Examples:
      concord explain 5f0c7d1e9a2b4c6d8e0f1a2b3c4d5e6f
      concord explain 5f0c7d1e9a2b4c6d8e0f1a2b3c4d5e6f --proof proof.json
      concord ledger prove blocks.jsonl proof.json
    """
    from concord.cli.text.explanation import show_explanation

    if target is not None:
        check_out(target, force=force)
    with connect() as client:
        round_ = client.round(round_id)
    if round_.explanation is None:
        raise Conflict("The service that answers is an older one, and explains nothing.")
    if target is not None:
        _write_proof(target, round_.explanation)
    if as_json:
        print_json(round_)
        return
    show_explanation(round_, round_.explanation)
    if target is not None:
        click.echo(f"\nThe proof was written to {target}.")


def _write_proof(target: Path, explanation: "Explanation") -> None:
    import orjson

    if explanation.proof is None:
        raise Conflict(f"There is no proof of this round. {explanation.problem or explanation.summary}")
    with replacing(target) as file:
        file.write(orjson.dumps(explanation.proof, option=orjson.OPT_INDENT_2) + b"\n")
