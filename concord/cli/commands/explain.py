"""`concord explain`: why a round was answered as it was, what it did to stake, and the proof of that.

The sentences are the service's; this module lays them out for a terminal of 80 columns. A proof is written
as a file of its own, for `concord ledger prove`, which needs no service.
"""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from concord.cli.console import Command, json_option, out, print_json
from concord.errors import Conflict

if TYPE_CHECKING:
    from rich.console import Console

    from concord.types.explanation import Explanation, StatedLabel, Tried, VoteExplanation
    from concord.types.rounds import Round

_STAGES: Final = {
    "settled": "[green]✓[/]",
    "due": "[cyan]●[/]",
    "awaits_label": "[cyan]●[/]",
    "never": "[yellow]![/]",
}
_MARKS: Final = {True: "[green]✓ right[/]", False: "[red]✗ wrong[/]", None: ""}
_NEAR: Final = {
    True: "[green]✓ within the usual error[/]",
    False: "[yellow]✗ beyond the usual error[/]",
    None: "",
}
"""Of a value, which is paid by how near it came to the truth, and not by being right."""


@click.command("explain", cls=Command, short_help="Say why a round was answered so, and prove it.")
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
    from concord.cli.files.out_file import check_out
    from concord.cli.home import connect

    if target is not None:
        check_out(target, force=force)
    with connect() as client:
        found = client.round(round_id)
    explained = found.explanation
    if explained is None:
        raise Conflict("The service that answers is an older one, and explains nothing.")
    if target is not None:
        _write(target, explained)
    if as_json:
        print_json(found)
        return
    _show(out(), found, explained)
    if target is not None:
        click.echo(f"\nThe proof was written to {target}.")


def _write(target: Path, explained: "Explanation") -> None:
    import orjson

    from concord.cli.files.out_file import appearing

    if explained.proof is None:
        raise Conflict(f"There is no proof of this round. {explained.problem or explained.summary}")
    with appearing(target) as file:
        file.write(orjson.dumps(explained.proof, option=orjson.OPT_INDENT_2) + b"\n")


def _show(console: "Console", found: "Round", explained: "Explanation") -> None:
    from rich.markup import escape

    from concord.cli.text.verdicts import STATUS, answer

    verdict = found.verdict
    console.print(f"[dim]{found.task}, {_when(found.time)}, round[/] {found.id}", soft_wrap=True)
    console.print(f"[bold]{escape(verdict.sentence or answer(verdict))}[/]")
    agreement = "" if verdict.agreement is None else f", agreement {verdict.agreement:.0%}"
    console.print(f"  {escape(answer(verdict))}{agreement}, {STATUS[verdict.status]}")
    console.print(f"  [dim]policy {verdict.policy}, decided on the state of block {verdict.height}[/]")
    _indented(console, explained.method, 2)
    console.print()
    for one in explained.votes:
        _show_vote(console, one, verdict.unit)
    console.print()
    _show_truth(console, explained, verdict.unit)
    _show_settlement(console, explained)
    _show_decisions(console, explained)
    for note in (explained.row, explained.problem):
        if note:
            console.print(f"[yellow]![/] {escape(note)}")


def _show_vote(console: "Console", one: "VoteExplanation", unit: str | None) -> None:
    version = f" [dim]v{one.version}[/]" if one.version else ""
    said = _said(one.label, one.value, unit)
    share = "" if not one.label or not one.probabilities else f" {one.probabilities[one.label]:.3f}"
    counted = f"weight {one.weight:.3f}" if one.counted else f"[yellow]{one.outcome}, not counted[/]"
    parts = [f"{said}{share}" if said else "", counted]
    console.print(f"[bold]{one.node}[/]{version}  " + "  ".join(part for part in parts if part))
    became = [_mark(one)]
    if one.quality is not None:
        became.append(f"quality {one.quality:.3f}")
    if one.delta is not None:
        became.append(f"stake {one.delta:+,.10g}")
    if any(became):
        console.print("  " + "  ".join(part for part in became if part))
    _indented(console, one.why, 2)
    if one.challenger is not None:
        tried = one.challenger
        said = _said(tried.label, tried.value, unit)
        mark = f"  {_mark(tried)}" if tried.right is not None else ""
        console.print(f"  [dim]tried beside it, not counted: v{tried.version}[/] {said}{mark}")


def _mark(one: "VoteExplanation | Tried") -> str:
    return (_MARKS if one.value is None else _NEAR)[one.right]


def _show_truth(console: "Console", explained: "Explanation", unit: str | None) -> None:
    truth = explained.truth
    if truth is None:
        return
    console.print(f"What was true: {_told(truth.stands, unit)}")
    for other in truth.disputes:
        console.print(f"  [yellow]![/] disputed, changes nothing: {_told(other, unit)}")


def _show_settlement(console: "Console", explained: "Explanation") -> None:
    from rich.markup import escape

    mark, settled, proof = _STAGES[explained.stage], explained.settlement, explained.proof
    if settled is None:
        console.print(f"{mark} {escape(explained.summary)}", soft_wrap=True)
        return
    beside = "alone" if settled.rounds == 1 else f"with {settled.rounds - 1} more"
    console.print(f"{mark} Settled in block {settled.block}, {beside}, {_when(settled.time)}.")
    _indented(console, settled.note, 2)
    if settled.levelling:
        moved = ", ".join(f"{node} {change:+,.10g}" for node, change in settled.levelling.items())
        _indented(console, f"The block's levelling: {moved}.", 2)
    if proof is not None:
        steps = "1 step" if len(proof.path) == 1 else f"{len(proof.path)} steps"
        console.print(f"  Proof: {steps} from the record to root {proof.root[:16]}…,")
        console.print(f"  which block {proof.block} names; its hash is {proof.block_hash[:16]}….")
        console.print("  [dim]--proof FILE writes it; `concord ledger prove EXPORT FILE` checks it.[/]")


def _show_decisions(console: "Console", explained: "Explanation") -> None:
    if not explained.decisions:
        return
    console.print("\nHow its nodes came to their versions:")
    for one in explained.decisions:
        console.print(f"  [bold]{one.node}[/] [dim]{_when(one.time)}, block {one.block}[/]")
        _indented(console, f"{one.words[0].upper()}{one.words[1:]}", 4)


def _told(said: "StatedLabel", unit: str | None) -> str:
    from rich.markup import escape

    what = _said(said.label, said.value, unit) or "a value"
    return f"[bold]{what}[/], said by {escape(said.source)}, {_when(said.time)}"


def _said(label: str | None, value: float | None, unit: str | None) -> str:
    from rich.markup import escape

    text = label if label is not None else "" if value is None else f"{value:,.10g} {unit or ''}".strip()
    return escape(text)


def _when(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone():%Y-%m-%d %H:%M:%S}"


def _indented(console: "Console", text: str, spaces: int) -> None:
    from textwrap import fill

    indent = " " * spaces
    wrapped = fill(
        text, console.width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )
    console.print(wrapped, style="dim", markup=False, soft_wrap=True)
