"""Workers and the API server go away under load: predictions go on, and nothing acknowledged is lost."""

import time

import pytest

from tests.e2e.kind import run, until
from tests.e2e.replicas import (
    CONSENSUS,
    NODE,
    SPACE,
    placed,
    rounds,
    scale,
    verify,
)

pytestmark = pytest.mark.e2e


def test_a_stopped_worker_without_the_consensus_pod_fails_no_request(release, load, say):
    scale(release, 1)
    [holder] = placed(release, CONSENSUS)
    [other] = [worker for worker in release.workers() if worker != holder]
    # At a pace whose rounds have room, should the journal stand on the stopped worker.
    running = load(SPACE, "iris", callers=4, pause=0.02, seconds=210, worker=holder)
    time.sleep(5)
    run("docker", "stop", "--time", "1", other)
    time.sleep(60)
    run("docker", "start", other)
    started = time.time()
    told, ended = running.result(), time.time()
    back = told["last"]["degraded"] - started
    say(f"worker stopped for a minute: {told['outcomes']}; all ok {back:.0f} s after its start")
    assert (set(told["statuses"]), told["lost"]) == ({"200"}, 0), told
    assert told["outcomes"]["degraded"] > 0, (
        "the stopped worker held nodes, so some rounds lacked their votes"
    )
    assert told["last"]["degraded"] < ended - 10, "at last every answer had all votes"


def test_of_two_replicas_the_living_one_fails_no_request(release, load, say):
    scale(release, 2)
    until(lambda: len(placed(release, CONSENSUS)) == 2, 60, "replicas on both workers")
    gone, living = sorted(placed(release, CONSENSUS))
    # The journal may be on the stopped worker: then rounds wait in memory, of which 50,000 have room.
    running = load(SPACE, "iris", callers=4, seconds=120, pause=0.02, worker=living)
    time.sleep(5)
    run("docker", "stop", "--time", "1", gone)
    began = time.time()
    told = running.result()
    run("docker", "start", gone)
    until(lambda: release.ready(SPACE, CONSENSUS) == 2, 180, "both replicas")
    last = told["last"]["lost"]
    after = last - began if last else 0
    say(f"{told['lost']} requests were lost; {after:.0f} s after the stop all reached the living replica")
    assert set(told["statuses"]) == {"200"}, told
    assert after < 110, "the Service stopped sending to the dead replica"


def test_predictions_go_on_while_the_api_server_is_away(release, load, say):
    scale(release, 2)
    until(lambda: release.ready(SPACE, NODE) == 5, 180, "all nodes")
    before = rounds(release)
    manifest, away = "/etc/kubernetes/manifests/kube-apiserver.yaml", "/root/kube-apiserver.yaml"
    plane = f"{release.name}-control-plane"
    running = load(SPACE, "workshop", callers=2, query="?recorded=true", seconds=90, ids=True)
    time.sleep(5)
    run("docker", "exec", plane, "mv", manifest, away)
    time.sleep(60)
    run("docker", "exec", plane, "mv", away, manifest)
    until(lambda: release.kubectl("get", "--raw", "/readyz", check=False) == "ok", 180, "the API server")
    told = running.result()
    assert (set(told["statuses"]), told["lost"]) == ({"200"}, 0), told
    acknowledged = len(told["ids"])

    until(
        lambda: rounds(release) - before == acknowledged,
        180,
        f"the settlement of {acknowledged} rounds",
        pause=3,
    )
    say(f"API server away for a minute: {told['answered']} answered, {acknowledged} acknowledged and settled")
    verify(release)
