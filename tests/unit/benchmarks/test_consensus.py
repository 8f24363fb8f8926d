"""The simulation is reproducible, its adversaries act as named, and its promises can be broken."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.consensus.__main__ import main
from benchmarks.consensus.actors import ADVERSARIES, can_afford_to_lie, make_actors
from benchmarks.consensus.labels import LABELLINGS
from benchmarks.consensus.outcomes import BEST, BEST_HONEST, MAJORITY, SWITCHER, Outcome, measure, run, set_up
from benchmarks.consensus.plots import draw
from benchmarks.consensus.promises import promises, shortfalls
from benchmarks.consensus.report import BEGIN, Report
from benchmarks.consensus.scenarios import SCENARIOS, Scenario, select
from benchmarks.consensus.simulation import BRIER, RULES, SEED, WAGER, simulate
from benchmarks.consensus.streams import STREAMS, draw_votes, make, prolong
from concord.policies.stake import MICRO, Account
from concord.policies.voting import PPM

ROOT = Path(__file__).parents[3]
ROUNDS = 240


@pytest.fixture
def make_outcome():
    """Factory of a good outcome; arguments change its figures."""

    def build(scenario, seed=0, **changes):
        right = {
            WAGER.name: 0.96,
            BRIER.name: 0.96,
            SEED.name: 0.62,
            MAJORITY: 0.7,
            BEST: 0.85,
            BEST_HONEST: 0.96,
        }
        if scenario.stream == "concept":
            right[SWITCHER] = 0.95
        after_warm_up = right if scenario.is_labelled else {}
        outcome = Outcome(
            scenario=scenario.name,
            seed=seed,
            right=right,
            after_warm_up=after_warm_up,
            last=right,
            influence=0.01,
            caught=15,
            honest_jailed=0,
            unbalanced=0,
            blocks=400,
            right_debited=0,
            rights=5000,
            precision={WAGER.name: 1.0},
        )
        return replace(outcome, **changes)

    return build


@pytest.fixture
def good(make_outcome):
    """Every scenario with five seeds, every promise kept."""
    return [make_outcome(scenario, seed) for scenario in SCENARIOS for seed in range(5)]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.slow
@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_is_made_by_its_seed_alone(name):
    stream = make(name, 3, ROUNDS)
    make.cache_clear()
    same, other = make(name, 3, ROUNDS), make(name, 4, ROUNDS)

    assert (stream.truth == same.truth).all()
    assert all((stream.outputs[node] == same.outputs[node]).all() for node in stream.outputs)
    assert (stream.truth != other.truth).any()


def test_a_drawn_node_is_right_as_often_as_said(rng):
    truth = rng.integers(3, size=20_000)

    votes = draw_votes(rng, truth, 3, 0.6)

    assert (votes.argmax(axis=1) == truth).mean() == pytest.approx(0.6, abs=0.01)
    assert votes.sum(axis=1) == pytest.approx(np.ones(len(truth)))


def test_the_concept_changes_for_each_node_that_knows_only_one():
    stream = make("concept", 0, 1000)
    right = {node: outputs.argmax(axis=1) == stream.truth for node, outputs in stream.outputs.items()}

    assert right["old_knn"][:500].mean() > right["old_knn"][500:].mean() + 0.3
    assert right["new_knn"][500:].mean() > right["new_knn"][:500].mean() + 0.3


def test_in_a_prolonged_stream_each_node_is_right_as_often_before_and_after_the_turn():
    stream = make("concept", 0, 1000)

    longer = prolong(stream, 5)

    assert (longer.rounds, longer.change) == (5000, 2500)
    for node in stream.outputs:
        short, long = (each.outputs[node].argmax(axis=1) == each.truth for each in (stream, longer))
        assert long[:2500].mean() == pytest.approx(short[:500].mean())
        assert long[2500:].mean() == pytest.approx(short[500:].mean())


def test_a_scenario_may_be_longer_than_the_others():
    [longer] = select(["concept × 5, nobody, scarce"])

    assert set_up(longer, 0, ROUNDS).stream.rounds == 5 * ROUNDS
    assert set_up(Scenario("concept", labels="scarce"), 0, ROUNDS).stream.rounds == ROUNDS


@pytest.mark.parametrize(
    ("adversary", "share"), [("33 % collude", 0.33), ("49 % collude", 0.49), ("80 % collude", 0.8)]
)
@pytest.mark.parametrize("stream", ["four", "expert"])
def test_colluders_hold_the_share_of_the_deposits_that_their_name_says(stream, adversary, share, rng):
    actors = make_actors(make(stream, 0, ROUNDS), adversary, rng)

    bad = sum(actor.deposit for actor in actors if not actor.honest)

    assert bad / sum(actor.deposit for actor in actors) == pytest.approx(share, abs=1e-6)


@pytest.mark.parametrize("adversary", ADVERSARIES)
@pytest.mark.parametrize("stream", ["four", "regression"])
def test_every_adversary_brings_votes_that_the_service_would_read(stream, adversary, rng):
    for actor in make_actors(make(stream, 0, ROUNDS), adversary, rng):
        for votes in (actor.votes, actor.lies):
            if votes is not None and stream == "four":
                assert (votes.sum(axis=1) == PPM).all()
                assert (votes >= 0).all()


def test_a_sleeper_is_as_good_as_it_was_until_it_turns(rng):
    stream = make("four", 0, ROUNDS)
    [sleeper] = [actor for actor in make_actors(stream, "sleeper", rng) if not actor.honest]
    right = sleeper.votes.argmax(axis=1) == stream.truth

    assert right[: ROUNDS // 2].mean() > 0.6
    assert not right[ROUNDS // 2 :].any()


@pytest.mark.parametrize(
    ("changes", "lies"),
    [
        ({}, True),
        ({"regret": 3 * PPM}, False),
        ({"stake": 499 * MICRO}, False),
        ({"standing": "jailed", "reason": "regret"}, False),
    ],
)
def test_one_that_adapts_lies_only_while_it_can_afford_to(changes, lies):
    account = replace(Account(1000 * MICRO, 1000 * MICRO, PPM), **changes)

    assert can_afford_to_lie(account) is lies


@pytest.mark.parametrize(("name", "share"), [("prompt", 1.0), ("scarce", 0.2), ("absent", 0.0)])
def test_as_many_labels_arrive_as_are_promised(name, share, rng):
    stream = make("expert", 0, 4000)

    arriving = LABELLINGS[name].arrivals(stream, rng)

    assert sum(map(len, arriving)) / stream.rounds == pytest.approx(share, abs=0.03)


def test_a_label_never_comes_before_its_round_is_over(rng):
    for labelling in LABELLINGS.values():
        for now, labels in enumerate(labelling.arrivals(make("expert", 0, ROUNDS), rng)):
            assert all(round_ < now for round_, _ in labels)


def test_noisy_labels_are_wrong_as_often_as_said(rng):
    stream = make("expert", 0, 4000)

    arriving = LABELLINGS["noisy"].arrivals(stream, rng)

    wrong = [label != stream.truth[round_] for labels in arriving for round_, label in labels]
    assert np.mean(wrong) == pytest.approx(0.15, abs=0.02)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_run_says_the_same_when_it_is_run_again(rule):
    setup = set_up(Scenario("four", "33 % adaptive"), 1, ROUNDS)

    first, second = (simulate(setup.stream, setup.actors, setup.arriving, rule) for _ in range(2))

    assert (first.answers == second.answers).all()
    assert first.state == second.state


def test_the_shipped_rule_holds_up_against_colluders_in_a_short_run():
    outcome = run(Scenario("four", "49 % collude"), 0, ROUNDS)

    assert outcome.influence is not None
    assert outcome.influence < 0.05
    assert outcome.caught is not None
    assert outcome.caught <= 40
    assert (outcome.right_debited, outcome.unbalanced) == (0, 0)
    assert outcome.rights > ROUNDS


def test_skill_is_believed_from_as_many_labels_on_as_is_said():
    setup = set_up(Scenario("four", "80 % collude"), 0, 100)

    soon, late = (simulate(setup.stream, setup.actors, setup.arriving, WAGER, warm) for warm in (5, 50))

    first = int(np.argmax(soon.labelled == 5))
    assert all((soon.weights[node][:first] == late.weights[node][:first]).all() for node in soon.weights)
    assert any(soon.weights[node][first] != late.weights[node][first] for node in soon.weights)


def test_labels_that_never_come_move_nothing():
    setup = set_up(Scenario("four", "33 % collude", "absent"), 0, ROUNDS)
    simulation = simulate(setup.stream, setup.actors, setup.arriving, WAGER)

    assert simulation.audit.blocks == 0
    assert {account.stake - account.deposit for account in simulation.state.accounts.values()} == {0}


def test_a_node_that_is_absent_is_not_right_alone():
    setup = set_up(Scenario("four", "crash"), 0, ROUNDS)
    [crashing] = [actor for actor in setup.actors if actor.present is not None]
    perfect = np.zeros_like(crashing.votes)
    perfect[np.arange(ROUNDS), setup.stream.truth] = PPM
    alone = replace(setup, actors=(replace(crashing, votes=perfect),))

    outcome = measure("crash", 0, alone, {WAGER: simulate(setup.stream, setup.actors, setup.arriving, WAGER)})

    assert outcome.right[BEST] == pytest.approx(crashing.present.mean())


def test_the_best_switcher_goes_over_at_the_first_label_that_tells_of_the_change():
    setup = set_up(Scenario("concept", labels="late"), 0, 1000)
    right = {actor.node: actor.votes.argmax(axis=1) == setup.stream.truth for actor in setup.actors}
    old, new = (
        max(right.values(), key=lambda values: values[half].mean()) for half in (slice(500), slice(500, None))
    )
    switch = next(now for now in range(500, 1000) if any(round_ >= 500 for round_, _ in setup.arriving[now]))

    simulation = simulate(setup.stream, setup.actors, setup.arriving, WAGER)
    outcome = measure("concept", 0, setup, {WAGER: simulation})

    assert outcome.right[SWITCHER] == pytest.approx((old[:switch].sum() + new[switch:].sum()) / 1000)
    assert switch > 550


def test_nothing_is_said_where_every_promise_is_kept(good):
    assert shortfalls(promises(good)) == []


@pytest.mark.parametrize(
    ("scenario", "changes", "sentence"),
    [
        (
            Scenario("iris", "liar"),
            {"right": {WAGER.name: 0.83, BEST: 0.85}},
            "-0.020 at worst (iris, liar, prompt)",
        ),
        (Scenario("concept"), {"right": {WAGER.name: 0.9, BEST: 0.81}}, "+0.090 at worst"),
        (
            Scenario("concept", labels="scarce", times=5),
            {"right": {WAGER.name: 0.9, BEST: 0.81}},
            "+0.090 at worst (concept × 5, nobody, scarce)",
        ),
        (
            Scenario("expert"),
            {"right": {WAGER.name: 0.93, BEST: 0.8, SEED.name: 0.6}},
            "0.930 at worst (expert, nobody, prompt), the seed rule 0.600",
        ),
        (
            Scenario("expert", labels="late"),
            {"right": {WAGER.name: 0.93, BEST: 0.8, SEED.name: 0.6}},
            "0.930 at worst (expert, nobody, late), the seed rule 0.620",
        ),
        (Scenario("four", "49 % collude"), {"influence": 0.06}, "6.0% at most"),
        (Scenario("four", "49 % collude"), {"influence": None}, "100.0% at most"),
        (Scenario("four", "80 % collude"), {"last": {WAGER.name: 0.9, BEST_HONEST: 0.92}}, "-0.020 at worst"),
        (
            Scenario("four", "33 % collude", "absent"),
            {"right": {WAGER.name: 0.9, BEST: 0.8}},
            "-0.060 at worst",
        ),
        (Scenario("four", "liar"), {"right_debited": 1}, "is debited: 5 of "),
        (Scenario("four", "liar"), {"unbalanced": 1}, "to the µS: 5 of "),
    ],
)
def test_each_broken_promise_is_a_sentence(good, scenario, changes, sentence):
    broken = [replace(each, **changes) if each.scenario == scenario.name else each for each in good]

    [shortfall] = shortfalls(promises(broken))

    assert sentence in shortfall


def test_what_was_not_played_is_not_kept(make_outcome):
    sentences = shortfalls(promises([make_outcome(Scenario("iris"), seed) for seed in range(5)]))

    assert sum("not played" in text for text in sentences) == 10


def test_four_seeds_are_too_few(good):
    [shortfall] = shortfalls(promises([outcome for outcome in good if outcome.seed < 4]))

    assert "4 seeds" in shortfall


def test_the_adaptive_attacker_is_shown_and_not_judged(make_outcome, good):
    bad = {WAGER.name: 0.1, BEST: 0.9}
    changes = {"right": bad, "after_warm_up": bad}
    worse = [replace(outcome, **changes if "adaptive" in outcome.scenario else {}) for outcome in good]

    checked = promises(worse)

    assert shortfalls(checked) == []
    assert any("four with adaptive -0.800" in promise.reached for promise in checked)


def test_slow_labels_of_a_short_stream_are_shown_with_what_they_miss_and_what_could_be_had(good):
    right = {WAGER.name: 0.83, BEST: 0.76, SWITCHER: 0.855}
    slow = Scenario("concept", labels="scarce").name

    checked = promises([replace(each, right=right) if each.scenario == slow else each for each in good])

    [shown] = [promise for promise in checked if "in one no longer" in promise.claim]
    assert shown.kept is None
    assert "scarce +0.070, short by 0.030 (best nodes, changed at the first label that tells: +0.095)" in (
        shown.reached
    )


def test_the_table_has_a_line_for_each_scenario(good):
    text = Report(good, promises(good), 2000).markdown()

    assert all(f"| {scenario.name} |" in text for scenario in SCENARIOS)


def test_the_table_says_when_skill_was_believed_from_another_label_on(good):
    assert "of 2,000 rounds." in Report(good, promises(good), 2000).markdown()
    assert "of 2,000 rounds, skill believed from 50 labels on." in Report(good, [], 2000, 50).markdown()


def test_scenarios_are_chosen_by_any_part_of_their_name():
    assert {scenario.stream for scenario in select(["IRIS", "expert, liar"])} == {"iris", "expert"}
    assert select([]) == list(SCENARIOS)


def test_the_command_falls_short_when_little_is_played_and_writes_its_table(tmp_path):
    page = tmp_path / "page.md"
    words = ["--seeds", "1", "--rounds", "120", "--scenario", "expert, liar", "--markdown", str(page)]

    result = CliRunner().invoke(main, words)

    assert result.exit_code == 1
    assert "expert, liar, prompt" in result.output
    assert page.read_text().startswith(BEGIN)
    assert CliRunner().invoke(main, [*words, "--no-check"]).exit_code == 0


@pytest.mark.slow
def test_several_processes_reach_what_one_reaches(tmp_path):
    pages = {}
    for processes in ("1", "2"):
        page = tmp_path / f"{processes}.md"
        command = [
            sys.executable,
            "-m",
            "benchmarks.consensus",
            "--seeds",
            "2",
            "--rounds",
            "120",
            "--no-check",
        ]
        command += ["--scenario", "expert, liar", "--processes", processes, "--markdown", str(page)]
        subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
        pages[processes] = page.read_text("utf-8")

    assert pages["1"] == pages["2"]


def test_the_command_names_what_it_knows():
    result = CliRunner().invoke(main, ["--list"])

    assert result.output.splitlines() == [scenario.name for scenario in SCENARIOS]
    assert CliRunner().invoke(main, ["--scenario", "nonsense"]).exit_code == 2


@pytest.mark.slow
def test_pictures_are_the_same_when_they_are_drawn_again(tmp_path):
    first = [path.read_text() for path in draw(tmp_path / "one", 0, ROUNDS)]
    second = [path.read_text() for path in draw(tmp_path / "two", 0, ROUNDS)]

    assert first == second
    assert all("<svg" in svg for svg in first)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "rounds", "lines"),
    [
        ("expert, nobody, prompt", 1000, 5),
        # What is lost at the change is the same in a shorter stream, and weighs more.
        ("concept, nobody, prompt", 2000, 5),
        ("four, 49", 1000, 5),
        ("regression, 49", 1000, 4),
    ],
)
def test_what_is_promised_holds_in_a_part_of_the_run(text, rounds, lines):
    outcomes = [run(scenario, seed, rounds) for scenario in select([text]) for seed in range(5)]

    simulated = [promise for promise in promises(outcomes) if promise.reached != "not played"]

    assert shortfalls(simulated) == []
    assert sum(promise.kept is not None for promise in simulated) == lines
