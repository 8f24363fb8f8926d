"""Three consensus replicas over one journal: settling, upgrading, and being killed, under load."""

import threading
import time

import httpx
import pytest

from tests.e2e.kind import run, until
from tests.e2e.replicas import (
    CONSENSUS,
    HEAD_LIMIT,
    SPACE,
    blocks,
    conserved,
    counted,
    rounds,
    scale,
    verify,
)

pytestmark = pytest.mark.e2e


def test_ten_thousand_settlements_by_three_replicas(release, load, say):
    before = rounds(release)
    puts, began = counted(release), time.time()
    sizes, stop = [], threading.Event()

    def measure():
        while not stop.wait(2):
            head = release.get(SPACE, "configmap/concord-ledger")
            sizes.append(sum(len(text) for text in head.get("data", {}).values()))

    watcher = threading.Thread(target=measure)
    watcher.start()
    try:
        order = {"callers": 16, "rows": 10, "query": "?recorded=true", "requests": 1000, "ids": True}
        told = load(SPACE, "workshop", **order).result(600)
        assert (told["statuses"], told["lost"]) == ({"200": 1000}, 0), told
        # Callers who wait for their block make blocks come as often as they may, and so segments.
        hurried = load(SPACE, "workshop", callers=6, query="?settled=true", seconds=45).result()
        assert set(hurried["statuses"]) == {"200"}, hurried
    finally:
        stop.set()
        watcher.join()
    asked = 10_000 + hurried["answered"]
    until(lambda: rounds(release) - before >= asked, 120, "the last settlement", pause=3)
    seconds, puts = time.time() - began, counted(release) - puts
    chain = blocks(release)
    assert rounds(release) - before == asked
    assert len(set(told["ids"])) == 10_000
    verify(release)
    times = [block["time"] for block in chain]
    most = max(sum(start <= t < start + 1_000_000 for t in times) for start in times)
    segments = release.get(SPACE, "configmaps", "-l", "concord.dev/ledger=concord-ledger")["items"]
    say(
        f"{asked} settlements in {len(chain)} blocks and {len(segments)} segments; "
        f"head at most {max(sizes)} bytes; at most {most} blocks in any second; "
        f"{puts / seconds:.1f} writes a second at the API server"
    )
    assert segments
    assert all(one["immutable"] for one in segments)
    assert max(sizes) <= HEAD_LIMIT
    assert most <= 5
    assert puts / seconds <= 5
    conserved(release)


def test_the_ledgers_price_for_a_request(release, load, say):
    """The same four nodes asked with settlement and without, in turns."""
    p99 = {"with": [], "without": []}
    for _ in range(3):
        for name, task in (("with", "workshop"), ("without", "iris")):
            told = load(SPACE, task, callers=4, query="?recorded=true", seconds=8).result()
            assert set(told["statuses"]) == {"200"}
            p99[name].append(told["p99_ms"])
    shown = {name: f"{sorted(values)[1]:.0f} ms" for name, values in p99.items()}
    say(f"p99 of 4 callers with the ledger {shown['with']}, without it {shown['without']}")


def kill(cluster, pod):
    """Ends every process of a pod at once, by SIGKILL from the machine that it runs on."""
    uid = pod["metadata"]["uid"].replace("-", "[-_]")
    # One that ends between being found and being killed is no failure; none that was killed is one.
    found = f"$(grep -lE 'pod{uid}' /proc/[0-9]*/cgroup | cut -d/ -f3)"
    script = f"for pid in {found}; do kill -9 $pid && killed=1; done; test $killed"
    run("docker", "exec", pod["spec"]["nodeName"], "sh", "-c", script)


def test_a_replica_killed_in_a_loop_loses_nothing(release, token, load, say):
    scale(release, 2)
    before = rounds(release)
    running = load(SPACE, "workshop", callers=4, query="?recorded=true", seconds=60, ids=True)
    for turn in range(6):
        kill(release, release.pods(SPACE, CONSENSUS)[turn % 2])
        time.sleep(8)
    told = running.result()
    until(lambda: release.ready(SPACE, CONSENSUS) == 2, 120, "both replicas")
    headers = {"authorization": f"Bearer {token}"}
    with (
        release.forward(SPACE, "concord-consensus", 3000) as url,
        httpx.Client(base_url=url, headers=headers) as client,
    ):
        known = [client.get(f"/v1/rounds/{one}").status_code for one in told["ids"]]
    assert set(known) == {200}

    until(
        lambda: rounds(release) - before >= len(told["ids"]),
        120,
        "every acknowledged round's settlement",
        pause=3,
    )
    say(f"killed six times: all of {len(told['ids'])} acknowledged rounds are settled; lost {told['lost']}")
    verify(release)
    conserved(release)
