"""Models that keep up, on a real cluster: drift is seen, and the CronJob does all that follows from it.

One story, told in the order of its tests: the bank changes what a column means, upkeep brings better models
in, and takes them back when the world turns. All the while callers ask, and none of them may notice.
"""

import contextlib
import json
import random

import httpx
import pytest

from concord import __version__
from tests.e2e.bank import CONSENSUS, LINES, NODES, SPACE, TASK
from tests.e2e.kind import LoadPod, until

pytestmark = pytest.mark.e2e
PATIENCE = 240
"""Seconds for what the next pass does: a minute until it begins, its fits, and three nodes' restarts."""

EVERY_MINUTE = (
    *("--set-string", "upkeep.schedule=* * * * *"),
    *("--set", "upkeep.suspend=false,upkeep.limits.retrainLabels=300,upkeep.limits.freshLabels=0"),
    *("--set", "upkeep.limits.watchLabels=5000,upkeep.limits.pauseLabels=5000"),
)


@pytest.fixture
def url(bank):
    with bank.cluster.forward(SPACE, *CONSENSUS) as url:
        yield url


@pytest.fixture(scope="module")
def callers(bank):
    """Two who ask about the bank's customers from the first test on, until they are told to stop."""
    pod = LoadPod(bank.cluster, SPACE, "callers", f"concord-consensus:{__version__}")
    asked = [row for row, _ in bank.customers(200, moved=True)]
    yield pod.start(TASK, callers=2, asked=asked, pause=0.1)
    with contextlib.suppress(AssertionError):
        bank.kubectl("delete", "pod/callers", "configmap/callers", "--ignore-not-found")


@pytest.fixture(scope="module")
def worse(bank):
    """Has a node retrained on answers that a coin has given; returns the Job's name."""
    coin = random.Random(1)
    rows = [row | {"default": coin.randint(0, 1)} for row, _ in bank.customers(600, moved=False)]
    lines = [",".join(rows[0]), *(",".join(str(cell) for cell in row.values()) for row in rows)]
    return bank.job("worse", ["retrain", TASK, "--node", "decision_tree", "--new", "/rows/new.csv", "--json"],
                    {"new.csv": "\n".join(lines) + "\n"})  # fmt: skip


def phases(bank, url):
    """Node → phase, champion and challenger, of those that have taken on what was decided."""
    views = bank.get(url, "/v1/models")["models"]
    return {
        one["node"]: (one["phase"], one["champion"], one["challenger"]) for one in views if not one["rolling"]
    }


def all_in(bank, url, *state, **world):
    """Waits until every node is where the story goes on; in a world that is named, life goes on meanwhile."""

    def is_reached():
        if world:
            bank.live(url, 20, **world)
        return phases(bank, url) == dict.fromkeys(NODES, state)

    until(is_reached, PATIENCE, f"{state} of all nodes", pause=2)


def test_a_fetched_version_brings_its_profile_along(bank):
    for node in NODES:
        with bank.cluster.forward(SPACE, f"concord-{TASK}-{node}".replace("_", "-"), 3000) as url:
            profile = httpx.get(f"{url}/profile", timeout=10)
        assert profile.headers["x-concord-model"].startswith(f"{TASK}.{node}/1"), profile.headers
        assert profile.json()["features"]


def test_drift_is_seen_in_what_moved_and_in_nothing_else(bank, url, worse, say):
    before = bank.live(url, 400, moved=False)
    calm = bank.get(url, f"/v1/tasks/{TASK}/drift")
    after = bank.live(url, 600, moved=True)
    report = bank.get(url, f"/v1/tasks/{TASK}/drift?limit=600")
    drifted = [one["name"] for one in report["features"] if one["status"] == "drifted"]
    say(f"answered right: {before:.0%}, then {after:.0%}; drifted: {drifted}")
    assert not any(one["status"] == "drifted" for one in calm["features"]), calm
    assert drifted == [LINES]
    assert (report["errors"]["labelled"], report["errors"]["problem"]) == (600, None)


def test_a_challenger_made_worse_on_purpose_is_refused_by_the_gate(bank, worse, url, say):
    code, said = bank.ended(worse)
    (node,) = json.loads(next(line for line in said.splitlines() if line.startswith("{")))["nodes"]
    failed = [one["reason"] for one in node["conditions"] if not one["passed"]]
    say(f"refused: {failed}")
    assert (code, node["passed"], node["version"]) == (3, False, None)
    assert "better" in {one["name"] for one in node["conditions"] if not one["passed"]}
    registry = next(one for one in bank.get(url, "/v1/models")["models"] if one["node"] == "decision_tree")
    assert [one["version"] for one in registry["registry"]["versions"]] == ["1"]


def test_the_cronjob_retrains_what_drifted_and_puts_it_in_probation(bank, url, callers):
    bank.upgrade(*EVERY_MINUTE)
    all_in(bank, url, "probation", "1", "2")


def test_labels_promote_it_and_the_node_serves_it_without_an_image_build(bank, url, callers, say):
    images = bank.images()
    before = bank.live(url, 100, moved=True)
    all_in(bank, url, "watch", "2", "1", moved=True)
    after = bank.live(url, 100, moved=True, labelled=False)
    say(f"answered right: {before:.0%} while it was tried, {after:.0%} since")
    assert bank.images() == images
    assert bank.versions(url) == dict.fromkeys(NODES, "2")
    assert after > before


def test_one_that_turns_bad_after_promotion_is_rolled_back_by_itself(bank, url, callers):
    all_in(bank, url, "serving", "1", None, moved=True, crisis=True)
    assert bank.versions(url) == dict.fromkeys(NODES, "1")


def test_the_ledger_and_an_explanation_tell_the_story(bank, url, say):
    for node in NODES:
        entries = bank.get(url, f"/v1/nodes/{TASK}/{node}/history")["entries"]
        told = sorted((one["time"], one["reason"]) for one in entries if one["event"] == "appoint")
        assert [words.split(", by upkeep: ")[0] for _, words in told] == [
            "version 2 entered probation beside 1",
            "version 2 was promoted over 1",
            "version 1 came back instead of 2",
        ]
        assert LINES in told[0][1]
    say("\n  ".join(words for _, words in told))
    [verdict] = bank.ask(url, bank.customers(1, moved=True))
    words = " ".join(bank.concord(url, "explain", verdict["id"]).split())
    assert "Version 2 was promoted over 1, by upkeep" in words, words
    assert "Version 1 came back instead of 2, by upkeep" in words, words
    assert json.loads(bank.concord(url, "ledger", "verify", "--without-journal", "--json"))["ok"]


def test_no_caller_has_noticed_anything(callers, say):
    told = callers.stop().result()
    say(f"{told['answered']} answers in {told['seconds']:.0f} s: {told['outcomes']}")
    assert (set(told["statuses"]), told["lost"]) == ({"200"}, 0), told["reasons"]
    assert told["answered"] > 500
