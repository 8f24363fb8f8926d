"""A verdict for people: the sentence, how sure it is, and what each node said."""

from typing import TYPE_CHECKING, Final

from concord.cli.console import table
from concord.types.answers import NON_VOTING, Verdict, Vote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console
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


def show(console: "Console", verdict: Verdict, schema: "TaskSchema | None" = None) -> None:
    """Prints a verdict with its evidence."""
    console.print(_headline(verdict, schema), soft_wrap=True)
    console.print(f"  {_certainty(verdict)}", soft_wrap=True)
    if verdict.probabilities:
        console.print(
            "  " + ", ".join(f"{name} {p:.2f}" for name, p in verdict.probabilities.items()), soft_wrap=True
        )
    console.print()
    console.print(votes(verdict))
    console.print()
    console.print(f"[dim]Round[/] {verdict.id}  [dim]{_money(verdict)}[/]", soft_wrap=True)


def answer(verdict: Verdict) -> str:
    """The answer in few words."""
    if verdict.label is not None:
        return verdict.label
    if verdict.value is not None:
        return f"{verdict.value:,.10g} {verdict.unit or ''}".strip()
    return "no answer"


def votes(verdict: Verdict) -> "Table":
    """What each node did."""
    probability = ["probability"] if verdict.value is None else []
    made = table("node", "vote", *probability, "weight", "latency", "outcome", right=_NUMBERS)
    for vote in verdict.votes:
        made.add_row(
            vote.node,
            _said(vote, verdict.unit),
            *([_probability(vote)] if probability else []),
            f"{vote.weight:.3f}",
            "" if vote.latency_ms is None else f"{vote.latency_ms:.1f} ms",
            _did(vote),
        )
    return made


def _did(vote: Vote) -> str:
    if vote.outcome in NON_VOTING:
        return f"[dim]{vote.outcome}[/]"
    return vote.outcome if vote.outcome == "voted" else f"[red]{vote.outcome}[/]"


_NUMBERS: Final = ("probability", "weight", "latency")


def _headline(verdict: Verdict, schema: "TaskSchema | None") -> str:
    tones: Mapping[str, str] = {label.name: label.tone for label in schema.labels} if schema else {}
    colour, symbol = TONES[tones.get(verdict.label or "", "neutral")]
    if verdict.label is None and verdict.value is None:
        reason = (verdict.error or {}).get("message") or "Too few nodes answered in time."
        return f"[red]✗ No answer.[/] {reason}"
    return f"[bold {colour}]{symbol} {verdict.sentence or answer(verdict)}[/]"


def _certainty(verdict: Verdict) -> str:
    voted = sum(vote.outcome == "voted" for vote in verdict.votes)
    counted = sum(vote.outcome not in NON_VOTING for vote in verdict.votes)
    parts = [answer(verdict)]
    if verdict.agreement is not None:
        parts.append(f"agreement {verdict.agreement:.0%}")
    status = STATUS[verdict.status]
    parts.append(status if verdict.status == "ok" else f"{status}: {voted} of {counted} nodes voted")
    if verdict.pool:
        mean = "" if verdict.pool.mean is None else f" {verdict.pool.mean:.6f}"
        parts.append(POOLS[verdict.pool.method] + mean)
    return ", ".join(parts)


def _said(vote: Vote, unit: str | None) -> str:
    if vote.label is not None:
        return vote.label
    return "" if vote.value is None else f"{vote.value:,.10g} {unit or ''}".strip()


def _probability(vote: Vote) -> str:
    if vote.label is None or vote.probabilities is None:
        return ""
    return f"{vote.probabilities[vote.label]:.3f}"


def _money(verdict: Verdict) -> str:
    height = "the first state" if not verdict.height else f"block {verdict.height}"
    words = {
        "none": "moves no stake" if verdict.status == "no_quorum" else "stake moves with its label",
        "due": "its settlement follows",
        "settled": f"settled in block {verdict.block}",
    }
    return f"policy {verdict.policy}, decided on {height}, {words[verdict.settlement]}"
