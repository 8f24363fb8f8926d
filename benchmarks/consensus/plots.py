"""SVG plots of the nodes' weights over time, on a transparent background.

Figures are made without pyplot, so matplotlib's global state is not touched.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.consensus.outcomes import Setup, set_up
from benchmarks.consensus.scenarios import Scenario
from benchmarks.consensus.simulation import WAGER, Simulation, simulate
from concord.policies.voting import PPM, WARM_LABELS

SIZE: Final = (7.2, 3.0)
GREY: Final = "#808890"
"""Grey that is legible on white and on black."""

HONEST_COLOURS: Final = ("#4c9be8", "#45b78f", "#b48ee0", "#8fb93e", "#5fc4d6", "#d9a93a")
HARMFUL_COLOUR: Final = "#ef6f6c"


@dataclass(frozen=True)
class Plot:
    """A scenario, its title, and the labelled rounds up to which it is shown; None: all."""

    scenario: Scenario
    title: str
    last_label: int | None = None


PLOTS: Final = {
    "concept": Plot(Scenario("concept"), "The concept changes midway"),
    "expert": Plot(Scenario("expert"), "One expert among four laymen", 300),
    "colluders-49": Plot(Scenario("four", "49 % collude"), "49 % of the deposits lie together", 100),
    "colluders-80": Plot(Scenario("four", "80 % collude"), "80 % of the deposits lie together", 100),
    "sleeper": Plot(Scenario("four", "sleeper"), "The best node turns midway"),
    "adaptive": Plot(Scenario("four", "33 % adaptive"), "A third lies while it can afford to", 600),
}
"""File name → plot."""


def draw(folder: Path, seed: int, rounds: int, warm: int = WARM_LABELS) -> Iterator[Path]:
    """Simulates each scenario of `PLOTS` once and writes its plot; yields the files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, plot in PLOTS.items():
        setup = set_up(plot.scenario, seed, rounds)
        figure = _figure(plot, setup, simulate(setup.stream, setup.actors, setup.arriving, WAGER, warm))
        path = folder / f"consensus-{name}.svg"
        # With ids from a fixed salt the same run writes the same file; text stays text.
        with mpl.rc_context(
            {"svg.hashsalt": "concord", "svg.fonttype": "none", "path.simplify_threshold": 0.5}
        ):
            figure.savefig(path, format="svg", transparent=True, metadata={"Date": None})
        yield path


def _figure(plot: Plot, setup: Setup, simulation: Simulation) -> Figure:
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.subplots()
    harmful = [actor.node for actor in setup.actors if not actor.honest]
    # Between two blocks only absences change, so one round of each block is shown.
    labelled, first = np.unique(simulation.labelled, return_index=True)
    is_visible = labelled <= (plot.last_label or labelled[-1])
    labelled, first = labelled[is_visible], first[is_visible]
    honest = [actor.node for actor in setup.actors if actor.honest]
    for node, colour in zip(honest, HONEST_COLOURS, strict=False):
        axes.plot(labelled, simulation.weights[node][first] / PPM, color=colour, linewidth=1.4, label=node)
    if harmful:
        joint = np.sum([simulation.weights[node][first] for node in harmful], axis=0) / PPM
        label = harmful[0] if len(harmful) == 1 else f"{len(harmful)} that mean harm, together"
        axes.plot(labelled, joint, color=HARMFUL_COLOUR, linewidth=2, label=label)
    axes.set(xlabel="labelled rounds settled", ylabel="share of the say", ylim=(0, 1))
    axes.set_title(plot.title, color=GREY, loc="left", fontsize=11)
    _style(axes)
    return figure


def _style(axes: Axes) -> None:
    axes.grid(color=GREY, alpha=0.25, linewidth=0.6)
    axes.tick_params(colors=GREY, labelsize=8)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(color=GREY, fontsize=9)
    legend = axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=8)
    for text in legend.get_texts():
        text.set_color(GREY)
