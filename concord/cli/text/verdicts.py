"""A verdict for people: the sentence, how certain it is, and what each node answered."""

from typing import TYPE_CHECKING, Final

from concord.cli.console import out, print_line, table
from concord.cli.text.values import format_answer
from concord.types.answers import NON_VOTING, Verdict, Vote

if TYPE_CHECKING:
    from rich.table import Table

    from concord.tasks.schema import TaskSchema

STATUS: Final = {
    "ok": "[green]✓[/] all nodes voted",
    "degraded": "[yellow]![/] degraded",
    "no_quorum": "[red]✗[/] no quorum",
}

TONES: Final = {"good": ("green", "✓"), "bad": ("red", "✗"), "neutral": ("cyan", "●")}
"""Colour and symbol of an answer; the symbol, since colour alone does not reach everyone."""

POOLS: Final = {
    "weighted_mean": "weighted mean of the class numbers",
    "weighted_median": "weighted median of the votes",
    "stake_mean": "mean of the votes by stake",
    "linear": "weighted mean of the votes",
}

_NUMBERS: Final = ("probability", "weight", "latency")


def show_verdict(verdict: Verdict, schema: "TaskSchema") -> None:
    """Prints a verdict with its evidence."""
    print_line(_headline(verdict, schema))
    print_line(f"  {_certainty(verdict)}")
    if verdict.probabilities:
        probabilities = ", ".join(f"{name} {p:.2f}" for name, p in verdict.probabilities.items())
        print_line(f"  {probabilities}")
    print_line("")
    out().print(_votes(verdict))
    print_line("")
    print_line(f"[dim]Round[/] {verdict.id}  [dim]{_settlement(verdict)}[/]")


def answer(verdict: Verdict) -> str:
    """The answer in few words."""
    return format_answer(verdict.label, verdict.value, verdict.unit) or "no answer"


def _votes(verdict: Verdict) -> "Table":
    probability = ["probability"] if verdict.value is None else []
    rows = table("node", "vote", *probability, "weight", "latency", "outcome", right=_NUMBERS)
    for vote in verdict.votes:
        rows.add_row(
            vote.node,
            format_answer(vote.label, vote.value, verdict.unit),
            *([_probability(vote)] if probability else []),
            f"{vote.weight:.3f}",
            "" if vote.latency_ms is None else f"{vote.latency_ms:.1f} ms",
            _outcome(vote),
        )
    return rows


def _outcome(vote: Vote) -> str:
    if vote.outcome in NON_VOTING:
        return f"[dim]{vote.outcome}[/]"
    return vote.outcome if vote.outcome == "voted" else f"[red]{vote.outcome}[/]"


def _headline(verdict: Verdict, schema: "TaskSchema") -> str:
    tones: dict[str, str] = {label.name: label.tone for label in schema.labels}
    colour, symbol = TONES[tones.get(verdict.label or "", "neutral")]
    if verdict.label is None and verdict.value is None:
        reason = (verdict.error or {}).get("message") or "Too few nodes answered in time."
        return f"[red]✗ No answer.[/] {reason}"
    return f"[bold {colour}]{symbol} {verdict.sentence or answer(verdict)}[/]"


def _certainty(verdict: Verdict) -> str:
    voted = sum(vote.outcome == "voted" for vote in verdict.votes)
    voters = sum(vote.outcome not in NON_VOTING for vote in verdict.votes)
    parts = [answer(verdict)]
    if verdict.agreement is not None:
        parts.append(f"agreement {verdict.agreement:.0%}")
    status = STATUS[verdict.status]
    parts.append(status if verdict.status == "ok" else f"{status}: {voted} of {voters} nodes voted")
    if verdict.pool:
        mean = "" if verdict.pool.mean is None else f" {verdict.pool.mean:.6f}"
        parts.append(POOLS[verdict.pool.method] + mean)
    return ", ".join(parts)


def _probability(vote: Vote) -> str:
    return f"{vote.probabilities[vote.label]:.3f}" if vote.label and vote.probabilities else ""


def _settlement(verdict: Verdict) -> str:
    height = "the first state" if not verdict.height else f"block {verdict.height}"
    settlement = {
        "none": "moves no stake" if verdict.status == "no_quorum" else "stake moves with its label",
        "due": "its settlement follows",
        "settled": f"settled in block {verdict.block}",
    }[verdict.settlement]
    return f"policy {verdict.policy}, decided on {height}, {settlement}"
