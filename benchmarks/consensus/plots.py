"""Pictures of who had how much say: SVG files, light on no background, so that they read on any page.

Figures are made without pyplot, so nothing here touches matplotlib's global state.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.consensus.outcomes import Table, lay
from benchmarks.consensus.play import WAGER, Played, play
from benchmarks.consensus.scenarios import Scenario
from concord.policies.voting import PPM, WARM_LABELS

SIZE: Final = (7.2, 3.0)
INK: Final = "#808890"
"""Grey that is read on white and on black alike."""

HONEST: Final = ("#4c9be8", "#45b78f", "#b48ee0", "#8fb93e", "#5fc4d6", "#d9a93a")
HARM: Final = "#ef6f6c"


@dataclass(frozen=True)
class Picture:
    """What is played, its title, and up to how many labelled rounds it is shown; None: all."""

    scenario: Scenario
    title: str
    until: int | None = None


PICTURES: Final = {
    "concept": Picture(Scenario("concept"), "The concept changes midway"),
    "expert": Picture(Scenario("expert"), "One expert among four laymen", 300),
    "colluders-49": Picture(Scenario("four", "49 % collude"), "49 % of the deposits lie together", 100),
    "colluders-80": Picture(Scenario("four", "80 % collude"), "80 % of the deposits lie together", 100),
    "sleeper": Picture(Scenario("four", "sleeper"), "The best node turns midway"),
    "adaptive": Picture(Scenario("four", "33 % adaptive"), "A third lies while it can afford to", 600),
}
"""File name → picture."""


def draw(folder: Path, seed: int, rounds: int, warm: int = WARM_LABELS) -> Iterator[Path]:
    """Plays each scenario of `PICTURES` once and writes its picture; yields the files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in PICTURES.items():
        table = lay(picture.scenario, seed, rounds)
        figure = _figure(picture, table, play(table.stream, table.actors, table.arriving, WAGER, warm))
        path = folder / f"consensus-{name}.svg"
        # With ids from a fixed salt the same run writes the same file; text stays text.
        with mpl.rc_context(
            {"svg.hashsalt": "concord", "svg.fonttype": "none", "path.simplify_threshold": 0.5}
        ):
            figure.savefig(path, format="svg", transparent=True, metadata={"Date": None})
        yield path


def _figure(picture: Picture, table: Table, played: Played) -> Figure:
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.subplots()
    bad = [one.node for one in table.actors if not one.honest]
    # Between two blocks nothing changes but for absences, so one round of each is shown.
    labelled, first = np.unique(played.labelled, return_index=True)
    shown = labelled <= (picture.until or labelled[-1])
    labelled, first = labelled[shown], first[shown]
    good = [one.node for one in table.actors if one.honest]
    for node, colour in zip(good, HONEST, strict=False):
        axes.plot(labelled, played.weights[node][first] / PPM, color=colour, linewidth=1.4, label=node)
    if bad:
        together = np.sum([played.weights[node][first] for node in bad], axis=0) / PPM
        label = bad[0] if len(bad) == 1 else f"{len(bad)} that mean harm, together"
        axes.plot(labelled, together, color=HARM, linewidth=2, label=label)
    axes.set(xlabel="labelled rounds settled", ylabel="share of the say", ylim=(0, 1))
    axes.set_title(picture.title, color=INK, loc="left", fontsize=11)
    _quiet(axes)
    return figure


def _quiet(axes: Axes) -> None:
    axes.grid(color=INK, alpha=0.25, linewidth=0.6)
    axes.tick_params(colors=INK, labelsize=8)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(color=INK, fontsize=9)
    legend = axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=8)
    for text in legend.get_texts():
        text.set_color(INK)
