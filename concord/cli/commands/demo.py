"""`concord demo`: how a consensus comes about, on the workshop's example and live nodes."""

from typing import TYPE_CHECKING, Any

import click

from concord.cli.console import Command, json_option, out, print_json, table

if TYPE_CHECKING:
    from rich.console import Console

    from concord.cli.workshop import Play

# The ledger and the client are imported when the demo is played.


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
    from concord.cli import workshop
    from concord.cli.home import connect
    from concord.cli.stores import open_ledger

    with connect() as client:
        client.tasks()
        with open_ledger() as book:
            played = workshop.play(client, book, again=again)
    if as_json:
        print_json(document(played))
    else:
        tell(out(), played, again=again)


def document(played: "Play") -> dict[str, Any]:
    """The demo for programs."""
    from concord.cli.workshop import ACCURACIES, ROW, TRUTH
    from concord.policies.stake import MICRO

    verdict = played.verdict
    return {
        "row": ROW,
        "nodes": [
            {
                "node": node,
                "said": played.said.get(node),
                "stated_accuracy": accuracy / 1_000_000,
                "before": played.before[node] / MICRO,
                "after": played.after[node] / MICRO,
                "slashed": node in played.slashed,
                "wager": played.wager[node] / MICRO,
            }
            for node, accuracy in ACCURACIES.items()
        ],
        "consensus": verdict.pool.mean if verdict.pool else None,
        "answer": played.answer,
        "label": verdict.label,
        "truth": TRUTH,
        "as_taught": played.is_as_taught,
        "round": verdict.id,
        "block": played.block,
    }


def tell(console: "Console", played: "Play", *, again: bool) -> None:
    """The demo for people, within 80 columns."""
    _introduce(console, again=again)
    _tell_votes(console, played)
    _tell_consensus(console, played)
    _tell_slashes(console, played)
    _tell_truth(console, played)
    _tell_wager(console, played)
    console.print(
        f"\n[dim]Round {played.verdict.id}, settled in block {played.block}.\n"
        "`concord demo --again` goes on from these balances.\n"
        f"`concord ledger show {played.block}` shows the block, `concord ledger verify` proves all.[/]",
        soft_wrap=True,
    )


def _introduce(console: "Console", *, again: bool) -> None:
    from concord.cli.workshop import ROW

    row = ", ".join(f"{name} {value}" for name, value in ROW.items())
    accounts = "as the last round left it" if again else "set to 1000 stake"
    console.print(
        "[bold]The workshop's example, on the live Iris nodes[/]\n\n"
        "Four models look at one flower (in cm):\n"
        f"  {row}\n"
        f"Each has an account of its own in the task `workshop`, {accounts}.\n"
        "The accuracies below are the workshop's; they were not measured on these models.\n",
        soft_wrap=True,
    )


def _tell_votes(console: "Console", played: "Play") -> None:
    from concord.cli.text.ledger import plain_stake
    from concord.cli.workshop import ACCURACIES

    console.print("[bold]1  What each node says[/]")
    made = table(
        "  node", "class", "", "accuracy", "stake", "weight", right=("class", "accuracy", "stake", "weight")
    )
    for node, accuracy in ACCURACIES.items():
        said = played.said.get(node)
        weight = accuracy * played.before[node] // 1_000_000 if said is not None else 0
        words = ("-", "did not vote") if said is None else (str(said), played.labels[said])
        made.add_row(
            f"  {node}",
            *words,
            f"{accuracy / 1e6:.2f}",
            plain_stake(played.before[node]),
            plain_stake(weight),
        )
    console.print(made)
    if not played.is_as_taught:
        console.print(
            "  [yellow]![/] In the workshop they said 2, 1, 2, 1. These nodes have learned from\n"
            "    other data, or one is away: the figures below are not the workshop's.",
            soft_wrap=True,
        )


def _tell_consensus(console: "Console", played: "Play") -> None:
    from concord.cli.text.ledger import plain_stake
    from concord.cli.workshop import ACCURACIES

    weights = {
        node: ACCURACIES[node] * played.before[node] // 1_000_000
        for node in ACCURACIES
        if node in played.said
    }
    terms = " + ".join(f"{plain_stake(weight)}·{played.said[node]}" for node, weight in weights.items())
    mean = played.verdict.pool.mean if played.verdict.pool else None
    console.print("\n[bold]2  The weighted consensus[/]   weight = accuracy × stake")
    console.print(f"  ({terms}) / {plain_stake(sum(weights.values()))}", soft_wrap=True)
    console.print(
        f"  = [bold]{mean:.6f}[/], rounded: class [bold]{played.answer}, {played.verdict.label}[/]",
        soft_wrap=True,
    )


def _tell_slashes(console: "Console", played: "Play") -> None:
    from concord.cli.text.ledger import plain_stake
    from concord.cli.workshop import ACCURACIES

    console.print("\n[bold]3  Who pays[/]   10 % of its stake, if a node said something else")
    made = table("  node", "before", "after", "", right=("before", "after"))
    for node in ACCURACIES:
        lost = played.before[node] - played.after[node]
        words = f"[red]✗ slashed by {plain_stake(lost)}[/]" if lost else "[green]✓ not slashed[/]"
        if node not in played.said:
            words = "[dim]did not vote, keeps its stake[/]"
        made.add_row(f"  {node}", plain_stake(played.before[node]), plain_stake(played.after[node]), words)
    console.print(made)


def _tell_truth(console: "Console", played: "Play") -> None:
    from concord.cli.workshop import TRUTH

    truth = f"{TRUTH}, {played.labels[TRUTH]}"
    right = [node for node in played.slashed if played.said.get(node) == TRUTH]
    console.print("\n[bold]4  What the flower is[/]")
    console.print(f"  It is row 83 of the Iris data, and its true class is [bold]{truth}[/].", soft_wrap=True)
    if right:
        who = " and ".join(right)
        console.print(
            f"  {who} {'was' if len(right) == 1 else 'were'} right, and paid for it.", soft_wrap=True
        )


def _tell_wager(console: "Console", played: "Play") -> None:
    from concord.cli.text.ledger import plain_stake
    from concord.cli.workshop import ACCURACIES, TRUTH

    console.print("\n[bold]5  What `wager`, Concord's default policy, would have done[/]")
    console.print("  It moves stake only once the true label is there, from the wrong to the right:")
    made = table("  node", "before", "after", "", right=("before", "after"))
    for node in ACCURACIES:
        if node in played.said:
            words = "[green]✓ right[/]" if played.said[node] == TRUTH else "[red]✗ wrong[/]"
            made.add_row(
                f"  {node}", plain_stake(played.before[node]), plain_stake(played.wager[node]), words
            )
    console.print(made)
    console.print("  (before levelling, which then draws all stakes a little together)")
