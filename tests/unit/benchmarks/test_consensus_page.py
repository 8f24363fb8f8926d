"""The example in docs/consensus.md is what the rule does, figure by figure."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.consensus.__main__ import main
from benchmarks.consensus.report import BEGIN, END
from concord.policies import voting as pool
from concord.policies.scoring import brier, hit
from concord.policies.stake import MICRO, settle_wager
from concord.policies.voting import PPM, Voter, read_probabilities

PAGE = (Path(__file__).parents[3] / "docs" / "consensus.md").read_text("utf-8")
NODES = ("logistic regression", "decision tree", "nearest neighbours", "forest")
LABEL = 1


@pytest.fixture
def votes():
    """The page's probabilities, as ppm."""
    import numpy as np

    rows = {node: _cells(node)[0] for node in NODES}
    ppm, _ = read_probabilities(np.array([[0, float(row[0]), float(row[1])] for row in rows.values()]))
    return dict(zip(rows, ppm.tolist(), strict=True))


def _cells(node):
    """The cells beside a node's name, in each table that has it."""
    return [re.split(r"\s*\|\s*", line)[2:-1] for line in PAGE.splitlines() if line.startswith(f"| {node} |")]


def _voters():
    return [Voter(node, 1000 * MICRO, 1000 * MICRO) for node in NODES]


def test_the_page_says_how_four_nodes_answer(votes):
    first = pool.wager(_voters(), list(votes.values()))
    later = pool.wager(_voters(), list(votes.values()), labelled=pool.WARM_LABELS)

    assert first.answer == 2
    assert all(f"{share / PPM:.3f}" in PAGE for share in first.pooled[1:])
    assert later.answer == LABEL
    assert f"({later.pooled[LABEL] / PPM:.4f})" in PAGE


def test_the_page_says_what_the_label_moves(votes):
    stakes = dict.fromkeys(votes, 1000 * MICRO)
    scores = {node: hit(vote, LABEL) for node, vote in votes.items()}
    result = settle_wager(stakes, stakes, {"r": scores})

    for node, vote in votes.items():
        score, change, stake, brier_score = _cells(node)[1]
        delta = result.deltas["r"][node]
        assert int(score) == scores[node] // PPM
        assert int(change.replace("−", "-")) * MICRO == delta
        assert int(stake) * MICRO == stakes[node] + delta
        assert round(float(brier_score) * PPM) == brier(vote, LABEL)
    assert f"(950 to {result.stakes['logistic regression'] / MICRO:g})" in PAGE


def test_the_page_says_what_an_expert_weighs():
    others = [Voter(f"layman_{i}", 400 * MICRO, 1000 * MICRO, skill=550_000) for i in range(3)]
    weights = pool.skill_weights([Voter("expert", 2800 * MICRO, 1000 * MICRO, skill=930_000), *others])

    assert [f"{weight / PPM:.3f}" for weight in weights] == ["0.600", "0.133", "0.133", "0.133"]


REPLAYED = (
    "expert, nobody, prompt",
    "iris, 80 % collude, prompt",
    "concept, nobody, prompt",
)
"""Lines that a change of the rule moves: who is believed first, who is jailed, how a change is followed."""


@pytest.mark.slow
@pytest.mark.parametrize("scenario", REPLAYED)
def test_the_program_reaches_what_the_page_says_it_reached(scenario, tmp_path):
    """To the last digit that is shown. Where it doesn't, the whole table is to be written anew."""
    page = tmp_path / "made.md"

    CliRunner().invoke(main, ["--scenario", scenario, "--markdown", str(page), "--no-check"])

    assert _row(page.read_text("utf-8"), scenario) == _row(PAGE, scenario)


def _row(text, scenario):
    """Of the results alone: the page has other tables with the same names."""
    results = text[text.index(BEGIN) : text.index(END)] if BEGIN in text else text
    [line] = [line for line in results.splitlines() if line.startswith(f"| {scenario} |")]
    return line


def test_the_page_has_a_place_for_the_results_and_its_pictures_are_there():
    folder = Path(__file__).parents[3] / "docs"

    assert PAGE.index(BEGIN) < PAGE.index(END)
    assert all((folder / name).exists() for name in re.findall(r"\]\((pictures/[^)]+)\)", PAGE))
