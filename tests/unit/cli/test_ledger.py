"""The ledger's commands on stored files: after archiving, after a loss, and into a file."""

import json

import pytest

from concord.cli import workshop
from concord.cli.stores import open_ledger
from concord.cli.text.ledger import _describe_event
from concord.journal import Journal
from concord.ledger import FileStore, Ledger, events

BLOCKS = 41


@pytest.fixture
def stored(home):
    """A home with a ledger of several segments, noted in its journal; returns the journal's URL."""
    journal = Journal(f"sqlite:///{home}/journal.sqlite")
    journal.migrate()
    ledger = Ledger(FileStore(home / "ledger"), limit=3000)
    ledger.append(lambda state: workshop.opening_events(state, "one", again=False))
    for i in range(BLOCKS - 1):
        ledger.append([events.deposit("workshop", "knn", 1, f"k{i}")])
    sealed = ledger.head().sealed
    journal.note_blocks(
        [(b.height, b.hash, b.data if b.height > sealed else None) for b in ledger.blocks()], sealed
    )
    journal.close()


@pytest.fixture
def archived(run, stored):
    """The same with all segments but the newest in the journal."""
    assert json.loads(run("ledger", "archive", "--keep", "1", "--json").stdout)["moved"] > 2


@pytest.fixture
def head(home):
    return home / "ledger" / "head.json"


def test_a_block_that_was_archived_is_shown(run, archived):
    assert "opens with 1,000" in run("ledger", "show", "1").stdout


def test_changes_of_standing_are_shown_in_words(run, stored, home):
    ledger = Ledger(FileStore(home / "ledger"))
    ledger.append([events.jail("workshop", "knn", "regret", 7_000_000, 0)])
    release = events.release("workshop", "knn", to="active", by="operator", why="mended", key="k")
    height = ledger.append([release, events.promote("workshop", "knn", "2", 1)]).height
    assert "knn is jailed for regret" in run("ledger", "show", str(height - 1)).stdout
    shown = run("ledger", "show", str(height)).stdout
    assert "knn is active now, by operator: mended" in shown
    assert "knn serves version 2" in shown


def test_a_payment_is_shown_with_its_name_and_reason_where_it_has_them(run, stored, home):
    ledger = Ledger(FileStore(home / "ledger"))
    paid = events.deposit("workshop", "knn", 2_000_000, "new", by="ann", why="a share")
    height = ledger.append([paid, events.withdraw("workshop", "knn", 1_000_000, "old")]).height
    shown = run("ledger", "show", str(height)).stdout
    assert "knn pays in 2, by ann: a share" in shown
    assert "knn takes out 1" in [line.partition("workshop")[2].strip() for line in shown.splitlines()]


def test_an_operators_reason_is_shown_to_the_letter(run, stored, home):
    ledger = Ledger(FileStore(home / "ledger"))
    why = "see [/] and [bold]#7[/bold]"
    ledger.append([events.jail("workshop", "knn", "regret", 7_000_000, 0)])
    height = ledger.append(
        [events.release("workshop", "knn", to="active", by="operator", why=why, key="k")]
    ).height
    shown = run("ledger", "show", str(height))
    assert (shown.exit_code, why in shown.stdout) == (0, True)


def test_the_demo_appends_to_a_ledger_that_was_archived(archived):
    with open_ledger() as ledger:
        block = ledger.append(lambda state: workshop.opening_events(state, "two", again=False))
        assert block.height == BLOCKS + 1
        assert ledger.head().state.task("workshop").balances["knn"] == workshop.START


def test_the_balances_are_shown_without_a_journal(run, stored, home):
    for file in home.glob("journal.sqlite*"):
        file.unlink()
    assert "workshop" in run("ledger", "show").stdout


def test_an_export_is_every_block_as_a_line_archived_ones_too(run, archived, tmp_path):
    lines = run("ledger", "export").stdout.splitlines()
    assert [json.loads(line)["height"] for line in lines] == list(range(1, BLOCKS + 1))
    target = tmp_path / "blocks.jsonl"
    document = json.loads(run("ledger", "export", "--out", str(target), "--json").stdout)
    assert document == {"blocks": BLOCKS, "out": str(target)}
    assert target.read_text().splitlines() == lines


def test_an_export_overwrites_nothing_unasked(run, stored, tmp_path):
    target = tmp_path / "blocks.jsonl"
    target.write_text("mine")
    assert run("ledger", "export", "--out", str(target)).exit_code == 2
    assert target.read_text() == "mine"
    assert run("ledger", "export", "--out", str(target), "--force").exit_code == 0


def test_a_lost_head_is_rebuilt_as_verify_says(run, archived, head):
    before = head.read_bytes()
    head.unlink()
    assert "`concord ledger rebuild`" in run("ledger", "verify").stdout
    assert json.loads(run("ledger", "rebuild", "--json").stdout)["height"] == BLOCKS
    assert head.read_bytes() == before
    assert run("ledger", "verify").exit_code == 0


def test_a_head_that_has_changed_is_replaced_only_when_told_and_a_copy_is_kept(run, stored, head, home):
    before, broken = head.read_bytes(), head.read_bytes().replace(b"knn", b"kmm", 1)
    head.write_bytes(broken)
    refused = run("ledger", "rebuild")
    assert (refused.exit_code, head.read_bytes()) == (2, broken)
    assert "concord ledger rebuild --yes" in refused.stderr
    assert run("ledger", "rebuild", "--yes").exit_code == 0
    assert head.read_bytes() == before
    assert [copy.read_bytes() for copy in home.glob("replaced-head-*.json")] == [broken]


def test_a_sound_head_is_never_replaced(run, stored, head, home):
    before = head.read_bytes()
    result = run("ledger", "rebuild", "--yes")
    assert (result.exit_code, head.read_bytes()) == (2, before)
    assert "nothing to rebuild" in result.stderr
    assert list(home.glob("replaced-head-*")) == []


def test_a_ledger_whose_whole_folder_is_gone_is_rebuilt_from_the_journal(run, home):
    journal = Journal(f"sqlite:///{home}/journal.sqlite")
    journal.migrate()
    ledger = Ledger(FileStore(home / "elsewhere"))
    block = ledger.append(lambda state: workshop.opening_events(state, "one", again=False))
    journal.note_blocks([(1, block.hash, block.data)])
    journal.close()
    assert json.loads(run("ledger", "rebuild", "--json").stdout)["hash"] == block.hash


def test_doctor_says_how_to_look_into_a_broken_ledger(run, stored, head):
    head.write_bytes(b"{}")
    checks = {check["name"]: check for check in json.loads(run("doctor", "--json").stdout)["checks"]}
    assert "`concord ledger verify`" in checks["ledger"]["remedy"]


@pytest.mark.parametrize(
    ("accuracy", "text"), [(900_000, "a opens with 1, stated accuracy 0.900"), (0, "a opens with 1")]
)
def test_a_node_that_states_no_accuracy_opens_without_one(accuracy, text):
    event = {"kind": "open", "node": "a", "deposit": 1_000_000, "accuracy": accuracy}
    assert _describe_event(event) == text
