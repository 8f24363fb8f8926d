"""The workshop's round for people, step by step within 80 columns, and for programs."""

from collections.abc import Mapping
from typing import Any

from concord.cli.console import out, print_line, table
from concord.cli.text.values import format_plain_stake
from concord.cli.workshop import ACCURACIES, ROW, TRUTH, WorkshopRound
from concord.policies.stake import MICRO


def to_json(round_: WorkshopRound) -> dict[str, Any]:
    """The round as plain JSON values."""
    verdict = round_.verdict
    return {
        "row": ROW,
        "nodes": [
            {
                "node": node,
                "said": round_.votes.get(node),
                "stated_accuracy": accuracy / 1_000_000,
                "before": round_.before[node] / MICRO,
                "after": round_.after[node] / MICRO,
                "slashed": node in round_.slashed,
                "wager": round_.under_wager[node] / MICRO,
            }
            for node, accuracy in ACCURACIES.items()
        ],
        "consensus": verdict.pool.mean if verdict.pool else None,
        "answer": round_.answer,
        "label": verdict.label,
        "truth": TRUTH,
        "as_taught": round_.is_as_taught,
        "round": verdict.id,
        "block": round_.block,
    }


def show_round(round_: WorkshopRound, *, again: bool) -> None:
    """Prints the round, step by step."""
    _show_question(again=again)
    _show_votes(round_)
    _show_consensus(round_)
    _show_slashes(round_)
    _show_truth(round_)
    _show_wager(round_)
    print_line(
        f"\n[dim]Round {round_.verdict.id}, settled in block {round_.block}.\n"
        "`concord demo --again` goes on from these balances.\n"
        f"`concord ledger show {round_.block}` shows the block, `concord ledger verify` proves all.[/]"
    )


def _show_question(*, again: bool) -> None:
    row = ", ".join(f"{name} {value}" for name, value in ROW.items())
    accounts = "as the last round left it" if again else "set to 1000 stake"
    print_line(
        "[bold]The workshop's example, on the live Iris nodes[/]\n\n"
        "Four models look at one flower (in cm):\n"
        f"  {row}\n"
        f"Each has an account of its own in the task `workshop`, {accounts}.\n"
        "The accuracies below are the workshop's; they were not measured on these models.\n"
    )


def _show_votes(round_: WorkshopRound) -> None:
    print_line("[bold]1  What each node says[/]")
    numbers = ("class", "accuracy", "stake", "weight")
    rows = table("  node", "class", "", *numbers[1:], right=numbers)
    for node, accuracy in ACCURACIES.items():
        vote = round_.votes.get(node)
        rows.add_row(
            f"  {node}",
            *(("-", "did not vote") if vote is None else (str(vote), round_.labels[vote])),
            f"{accuracy / 1e6:.2f}",
            format_plain_stake(round_.before[node]),
            format_plain_stake(round_.weights.get(node, 0)),
        )
    out().print(rows)
    if not round_.is_as_taught:
        print_line(
            "  [yellow]![/] In the workshop they said 2, 1, 2, 1. These nodes have learned from\n"
            "    other data, or one is away: the figures below are not the workshop's."
        )


def _show_consensus(round_: WorkshopRound) -> None:
    weights = round_.weights
    terms = " + ".join(f"{format_plain_stake(weights[node])}·{round_.votes[node]}" for node in weights)
    mean = round_.verdict.pool.mean if round_.verdict.pool else None
    print_line("\n[bold]2  The weighted consensus[/]   weight = accuracy × stake")
    print_line(f"  ({terms}) / {format_plain_stake(sum(weights.values()))}")
    print_line(f"  = [bold]{mean:.6f}[/], rounded: class [bold]{round_.answer}, {round_.verdict.label}[/]")


def _show_stakes(before: Mapping[str, int], after: Mapping[str, int], effects: Mapping[str, str]) -> None:
    rows = table("  node", "before", "after", "", right=("before", "after"))
    for node, effect in effects.items():
        rows.add_row(f"  {node}", format_plain_stake(before[node]), format_plain_stake(after[node]), effect)
    out().print(rows)


def _show_slashes(round_: WorkshopRound) -> None:
    print_line("\n[bold]3  Who pays[/]   10 % of its stake, if a node said something else")
    effects = dict.fromkeys(ACCURACIES, "[dim]did not vote, keeps its stake[/]")
    effects |= dict.fromkeys(round_.votes, "[green]✓ not slashed[/]")
    for node in round_.slashed:
        lost = format_plain_stake(round_.before[node] - round_.after[node])
        effects[node] = f"[red]✗ slashed by {lost}[/]"
    _show_stakes(round_.before, round_.after, effects)


def _show_truth(round_: WorkshopRound) -> None:
    print_line("\n[bold]4  What the flower is[/]")
    print_line(
        f"  It is row 83 of the Iris data, and its true class is [bold]{TRUTH}, {round_.labels[TRUTH]}[/]."
    )
    right = [node for node in round_.slashed if round_.votes.get(node) == TRUTH]
    if right:
        were = "was" if len(right) == 1 else "were"
        print_line(f"  {' and '.join(right)} {were} right, and paid for it.")


def _show_wager(round_: WorkshopRound) -> None:
    print_line("\n[bold]5  What `wager`, Concord's default policy, would have done[/]")
    print_line("  It moves stake only once the true label is there, from the wrong to the right:")
    effects = {
        node: "[green]✓ right[/]" if round_.votes[node] == TRUTH else "[red]✗ wrong[/]"
        for node in ACCURACIES
        if node in round_.votes
    }
    _show_stakes(round_.before, round_.under_wager, effects)
    print_line("  (before levelling, which then draws all stakes a little together)")
