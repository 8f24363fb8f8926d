"""The cluster's API or the journal away, at the start or later: answers go on, and nothing lands twice."""

import asyncio
import itertools
import os
import signal
import time

import pytest

from concord.kubernetes import cluster
from concord.kubernetes.cluster import Cluster
from concord.ledger import Ledger
from concord.ledger.configmap_store import ConfigMapStore
from concord.settlement import settler
from concord.settlement.settler import URGENT
from tests.ports import free_port
from tests.service.settling import World, after_slashes
from tests.service.stack import all_open, iris_nodes, wait_until
from tests.service.test_settler_crash import STEPS, in_a_process_that_may_die
from tests.unit.ledger.fake_api_server import FakeApiServer

pytestmark = [pytest.mark.slow, pytest.mark.guard]

LEDGER = "configmap:concord/concord-ledger"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    """A service starts without ledger or journal after a third of a second instead of three."""
    monkeypatch.setattr(settler, "START_SECONDS", 0.3)


@pytest.fixture
def api_server(tmp_path, monkeypatch):
    """An API server with the head's ConfigMap as the chart renders it."""
    server = FakeApiServer()
    server.put("concord-ledger", metadata={"labels": {"app.kubernetes.io/managed-by": "Helm"}})
    monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path / "kubeconfig")))
    monkeypatch.setattr(cluster, "READ_SECONDS", 1.0)
    yield server
    server.close()


@pytest.fixture
def away():
    """URL of a journal that nobody serves."""
    return f"mysql+pymysql://concord@127.0.0.1:{free_port()}/concord"


class ClusterWorld(World):
    """A journal in SQLite, and a ledger in ConfigMaps."""

    def ledger(self, **options):
        options = {"limit": self.limit, "archive": self.journal, "sleep": lambda _seconds: None} | options
        return Ledger(ConfigMapStore("concord-ledger", Cluster.connect), **options)


@pytest.fixture
def world(tmp_path, api_server):
    made = ClusterWorld(tmp_path, limit=4000)
    yield made
    made.close()


def verdict(response):
    assert response.status_code == 200, response.text
    return response.json()["verdicts"][0]


def code(response):
    return response.status_code, response.json()["error"]["code"]


def test_a_service_keeps_its_ledger_in_configmaps(start_stack, api_server):
    stack = start_stack(terms='policy = "seed"', ledger=LEDGER)
    assert verdict(stack.predict(query="?settled=true"))["settlement"] == "settled"
    assert stack.accounts()["random_forest"] == 900
    assert "head.json" in api_server.object("concord-ledger")["data"]
    assert stack.client.ledger()["alarm"] is None


@pytest.mark.parametrize("fault", ["down", "hang"])
def test_a_service_that_starts_without_the_api_server_answers_and_opens_accounts_later(
    start_stack, api_server, fault
):
    api_server.fault = fault
    stack = start_stack(ledger=LEDGER, ready=False)
    wait_until(stack.client.ready)
    answered = verdict(stack.predict())
    assert (answered["status"], answered["height"], answered["label"]) == ("ok", 0, "versicolor")
    assert len({vote["weight"] for vote in answered["votes"]}) == 1
    api_server.lift()
    wait_until(lambda: all_open(stack, "iris"))
    wait_until(lambda: verdict(stack.predict())["height"] > 0)


def test_what_moves_stake_is_refused_until_the_ledger_has_been_read(start_stack, api_server):
    terms = 'policy = "seed"'
    first = start_stack(terms=terms, ledger=LEDGER)
    verdict(first.predict(query="?settled=true"))
    api_server.fault = "down"
    again = start_stack({}, home=first.home, ready=False, ledger=LEDGER)
    nodes = "\n".join(f'{name} = "{node.url}"' for name, node in first.nodes.items())
    (first.home / "nodes.toml").write_text(f"[tasks.iris]\n{terms}\n[tasks.iris.nodes]\n{nodes}")
    again = start_stack(first.nodes, home=first.home, terms=terms, ready=False, ledger=LEDGER)
    wait_until(lambda: code(again.predict()) == (503, "ledger_unavailable"))
    assert code(again.predict(task="workshop")) == (503, "ledger_unavailable")
    api_server.lift()
    wait_until(lambda: again.predict().status_code == 200)
    assert again.accounts()["random_forest"] <= 900


def test_while_the_api_server_is_away_answers_go_on_and_what_is_due_lands_once(start_stack, api_server):
    stack = start_stack(terms='policy = "seed"', ledger=LEDGER)
    api_server.fault = "down"
    answered = [verdict(stack.predict()) for _ in range(5)]
    assert {(one["recorded"], one["settlement"]) for one in answered} == {(True, "due")}
    wait_until(lambda: api_server.struck >= 2)
    assert stack.client.ledger()["due"] == 5
    api_server.lift()
    verdict(stack.predict(query="?settled=true"))
    wait_until(lambda: stack.client.ledger()["due"] == 0)
    assert stack.accounts()["random_forest"] == after_slashes(6)


def test_a_service_that_starts_without_its_journal_answers_and_does_not_say_recorded(
    start_stack, api_server, away
):
    stack = start_stack(ledger=LEDGER, journal=away, ready=False)
    wait_until(stack.client.ready)
    assert verdict(stack.predict())["recorded"] is False
    assert verdict(stack.predict(query="?recorded=true"))["recorded"] is False
    stack.http.get("/readyz").raise_for_status()


def test_the_ledger_is_shown_without_a_journal_and_what_is_due_is_unknown(start_stack, api_server, away):
    stack = start_stack(ledger=LEDGER, journal=away, ready=False)
    wait_until(stack.client.ready)
    ledger = stack.client.ledger()
    assert (ledger["unit"], ledger["due"]) == ("µS", None)


def test_without_a_journal_what_moves_stake_is_refused_at_once(start_stack, api_server, away):
    opened = start_stack(terms='policy = "seed"', ledger=LEDGER)
    wait_until(lambda: all_open(opened, "iris"))
    stack = start_stack(iris_nodes(), terms='policy = "seed"', ledger=LEDGER, journal=away, ready=False)
    wait_until(stack.client.ready)
    wait_until(lambda: code(stack.predict()) == (503, "journal_unavailable"))
    began = time.monotonic()
    assert code(stack.predict()) == (503, "journal_unavailable")
    assert time.monotonic() - began < 0.5


def test_three_settlers_settle_every_round_once_and_keep_the_pace_together(world, api_server):
    replicas = []
    for _ in range(3):
        journal = world.open_journal()
        ledger = Ledger(ConfigMapStore("concord-ledger", Cluster.connect), archive=journal, limit=4000)
        replicas.append(world.settler(ledger=ledger, journal=journal))
    world.open_task(replicas[0])

    async def scene():
        for one in replicas:
            await one.start()
        running = [asyncio.create_task(one.run()) for one in replicas]
        waiting = [
            asyncio.create_task(one.wait_settled(world.record(7, journal=one._journal), 20))
            for _ in range(6)
            for one in replicas
        ]
        found = [height for some in await asyncio.gather(*waiting) for height in some.values()]
        more = []
        for turn in range(9):
            more += (await replicas[turn % 3].wait_settled(world.record(5), 20)).values()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        return found + more

    assert len(asyncio.run(scene())) == 3 * 6 * 7 + 9 * 5
    assert world.balances()["random_forest"] == after_slashes(171)
    report = world.ledger().verify(world.journal.noted_blocks())
    assert (report.ok, report.segments > 0) == (True, True)
    times = [at for at, verb, name in api_server.writes if (verb, name) == ("update", "concord-ledger")]
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert min(gaps) > 0.8 * URGENT / 1e6, gaps


@pytest.mark.parametrize("fault", ["lost", "reset", "down", 500, 409])
def test_a_settlement_whose_swap_was_not_answered_lands_once(world, api_server, fault):
    settler = world.settler()
    world.open_task(settler)
    waiting = world.record(3)

    async def scene():
        await settler.start()
        running = asyncio.create_task(settler.run())
        api_server.fault, api_server.fault_verbs = fault, {"update"}
        asked = asyncio.create_task(settler.wait_settled(waiting, 20))
        await asyncio.to_thread(wait_until, lambda: api_server.struck)
        api_server.lift()
        found = await asked
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return found

    assert set(asyncio.run(scene())) == set(waiting)
    assert world.balances()["random_forest"] == after_slashes(3)
    assert world.ledger().verify(world.journal.noted_blocks()).ok


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("step", STEPS)
def test_a_replica_killed_at_a_step_loses_nothing_and_settles_nothing_twice(world, api_server, step):
    opener = world.settler()
    world.open_task(opener)
    for _ in range(6):
        world.record()
        opener._step()
    world.record(3)

    def die(at):
        if at == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def settle(_say):
        dying = ClusterWorld(world.folder, limit=2500).settler(die)
        while dying._step():
            pass

    _, status = in_a_process_that_may_die(settle)
    assert os.WTERMSIG(status) == signal.SIGKILL
    survivor = world.settler()
    survivor._recover()
    while survivor._step() or world.journal.due_count():
        pass
    assert world.balances()["random_forest"] == after_slashes(9)
    assert world.ledger().verify(world.journal.noted_blocks()).ok
