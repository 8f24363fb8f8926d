"""`concord ledger` on ConfigMaps, from wherever there is access to the cluster."""

import json

import pytest

from concord.journal import Journal
from concord.kubernetes.cluster import Cluster
from concord.ledger import Ledger, events
from concord.ledger.configmap_store import ConfigMapStore
from tests.unit.ledger.fake_api_server import FakeApiServer

WHERE = ("--ledger", "configmap:concord/concord-ledger")
BLOCKS = 21


@pytest.fixture
def server(tmp_path, monkeypatch):
    fake = FakeApiServer()
    fake.put("concord-ledger")
    monkeypatch.setenv("KUBECONFIG", str(fake.kubeconfig(tmp_path / "kubeconfig")))
    yield fake
    fake.close()


@pytest.fixture
def journal(home):
    opened = Journal(f"sqlite:///{home}/journal.sqlite")
    opened.migrate()
    yield opened
    opened.close()


@pytest.fixture
def stored(server, journal):
    """A ledger of several segments in the cluster, noted in the home's journal."""
    ledger = Ledger(ConfigMapStore("concord-ledger", Cluster.connect), limit=1500)
    ledger.append([events.params("iris", "seed"), events.open_account("iris", "knn", 10**9, 920000)])
    for i in range(BLOCKS - 1):
        ledger.append([events.deposit("iris", "knn", 1, f"k{i}")])
    sealed = ledger.head().sealed
    journal.note_blocks(
        [(b.height, b.hash, b.data if b.height > sealed else None) for b in ledger.blocks()], sealed
    )
    return ledger


@pytest.fixture
def by_setting(monkeypatch):
    monkeypatch.setenv("CONCORD_LEDGER", WHERE[1])


def test_the_balances_are_shown(run, stored):
    assert "1,000.00002" in run("ledger", "show", *WHERE).stdout


def test_without_a_journal_the_chain_is_replayed_and_nothing_is_called_right(run, stored):
    """The home's journal belongs to the home's ledger, not to the one that the option names."""
    shown = run("ledger", "verify", *WHERE)
    assert (shown.exit_code, "✓" in shown.stdout) == (2, False)
    assert "Nothing could be compared" in shown.stdout
    assert "--without-journal" in shown.stdout
    report = json.loads(run("ledger", "verify", *WHERE, "--json").stdout)
    assert (report["ok"], report["blocks"], report["compared"]) == (False, BLOCKS, False)


def test_who_asks_for_no_journal_gets_the_replay_alone(run, stored):
    shown = run("ledger", "verify", "--without-journal", *WHERE)
    assert (shown.exit_code, "✓" in shown.stdout) == (0, True)
    assert "compared with no journal" in shown.stdout
    report = json.loads(run("ledger", "verify", "--without-journal", *WHERE, "--json").stdout)
    assert (report["ok"], report["blocks"], report["compared"]) == (True, BLOCKS, False)
    refused = run("ledger", "verify", "--without-journal", "--deep", *WHERE)
    assert (refused.exit_code, "leave --without-journal out" in refused.stderr) == (2, True)


def test_a_journal_that_does_not_answer_keeps_nobody_from_replaying(run, stored, by_setting, monkeypatch):
    monkeypatch.setenv("CONCORD_JOURNAL", "mysql+pymysql://concord@127.0.0.1:9/concord")
    shown = run("ledger", "verify")
    assert (shown.exit_code, "Nothing could be compared" in shown.stdout) == (2, True)
    assert run("ledger", "verify", "--without-journal").exit_code == 0


def test_with_the_journal_it_is_compared(run, stored, by_setting):
    report = json.loads(run("ledger", "verify", "--json").stdout)
    assert (report["noted"], report["compared"]) == (BLOCKS, True)


def test_what_is_exported_here_is_imported_there(run, stored, server, tmp_path):
    target = tmp_path / "blocks.jsonl"
    assert run("ledger", "export", *WHERE, "--out", str(target)).exit_code == 0
    other = ("--ledger", "configmap:concord/green-ledger")
    assert f"{BLOCKS} blocks were checked" in run("ledger", "import", str(target), *other).stdout
    assert json.loads(run("ledger", "verify", *other, "--json").stdout)["hash"] == stored.head().hash
    again = run("ledger", "import", str(target), *other)
    assert (again.exit_code, "empty" in again.stderr) == (2, True)


def test_a_deleted_head_is_rebuilt(run, stored, server, by_setting):
    server.remove("concord-ledger")
    assert json.loads(run("ledger", "rebuild", "--json").stdout)["height"] == BLOCKS


def test_a_head_that_was_changed_is_replaced_and_kept(run, stored, server, by_setting, home):
    server.put("concord-ledger", data={"head.json": "{}"})
    kept = json.loads(run("ledger", "rebuild", "--yes", "--json").stdout)["kept"]
    assert (home / kept).read_bytes() == b"{}"
    assert run("ledger", "verify").exit_code == 0


def test_old_segments_are_archived(run, stored, server, by_setting):
    assert json.loads(run("ledger", "archive", "--keep", "1", "--json").stdout)["moved"] > 2
    assert json.loads(run("ledger", "verify", "--json").stdout)["ok"]


def test_an_account_that_may_not_delete_is_named_with_what_it_may_not(run, stored, server, by_setting):
    server.forbidden.add(("delete", "configmaps"))
    result = run("ledger", "archive", "--keep", "1")
    assert result.exit_code != 0
    assert "serviceaccount:concord:tester" in result.stderr
    assert "delete" in result.stderr


@pytest.mark.parametrize(
    ("where", "fault", "words"),
    [
        ("configmap:concord/other", None, "no such ConfigMap"),
        ("concord-ledger", None, "--ledger is configmap:"),
        (WHERE[1], "down", "does not serve"),
        (WHERE[1], 401, "credentials"),
    ],
    ids=["another name", "no name", "away", "unknown"],
)
def test_what_is_wrong_is_named_in_a_sentence(run, stored, server, where, fault, words):
    server.fault = fault
    result = run("ledger", "show", "--ledger", where)
    assert result.exit_code != 0
    assert words in result.stderr


def test_without_a_kubeconfig_it_says_what_should_work_first(run, home, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(home / "none"))
    assert "kubectl get configmaps" in run("ledger", "show", *WHERE).stderr
