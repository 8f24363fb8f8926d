"""The result for people: a table and the promises on the terminal, the same in Markdown for the docs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Final

from rich.table import Table

from benchmarks.consensus.outcomes import BEST, KNOWN, MAJORITY, MEAN, Outcome
from benchmarks.consensus.play import BRIER, SEED, WAGER
from benchmarks.consensus.promises import Promise, known_margin, margin
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
    f"since {KNOWN}",
    "influence",
    "caught",
    "honest jailed",
)
CHECKS: Final = ("", "what must hold", "reached")


@dataclass(frozen=True)
class Report:
    """All of one run."""

    outcomes: Sequence[Outcome]
    promises: Sequence[Promise]
    rounds: int
    warm: int = WARM_LABELS

    def tables(self) -> Iterable[Table]:
        """For the terminal: the scenarios, then what must hold."""
        yield _table(self._title(), HEADINGS, self._rows(), left=1)
        yield _table("What must hold", CHECKS, self._checks(), left=3)

    def markdown(self) -> str:
        """The same for the docs."""
        return "\n\n".join(
            [
                self._title() + ".",
                markdown_table(HEADINGS, self._rows(), left=1),
                "**What must hold**",
                markdown_table(CHECKS, self._checks(), left=3),
            ]
        )

    def _title(self) -> str:
        seeds = len({one.seed for one in self.outcomes})
        what = "Share of right answers (mean score of values)"
        believed = "" if self.warm == WARM_LABELS else f", skill believed from {self.warm} labels on"
        return f"{what}, means over {seeds} seeds of {self.rounds:,} rounds{believed}"

    def _rows(self) -> list[tuple[str, ...]]:
        groups: dict[str, list[Outcome]] = {}
        for one in self.outcomes:
            groups.setdefault(one.scenario, []).append(one)
        return [_cells(name, group) for name, group in groups.items()]

    def _checks(self) -> list[tuple[str, ...]]:
        marks: Mapping[bool | None, str] = {True: "✓", False: "✗", None: "·"}
        return [(marks[one.kept], one.says, one.reached) for one in self.promises]


def write_markdown(path: Path, text: str) -> None:
    """Writes a file, or what stands between the marks of one that is there."""
    write_between(path, text, BEGIN, END)


def _cells(name: str, group: Sequence[Outcome]) -> tuple[str, ...]:
    rights = [
        f"{fmean(one.right[answer] for one in group):.3f}" if answer in group[0].right else ""
        for answer in ANSWERS
    ]
    known = known_margin(group)
    return (
        name,
        *rights,
        f"{margin(group):+.3f}",
        f"{known:+.3f}" if known is not None else "",
        _mean(group, lambda one: one.influence, "{:.1%}"),
        _mean(group, lambda one: one.caught, "{:.0f}"),
        f"{fmean(one.honest_jailed for one in group):.1f}",
    )


def _mean(group: Sequence[Outcome], of: Callable[[Outcome], float | None], form: str) -> str:
    """The mean of those that have it; how many, where not all do."""
    known = [value for one in group if (value := of(one)) is not None]
    if not known:
        return ""
    text = form.format(fmean(known))
    return text if len(known) == len(group) else f"{text} ({len(known)} of {len(group)})"


def _table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 1, 0, 0))
    for i, heading in enumerate(headings):
        table.add_column(heading, justify="left" if i < left else "right", no_wrap=left == 1)
    for row in rows:
        table.add_row(*row)
    return table
