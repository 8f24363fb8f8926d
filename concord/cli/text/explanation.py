"""The explanation of a round for a terminal of 80 columns; the sentences are the service's."""

from textwrap import fill
from typing import TYPE_CHECKING, Final

from rich.markup import escape

from concord.cli.console import out
from concord.cli.text.values import count, format_answer, format_time
from concord.cli.text.verdicts import STATUS, answer

if TYPE_CHECKING:
    from rich.console import Console

    from concord.types.explanation import Explanation, StatedLabel, Tried, VoteExplanation
    from concord.types.rounds import Round

STAGES: Final = {
    "settled": "[green]✓[/]",
    "due": "[cyan]●[/]",
    "awaits_label": "[cyan]●[/]",
    "never": "[yellow]![/]",
}
CLASS_MARKS: Final = {True: "[green]✓ right[/]", False: "[red]✗ wrong[/]", None: ""}
VALUE_MARKS: Final = {
    True: "[green]✓ within the usual error[/]",
    False: "[yellow]✗ beyond the usual error[/]",
    None: "",
}
"""A value is paid by how near it came to the truth, and not by being right."""


def show_explanation(round_: "Round", explanation: "Explanation") -> None:
    """Prints who voted what, what was true, and what that did to stake."""
    verdict, console = round_.verdict, out()
    console.print(f"[dim]{round_.task}, {format_time(round_.time)}, round[/] {round_.id}", soft_wrap=True)
    if explanation.contradiction is not None:
        console.print(f"[red]✗[/] {escape(explanation.contradiction)}", soft_wrap=True)
        _show_settlement(console, explanation)
        return
    console.print(f"[bold]{escape(verdict.sentence or answer(verdict))}[/]")
    agreement = "" if verdict.agreement is None else f", agreement {verdict.agreement:.0%}"
    console.print(f"  {escape(answer(verdict))}{agreement}, {STATUS[verdict.status]}")
    console.print(f"  [dim]policy {verdict.policy}, decided on the state of block {verdict.height}[/]")
    _print_indented(console, explanation.method, 2)
    console.print()
    for vote in explanation.votes:
        _show_vote(console, vote, verdict.unit)
    console.print()
    _show_truth(console, explanation, verdict.unit)
    _show_settlement(console, explanation)
    _show_decisions(console, explanation)
    for note in filter(None, (explanation.row, explanation.problem)):
        console.print(f"[yellow]![/] {escape(note)}")


def _show_vote(console: "Console", vote: "VoteExplanation", unit: str | None) -> None:
    version = f" [dim]v{vote.version}[/]" if vote.version else ""
    share = "" if not vote.label or not vote.probabilities else f" {vote.probabilities[vote.label]:.3f}"
    response = _answer(vote.label, vote.value, unit)
    counted = f"weight {vote.weight:.3f}" if vote.counted else f"[yellow]{vote.outcome}, not counted[/]"
    console.print(
        f"[bold]{vote.node}[/]{version}  " + _join(f"{response}{share}" if response else "", counted)
    )
    quality = "" if vote.quality is None else f"quality {vote.quality:.3f}"
    delta = "" if vote.delta is None else f"stake {vote.delta:+,.10g}"
    if result := _join(_mark(vote), quality, delta):
        console.print(f"  {result}")
    _print_indented(console, vote.why, 2)
    if vote.challenger is not None:
        challenger = vote.challenger
        response = _join(_answer(challenger.label, challenger.value, unit), _mark(challenger))
        console.print(f"  [dim]tried beside it, not counted: v{challenger.version}[/] {response}")


def _mark(vote: "VoteExplanation | Tried") -> str:
    return (CLASS_MARKS if vote.value is None else VALUE_MARKS)[vote.right]


def _join(*parts: str) -> str:
    return "  ".join(filter(None, parts))


def _show_truth(console: "Console", explanation: "Explanation", unit: str | None) -> None:
    truth = explanation.truth
    if truth is None:
        return
    console.print(f"What was true: {_describe_label(truth.stands, unit)}")
    for label in truth.disputes:
        console.print(f"  [yellow]![/] disputed, changes nothing: {_describe_label(label, unit)}")


def _show_settlement(console: "Console", explanation: "Explanation") -> None:
    mark, settled, proof = STAGES[explanation.stage], explanation.settlement, explanation.proof
    if settled is None:
        console.print(f"{mark} {escape(explanation.summary)}", soft_wrap=True)
        return
    beside = "alone" if settled.rounds == 1 else f"with {settled.rounds - 1} more"
    console.print(f"{mark} Settled in block {settled.block}, {beside}, {format_time(settled.time)}.")
    _print_indented(console, settled.note, 2)
    if settled.levelling:
        moved = ", ".join(f"{node} {change:+,.10g}" for node, change in settled.levelling.items())
        _print_indented(console, f"The block's levelling: {moved}.", 2)
    if proof is not None:
        console.print(
            f"  Proof: {count(len(proof.path), 'step')} from the record to root {proof.root[:16]}…,"
        )
        console.print(f"  which block {proof.block} names; its hash is {proof.block_hash[:16]}….")
        console.print("  [dim]--proof FILE writes it; `concord ledger prove EXPORT FILE` checks it.[/]")


def _show_decisions(console: "Console", explanation: "Explanation") -> None:
    if not explanation.decisions:
        return
    console.print("\nHow its nodes came to their versions:")
    for decision in explanation.decisions:
        time = format_time(decision.time)
        console.print(f"  [bold]{decision.node}[/] [dim]{time}, block {decision.block}[/]")
        _print_indented(console, f"{decision.words[0].upper()}{decision.words[1:]}", 4)


def _describe_label(label: "StatedLabel", unit: str | None) -> str:
    value = _answer(label.label, label.value, unit) or "a value"
    return f"[bold]{value}[/], said by {escape(label.source)}, {format_time(label.time)}"


def _answer(label: str | None, value: float | None, unit: str | None) -> str:
    return escape(format_answer(label, value, unit))


def _print_indented(console: "Console", text: str, spaces: int) -> None:
    indent = " " * spaces
    wrapped = fill(
        text, console.width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )
    console.print(wrapped, style="dim", markup=False, soft_wrap=True)
