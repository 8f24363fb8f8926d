"""Models' versions for people: the list, a comparison, and what a decision has led to."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from concord.cli.console import err, out, print_line, table
from concord.util.numbers import format_metric

if TYPE_CHECKING:
    from rich.table import Table

    from concord.policies.stake import Action
    from concord.types.models import Comparison, ModelView

OUTCOMES: Final = {
    "better": "The {contender} is better.",
    "worse": "The {contender} is worse.",
    "undecided": "Which one is better is not decided.",
    "too_few": "Too few to say.",
}


def show_models(views: "Sequence[ModelView]", *, has_service: bool) -> None:
    """Prints every model's versions."""
    rows = table("model", "phase", "v", "alias", "answers", "created", "metric", right=("v", "metric"))
    for view in views:
        _add_versions(rows, view)
    out().print(rows)
    for view in views:
        if view.problem:
            err().print(f"[yellow]![/] {view.name}: {view.problem}", soft_wrap=True)
    if not has_service:
        err().print("[dim]The consensus service does not answer, so what is served is not known.[/]")


def _add_versions(rows: "Table", view: "ModelView") -> None:
    phase = "" if view.champion is None and not view.rolling else view.phase
    roles = {view.champion: "[green]champion[/]", view.challenger: "challenger"}
    versions = view.registry.versions if view.registry else []
    if not versions and view.champion:
        rows.add_row(view.name, phase, view.champion, "", roles[view.champion], "", "")
    for index, version in enumerate(versions):
        rows.add_row(
            *(("", "") if index else (view.name, f"{phase}{' (rolling)' if view.rolling else ''}")),
            version.version,
            ", ".join(version.aliases),
            roles.get(version.version, ""),
            version.created.replace("T", " ")[:16],
            "" if version.value is None else f"{version.metric} {format_metric(version.value)}",
        )


def show_comparison(comparison: "Comparison") -> None:
    """Prints the scores of champion and challenger, and which one is better."""
    contender = "predecessor" if comparison.phase == "watch" else "challenger"
    rows = table("", "v", comparison.score, right=("v", comparison.score))
    for role, version in (("champion", comparison.champion), (contender, comparison.challenger)):
        rows.add_row(role, version.version, "" if version.score is None else f"{version.score:.3f}")
    out().print(rows)
    outcome = OUTCOMES[comparison.verdict].format(contender=contender)
    if comparison.difference is None or comparison.low is None or comparison.high is None:
        print_line(f"{comparison.rounds} labelled rounds that both answered. {outcome}")
        return
    print_line(
        f"difference {comparison.difference:+.3f} ({comparison.low:+.3f} to {comparison.high:+.3f}) on "
        f"{comparison.rounds} labelled rounds. {outcome}"
    )


def show_decided(action: "Action", view: "ModelView") -> None:
    """Prints what a model serves after a decision, and what to do next."""
    if view.dropped:
        print_line(f"[yellow]![/] {view.name}: its challenger answers no more. {view.dropped}")
    beside = {
        "serving": ".",
        "probation": f"; version {view.challenger} is tried beside it.",
        "watch": f"; version {view.challenger}, the one before, is asked beside it and ready to come back.",
    }[view.phase]
    print_line(f"[green]✓[/] {view.name} answers with version {view.champion}{beside}")
    if action == "challenge":
        print_line(f"  `concord models compare {view.name}` shows how it does, as labels come in.")
    elif action == "promote":
        print_line(f"  `concord models rollback {view.name}` goes back.")


def show_moved(move: Mapping[str, Any]) -> None:
    """Prints which version the registry's alias champion names now."""
    version = f"version {move['version']}" if move["version"] else "the packaged version"
    out().print(f"[green]✓[/] {move['model']}: {version} is champion. The next `concord up` serves it.")


def describe_desired(view: "ModelView") -> str:
    """The versions that a node is to serve."""
    desired = view.wanted
    champion = f"version {desired.champion}" if desired.champion else "the packaged version"
    return _with_challenger(champion, desired.challenger)


def describe_served(view: "ModelView") -> str:
    """The versions that a node serves."""
    return _with_challenger(f"version {view.champion}" if view.champion else "nothing yet", view.challenger)


def _with_challenger(champion: str, challenger: str | None) -> str:
    return f"{champion} with challenger {challenger}" if challenger else champion
