"""The whole way on a laptop: drifted rows, a refusal, a challenge, a promotion, and a rollback."""

import json
import subprocess
from collections import Counter

import pytest

from tests.drifting import Flowers, Gardener, Passer
from tests.homes import IRIS, environment
from tests.ports import free_base
from tests.service.teaching import give_token
from tests.service.up import CONCORD, Up

pytestmark = pytest.mark.slow

SVM = "iris.svm"

STORY = ("version 2 entered probation beside 1", "version 2 was promoted over 1", "version 1 came back")

LIMITS = {"RETRAIN_LABELS": 200, "PAUSE_LABELS": 200, "PROBATION_LABELS": 40, "WATCH_LABELS": 60}


@pytest.fixture(scope="module")
def laptop(copy_trained_home, tmp_path_factory):
    """A running `concord up iris` with MLflow's server, and what upkeep finds in its environment."""
    home = copy_trained_home(IRIS, tmp_path_factory.mktemp("upkeep"))
    token = give_token(home, administers=True)
    env = environment(home)
    up = Up(env, "iris", "--port", str(free_base()), "--no-page")
    try:
        up.url = up.until("ready")["url"]
        limits = {f"CONCORD_UPKEEP_{name}": str(value) for name, value in LIMITS.items()}
        up.env, up.token = {**env, **limits, "CONCORD_TOKEN": token}, token
        yield up
    finally:
        up.end()


@pytest.fixture
def gardener(laptop):
    with Gardener(laptop.url, laptop.token) as one:
        yield one


def upkeep(laptop):
    """One pass; returns model → its line."""
    done = subprocess.run(
        [*CONCORD, "upkeep", "--json"], env=laptop.env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {line["model"]: line for line in json.loads(done.stdout)}


def counted(lines):
    return Counter(line["done"] for line in lines.values())


def test_models_that_drift_are_retrained_judged_promoted_and_taken_back(laptop, gardener):
    flowers = Flowers(3)
    with Passer(laptop.url, [flowers.of("learned", 1)[0][0]]) as passer:
        # Labels by dice: nobody can be shown to be better, and the gate lets nobody pass.
        gardener.label(flowers.of("noise", 220))
        refused = upkeep(laptop)
        assert counted(refused) == {"refused": 5}
        assert "an improvement of" in refused["iris.knn"]["why"]
        # The same rows are not learned from twice.
        assert counted(upkeep(laptop)) == {"nothing": 5}

        # The support vector machine takes new flowers for what they are; others may fail the gate.
        gardener.label(flowers.of("drifted", 600))
        assert upkeep(laptop)[SVM]["done"] == "challenged"
        assert roll(gardener) == ("1", "2", "probation")

        gardener.label(flowers.of("drifted", 150))
        line = upkeep(laptop)[SVM]
        assert (line["done"], "It is better than version 1" in line["why"]) == ("promoted", True), line
        assert roll(gardener) == ("2", "1", "watch")

        # From now on it is wrong to know better.
        gardener.label(flowers.of("turned", 150))
        line = upkeep(laptop)[SVM]
        assert (line["done"], "worse than its predecessor" in line["why"]) == ("rolled back", True), line
        assert roll(gardener) == ("1", None, "serving")
    # Retraining takes cores from nodes, so some are late; a new version costs no vote (test_version_change).
    assert set(passer.answers) <= {"ok", "degraded"}, passer.answers
    entries = gardener.client.history("iris", "svm").entries
    told = [one.reason for one in entries if one.event == "appoint"]
    assert [reason.startswith(words) for reason, words in zip(told, STORY, strict=True)] == [True] * 3


def roll(gardener):
    """Waits until the node has followed; returns champion, challenger and phase."""
    (view,) = gardener.await_roll(["svm"])
    return view.champion, view.challenger, view.phase
