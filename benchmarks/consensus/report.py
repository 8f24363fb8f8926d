"""Report of the consensus benchmark: tables for the terminal and for Markdown."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Final

from rich.table import Table

from benchmarks.consensus.outcomes import BEST, MAJORITY, MEAN, WARM_UP, Outcome
from benchmarks.consensus.promises import Promise, margin, margin_after_warm_up
from benchmarks.consensus.simulation import BRIER, SEED, WAGER
from benchmarks.pages import table as markdown_table
from benchmarks.pages import write_between
from concord.policies.voting import WARM_LABELS

BEGIN: Final = "<!-- results: written by `python -m benchmarks.consensus --markdown` -->"
END: Final = "<!-- end of results -->"

ANSWERS: Final = (WAGER.name, BRIER.name, SEED.name, MAJORITY, MEAN, BEST)
HEADINGS: Final = (
    "scenario",
    *ANSWERS,
    "hit − best",
    f"since {WARM_UP}",
    "influence",
    "caught",
    "honest jailed",
)
CHECKS: Final = ("", "what must hold", "reached")


@dataclass(frozen=True)
class Report:
    """All figures of one run."""

    outcomes: Sequence[Outcome]
    promises: Sequence[Promise]
    rounds: int
    warm: int = WARM_LABELS

    def tables(self) -> Iterable[Table]:
        """Tables for the terminal: the scenarios, then the promises."""
        yield _table(self._title(), HEADINGS, self._rows(), left=1)
        yield _table("What must hold", CHECKS, self._checks(), left=3)

    def markdown(self) -> str:
        """The same tables in Markdown."""
        return "\n\n".join(
            [
                self._title() + ".",
                markdown_table(HEADINGS, self._rows(), left=1),
                "**What must hold**",
                markdown_table(CHECKS, self._checks(), left=3),
            ]
        )

    def _title(self) -> str:
        seeds = len({outcome.seed for outcome in self.outcomes})
        what = "Share of right answers (mean score of values)"
        believed = "" if self.warm == WARM_LABELS else f", skill believed from {self.warm} labels on"
        return f"{what}, means over {seeds} seeds of {self.rounds:,} rounds{believed}"

    def _rows(self) -> list[tuple[str, ...]]:
        groups: dict[str, list[Outcome]] = {}
        for outcome in self.outcomes:
            groups.setdefault(outcome.scenario, []).append(outcome)
        return [_cells(name, group) for name, group in groups.items()]

    def _checks(self) -> list[tuple[str, ...]]:
        marks: Mapping[bool | None, str] = {True: "✓", False: "✗", None: "·"}
        return [(marks[promise.kept], promise.claim, promise.reached) for promise in self.promises]


def write_markdown(path: Path, text: str) -> None:
    """Writes a file, or replaces the text between the marks of an existing one."""
    write_between(path, text, BEGIN, END)


def _cells(name: str, group: Sequence[Outcome]) -> tuple[str, ...]:
    rights = [
        f"{fmean(outcome.right[answer] for outcome in group):.3f}" if answer in group[0].right else ""
        for answer in ANSWERS
    ]
    after_warm_up = margin_after_warm_up(group)
    return (
        name,
        *rights,
        f"{margin(group):+.3f}",
        f"{after_warm_up:+.3f}" if after_warm_up is not None else "",
        _mean(group, lambda outcome: outcome.influence, "{:.1%}"),
        _mean(group, lambda outcome: outcome.caught, "{:.0f}"),
        f"{fmean(outcome.honest_jailed for outcome in group):.1f}",
    )


def _mean(group: Sequence[Outcome], get: Callable[[Outcome], float | None], template: str) -> str:
    """The mean over the outcomes that have a value, and their number where some have none."""
    values = [value for outcome in group if (value := get(outcome)) is not None]
    if not values:
        return ""
    text = template.format(fmean(values))
    return text if len(values) == len(group) else f"{text} ({len(values)} of {len(group)})"


def _table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 1, 0, 0))
    for i, heading in enumerate(headings):
        table.add_column(heading, justify="left" if i < left else "right", no_wrap=left == 1)
    for row in rows:
        table.add_row(*row)
    return table
