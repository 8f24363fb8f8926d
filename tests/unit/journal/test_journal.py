"""The journal on SQLite: rounds, the queue of settlements, forgetting, notes, and faults."""

import os
import sqlite3
import threading
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from concord.errors import ConfigurationError, InvalidInput, JournalUnavailable, LedgerBroken
from concord.journal import Journal, migration
from concord.journal.labels import MOST_DISPUTES
from concord.journal.retention import Forgotten
from concord.journal.rows import LabelRow, RoundRow
from concord.journal.search import RoundFilters
from concord.journal.tables import NAMES, UtcDateTime

SECRET = b'{"income":54321.5}'


def row(number, **fields):
    values = {
        "id": f"{number:032x}",
        "task": "iris",
        "time": 1000 + number,
        "status": "ok",
        "policy": "seed",
        "height": 3,
        "request_id": "r",
        "verdict": b'{"label":"setosa"}',
        "features": SECRET,
        "evidence": b'{"answer":1,"votes":{"knn":1}}',
        "due": True,
    }
    return RoundRow(**values | fields)


def ids(rounds):
    return [int(round_.id, 16) for round_ in rounds]


def test_a_round_is_read_back_as_recorded(journal):
    journal.record([row(1), row(2, features=None, evidence=None, due=False)])
    first, second = journal.round(row(1).id), journal.round(row(2).id)
    assert all(getattr(first, name) == getattr(row(1), name) for name in RoundRow.__slots__)
    assert (second.features, second.evidence, second.due, second.block) == (None, None, False, None)


def test_a_round_that_is_not_there_is_none(journal):
    assert journal.round("0" * 32) is None


def test_recording_nothing_is_harmless(journal):
    journal.record([])
    assert journal.find() == ([], None)


def test_an_id_that_comes_again_changes_nothing_not_even_once_it_is_settled(journal):
    journal.record([row(1)])
    settle(journal, "b1", 7)
    journal.record([row(1, status="degraded"), row(2)])
    assert (journal.round(row(1).id).status, journal.due_count()) == ("ok", 1)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_what_was_recorded_is_there_after_the_process_was_killed(open_journal, path):
    open_journal().close()
    child = os.fork()
    if not child:
        Journal(f"sqlite:///{path}").record([row(1)])
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    assert ids(open_journal().find()[0]) == [1]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_what_is_recorded_where_the_file_was_opened_while_it_was_made_is_not_lost(
    moment, tmp_path, monkeypatch
):
    url, upgrade = f"sqlite:///{tmp_path / 'journal.sqlite'}", migration._upgrade
    journal = Journal(url)

    def upgrade_while_it_is_asked(database):
        if moment == "before":
            journal.ping()
        upgrade(database)
        if moment == "after":
            journal.ping()

    with closing(journal):
        with monkeypatch.context() as patch:
            patch.setattr(migration, "_upgrade", upgrade_while_it_is_asked)
            journal.migrate()
        journal.record([row(1)])
        # SQLite does so by itself every thousand pages.
        journal._database.wipe_log()
    with closing(Journal(url)) as again:
        again.migrate()
        assert again.round(row(1).id) is not None


def test_rounds_come_newest_first_in_pages_that_do_not_shift(journal):
    journal.record([row(n, time=1000 + n // 2) for n in range(10)])
    rounds, cursor = journal.find(limit=3)
    journal.record([row(99, time=5000)])
    while cursor:
        page, cursor = journal.find(limit=3, after=cursor)
        rounds += page
    assert ids(rounds) == list(range(9, -1, -1))


def test_a_last_page_that_is_full_has_no_cursor(journal):
    journal.record([row(n) for n in range(3)])
    assert journal.find(limit=3)[1] is None


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"task": "film"}, [3]),
        ({"status": "degraded"}, [2]),
        ({"since": 1002}, [3, 2]),
        ({"task": "iris", "status": "ok", "since": 1001}, [1]),
    ],
    ids=["task", "status", "since", "all"],
)
def test_rounds_are_filtered(journal, filters, expected):
    journal.record([row(0), row(1), row(2, status="degraded"), row(3, task="film")])
    assert ids(journal.find(RoundFilters(**filters))[0]) == expected


@pytest.fixture
def labelled(journal):
    """Rounds 0 to 5, of which 1 and 4 have a label and 4 is disputed; 2 answers otherwise."""
    changes = {2: {"verdict": b'{"label":"virginica","text":"setosa"}'}}
    journal.record([row(n, id=f"{n:04x}" + "0" * 28, **changes.get(n, {})) for n in range(6)])
    for number, value, source in ((1, 0, "crm"), (4, 1, "crm"), (4, 2, "lab")):
        journal.label([LabelRow(f"{number:04x}" + "0" * 28, value, source, 5000, "r")])
    return journal


def is_setosa(verdict):
    return b'"label":"setosa"' in verdict


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"label": "known"}, [4, 1]),
        ({"label": "unknown"}, [5, 3, 2, 0]),
        ({"label": "disputed"}, [4]),
        ({"fits": is_setosa}, [5, 4, 3, 1, 0]),
        ({"fits": is_setosa, "label": "known", "since": 1002}, [4]),
        ({"until": 1002}, [1, 0]),
        ({"since": 1001, "until": 1003, "label": "unknown"}, [2]),
        ({"prefix": "0003"}, [3]),
        ({"prefix": "000"}, [5, 4, 3, 2, 1, 0]),
        ({"prefix": "0003" + "0" * 28}, [3]),
        ({"prefix": "1"}, []),
        ({"task": "film", "label": "known"}, []),
    ],
)
def test_rounds_are_found_by_label_answer_time_and_the_beginning_of_an_id(labelled, filters, expected):
    rounds, after = labelled.find(RoundFilters(**filters))
    assert [int(round_.id[:4], 16) for round_ in rounds] == expected
    assert after is None


def test_rounds_that_are_looked_for_have_their_label(labelled):
    [newest, _] = labelled.find(RoundFilters(label="known"))[0]
    assert (newest.label, newest.label_source, newest.verdict) == (1, "crm", b'{"label":"setosa"}')


def test_pages_of_what_is_looked_for_have_each_round_once(labelled):
    rounds, cursor = labelled.find(RoundFilters(label="unknown"), 1)
    while cursor:
        page, cursor = labelled.find(RoundFilters(label="unknown"), 1, cursor)
        rounds += page
    assert [int(round_.id[:4], 16) for round_ in rounds] == [5, 3, 2, 0]


def test_a_page_looks_at_so_many_rounds_and_the_next_one_goes_on(labelled, monkeypatch):
    monkeypatch.setattr("concord.journal.search.ROWS", 2)
    monkeypatch.setattr("concord.journal.search.LOOKED_AT", 4)
    first, cursor = labelled.find(RoundFilters(label="known"))
    second, end = labelled.find(RoundFilters(label="known"), after=cursor)
    assert [int(round_.id[:4], 16) for round_ in (*first, *second)] == [4, 1]
    assert len(first) == 1
    assert labelled.find(RoundFilters(label="known"), after=end) == ([], None) if end else True


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "zz-1",
        "-",
        "1" * 100 + "-a",
        "f" * 30 + "-x",
        f"8{'0' * 15}-{'0' * 32}",
        f"-1-{'0' * 32}",
        f"1_0-{'0' * 32}",
        f"3e8-{'A' * 32}",
        f"3e8-{'0' * 32}\n",
    ],
)
def test_a_cursor_that_was_not_given_out_is_invalid(journal, cursor):
    with pytest.raises(InvalidInput) as caught:
        journal.find(after=cursor)
    assert caught.value.field == "after"


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("SELECT id FROM rounds WHERE task='a' ORDER BY time DESC, id DESC LIMIT 50", "ix_rounds_task"),
        ("SELECT id FROM rounds ORDER BY time DESC, id DESC LIMIT 50", "ix_rounds_time"),
        ("SELECT id FROM rounds WHERE batch=? ORDER BY time LIMIT 50", "ix_rounds_queue"),
        ("SELECT id FROM rounds WHERE time < 5 AND features IS NOT NULL LIMIT 500", "ix_rounds_kept"),
        ("SELECT id FROM rounds WHERE block=5 AND task='a'", "ix_rounds_block"),
    ],
    ids=["of a task", "all", "due", "expiring", "of a block"],
)
def test_no_query_that_is_asked_often_reads_the_whole_table(journal, path, query, index):
    journal.record([row(n) for n in range(3)])
    with sqlite3.connect(path) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {query}", ("",) * query.count("?")).fetchall()
    connection.close()
    assert index in plan[0][3]
    assert "TEMP B-TREE" not in str(plan)


def settle(journal, batch, height, block_hash=None, noted=0, limit=100):
    claimed = journal.claim(batch, noted, limit)
    records = {round_.id: b'{"deltas":{}}' for round_ in claimed}
    journal.mark_settled(batch, height, block_hash or f"{height:064x}", records)
    return claimed


def test_due_rounds_are_claimed_oldest_first_and_by_one_batch_only(journal):
    journal.record([row(n, time=2000 - n) for n in range(5)] + [row(9, due=False)])
    assert ids(journal.claim("b1", 3, 2)) == [4, 3]
    assert ids(journal.claim("b2", 3, 10)) == [2, 1, 0]
    assert journal.claim("b3", 3, 10) == []
    assert [claim.batch for claim in journal.open_claims()] == ["b1", "b2"]


def test_a_settled_round_knows_its_block_and_its_record(journal):
    journal.record([row(1)])
    settle(journal, "b1", 7)
    round_ = journal.round(row(1).id)
    assert (round_.block, round_.block_hash, round_.record) == (7, f"{7:064x}", b'{"deltas":{}}')
    assert (journal.due_count(), journal.open_claims()) == (0, [])
    assert journal.heights([row(1).id, row(2).id]) == {row(1).id: 7}


def test_marking_a_batch_again_is_harmless(journal):
    journal.record([row(1)])
    settle(journal, "b1", 7)
    journal.mark_settled("b1", 7, f"{7:064x}", {row(1).id: b"other"})
    assert journal.round(row(1).id).record == b'{"deltas":{}}'


def test_an_open_claim_comes_back_with_its_rounds_and_the_height_it_noted(journal, clock):
    journal.record([row(1), row(2)])
    journal.claim("b1", 41, 10)
    assert journal.open_claims(age=1) == []
    clock.now += 1
    (claim,) = journal.open_claims(age=1)
    assert (claim.batch, claim.noted_height, ids(claim.rounds)) == ("b1", 41, [1, 2])


def test_a_cursor_of_the_latest_time_that_there_is_leads_to_all_rounds(journal):
    journal.record([row(1)])
    assert ids(journal.find(after=f"7{'f' * 15}-{'0' * 32}")[0]) == [1]


def test_a_claim_whose_rounds_another_replica_has_marked_meanwhile_is_not_open(journal, path):
    journal.record([row(1), row(2)])
    journal.claim("b1", 3, 1)
    journal.claim("b2", 3, 1)
    # What READ COMMITTED shows between the two queries: the claim, and rounds that are settled.
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE rounds SET batch=NULL, block=7 WHERE batch='b1'")
    connection.close()
    assert [claim.batch for claim in journal.open_claims()] == ["b2"]


def test_claimers_in_many_threads_never_share_a_round(journal):
    journal.record([row(n) for n in range(200)])
    claimed, lock = [], threading.Lock()

    def work(name):
        turn = 0
        while some := journal.claim(f"{name}-{turn}", 0, 7):
            turn += 1
            with lock:
                claimed.extend(ids(some))

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == list(range(200))


def test_another_hash_at_a_noted_height_is_a_broken_ledger(journal):
    journal.record([row(1)])
    settle(journal, "b1", 7)
    with pytest.raises(LedgerBroken, match="forked"):
        journal.note_blocks([(6, "a" * 64, None), (7, "b" * 64, None)])
    assert journal.noted_blocks() == [(7, f"{7:064x}")]


def test_blocks_are_noted_with_their_bytes_until_they_are_sealed(journal):
    journal.note_blocks([(1, "a", b"one"), (2, "b", b"two")])
    journal.note_blocks([(2, "b", b"two"), (3, "c", b"three")], sealed=2)
    assert journal.noted_documents() == [(1, "a", None), (2, "b", None), (3, "c", b"three")]
    assert (journal.newest_block(), journal.noted_blocks()) == ((3, "c"), [(1, "a"), (2, "b"), (3, "c")])


def test_a_process_that_begins_anew_does_not_search_all_blocks_for_bytes_to_drop(open_journal):
    open_journal().note_blocks([(1, "a", None), (2, "b", None), (3, "c", b"three")], sealed=2)
    again, ran = open_journal(), []
    sa.event.listen(
        again._database._engine, "before_cursor_execute", lambda *event: ran.append((event[2], event[3]))
    )
    again.note_blocks([(4, "d", b"four")], sealed=3)
    assert again.noted_documents()[2:] == [(3, "c", None), (4, "d", b"four")]
    assert [list(values)[-2:] for sql, values in ran if sql.startswith("UPDATE blocks")] == [[2, 3]]


def test_nothing_is_noted_at_first(journal):
    assert (journal.newest_block(), journal.noted_blocks()) == (None, [])


def test_a_segment_is_kept_as_it_is(journal):
    journal.keep_segment("ledger-1-2-00000000", b"\x1f\x8b" * 40_000)
    journal.keep_segment("ledger-1-2-00000000", b"other")
    assert journal.kept_segment("ledger-1-2-00000000") == b"\x1f\x8b" * 40_000
    assert journal.kept_segment("ledger-3-4-00000000") is None


WAGER = {"policy": "wager", "due": False}


def label(number, value=1, **fields):
    values = {"source": "crm", "time": 5000, "request_id": "q"}
    return LabelRow(f"{number:032x}", value, **values | fields)


def outcomes(labels):
    return [(int(label_.id, 16), label_.status, label_.settlement, label_.block) for label_ in labels]


def test_a_label_makes_its_round_due_and_is_read_with_it(journal):
    journal.record([row(1, **WAGER), row(2, **WAGER)])
    assert outcomes(journal.label([label(1, 2)])) == [(1, "accepted", "due", None)]
    (claimed,) = journal.claim("b1", 3, 10)
    assert (claimed.id, claimed.label) == (row(1).id, 2)
    stored = journal.round(row(1).id)
    assert (stored.label, stored.label_source, stored.label_time) == (2, "crm", 5000)
    assert (journal.round(row(1).id).due, journal.round(row(2).id).label) == (True, None)


def test_a_label_that_comes_again_is_known_and_changes_nothing(journal):
    journal.record([row(1, **WAGER)])
    journal.label([label(1, 2)])
    again = journal.label([label(1, 2, source="erp", time=6000), label(1, 2)])
    assert outcomes(again) == [(1, "known", "due", None)] * 2
    assert (again[0].label, again[0].source) == (2, "crm")
    assert (journal.round(row(1).id).label_time, journal.due_count()) == (5000, 1)


def test_a_label_of_a_settled_round_is_known_with_its_block_and_not_settled_again(journal):
    journal.record([row(1, **WAGER)])
    journal.label([label(1)])
    settle(journal, "b1", 7)
    assert outcomes(journal.label([label(1)])) == [(1, "known", "settled", 7)]
    assert journal.due_count() == 0


def test_another_label_is_a_conflict_that_is_kept_and_changes_nothing(journal):
    journal.record([row(1, **WAGER)])
    journal.label([label(1, 2)])
    for time in (7000, 8000):
        assert outcomes(journal.label([label(1, 0, time=time)])) == [(1, "conflict", "due", None)]
    journal.label([label(1, 1, time=6000, source="erp")])
    assert journal.disputes(row(1).id) == [label(1, 1, time=6000, source="erp"), label(1, 0, time=7000)]
    assert (journal.round(row(1).id).label, journal.disputes(row(2).id)) == (2, [])


def test_of_one_source_some_disputes_of_a_round_are_kept_and_of_others_too(journal):
    journal.record([row(1, **WAGER), row(2, **WAGER)])
    journal.label([label(1, 0), label(2, 0)])
    first = journal.label([label(1, k) for k in range(1, 8)])
    rest = journal.label([label(1, k) for k in range(1, 16)])
    assert [one.is_disputed for one in first] == [True] * 7
    assert [one.is_disputed for one in rest] == [True] * MOST_DISPUTES + [False] * 5
    assert {one.status for one in rest} == {"conflict"}
    other, elsewhere = journal.label([label(1, 99, source="erp"), label(2, 99)])
    assert (other.is_disputed, elsewhere.is_disputed) == (True, True)
    assert len(journal.disputes(row(1).id)) == MOST_DISPUTES + 1


def test_of_two_labels_in_one_call_the_first_stands(journal):
    journal.record([row(1, **WAGER), row(2, **WAGER)])
    labelled = journal.label([label(1, 2), label(2, 1), label(1, 2), label(2, 0)])
    assert [label_.status for label_ in labelled] == ["accepted", "accepted", "known", "conflict"]
    assert (journal.round(row(2).id).label, len(journal.disputes(row(2).id))) == (1, 1)


def test_a_label_of_an_unknown_round_is_not_kept_and_hinders_no_other(journal):
    journal.record([row(1, **WAGER)])
    labelled = journal.label([label(9), label(1)])
    assert outcomes(labelled) == [(9, "unknown", "none", None), (1, "accepted", "due", None)]
    journal.record([row(9, **WAGER)])
    assert journal.round(row(9).id).label is None


@pytest.mark.parametrize(
    ("fields", "settlement"),
    [
        (WAGER | {"evidence": None}, "none"),
        (WAGER | {"status": "no_quorum"}, "none"),
        ({"due": False}, "none"),
        ({"due": True}, "due"),
        (WAGER | {"status": "degraded"}, "due"),
    ],
    ids=["no evidence", "no quorum", "seed without money", "seed", "degraded"],
)
def test_only_a_round_that_settles_by_its_label_becomes_due_by_it(journal, fields, settlement):
    journal.record([row(1, **fields)])
    assert outcomes(journal.label([label(1)])) == [(1, "accepted", settlement, None)]
    assert (journal.due_count(), journal.round(row(1).id).label) == (int(settlement == "due"), 1)


def test_a_claimed_round_stays_with_its_batch_when_its_label_comes_again(journal):
    journal.record([row(1, **WAGER)])
    journal.label([label(1)])
    journal.claim("b1", 3, 10)
    assert outcomes(journal.label([label(1)])) == [(1, "known", "due", None)]
    assert journal.claim("b2", 3, 10) == []


def test_a_label_may_be_any_value_of_63_bits(journal):
    journal.record([row(n, **WAGER) for n in range(2)])
    journal.label([label(0, 2**63 - 1), label(1, -(2**63) + 1)])
    assert [journal.round(row(n).id).label for n in range(2)] == [2**63 - 1, -(2**63) + 1]


def test_labelling_nothing_is_harmless(journal):
    assert journal.label([]) == []


def test_many_labels_come_in_one_call(journal):
    journal.record([row(n, **WAGER) for n in range(1203)])
    assert {label_.status for label_ in journal.label([label(n) for n in range(1203)])} == {"accepted"}
    assert journal.due_count() == 1203


def test_labellers_at_once_never_both_label_a_round(journal):
    journal.record([row(n, **WAGER) for n in range(60)])
    results, lock = [], threading.Lock()

    def work(value):
        # From both ends, so that each has some that the other has not yet.
        for n in range(60) if value else reversed(range(60)):
            labelled = None
            while labelled is None:
                # Others may hold the lock for longer than a call waits; its caller tries again.
                with suppress(JournalUnavailable):
                    labelled = journal.label([label(n, value, source=f"s{value}")])
            with lock:
                results.extend(labelled)

    threads = [threading.Thread(target=work, args=(value,)) for value in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    accepted = [label_ for label_ in results if label_.status == "accepted"]
    assert sorted(ids(accepted)) == list(range(60))
    assert all(journal.round(label_.id).label == label_.label for label_ in accepted)
    assert sum(len(journal.disputes(row(n).id)) for n in range(60)) == 120


def test_labelling_claiming_and_marking_at_once_lose_nothing(journal):
    journal.record([row(n, **WAGER) for n in range(400)])
    results, lock, faults = [], threading.Lock(), []

    def work(turn):
        try:
            for start in range(0, 400, 50):
                first = (start + 150 * turn) % 400
                labelled = journal.label([label(n, time=turn) for n in range(first, first + 50)])
                with lock:
                    results.extend(label_.status for label_ in labelled)
                settle(journal, f"b{turn}-{start}", 7, limit=60)
        except JournalUnavailable as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(turn,)) for turn in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while settle(journal, f"last-{journal.due_count()}", 7):
        pass
    assert (faults, results.count("accepted"), results.count("known")) == ([], 400, 1200)
    assert len(journal.rounds_of_block(7, "iris")) == 400


def test_the_origin_of_a_round_is_its_task_and_time(journal):
    journal.record([row(1), row(2, task="film")])
    origins = journal.origins([row(1).id, row(2).id, row(3).id])
    assert {int(id_, 16): (origin.task, origin.time) for id_, origin in origins.items()} == {
        1: ("iris", 1001),
        2: ("film", 1002),
    }


def test_a_block_knows_its_rounds_of_each_task_by_their_ids(journal):
    journal.record([row(n, time=9000 - n) for n in range(12)] + [row(50, task="film")])
    settle(journal, "b1", 7, limit=11)
    settle(journal, "b2", 8)
    assert ids(journal.rounds_of_block(7, "iris")) == [*range(2, 12)]
    assert ids(journal.rounds_of_block(7, "film")) == [50]
    assert ids(journal.rounds_of_block(8, "iris")) == [0, 1]
    assert journal.rounds_of_block(8, "film") == []


def everything(path):
    return b"".join(file.read_bytes() for file in path.parent.iterdir())


def test_forgotten_features_are_in_no_file_any_more(journal, path):
    journal.record([row(1), row(2, features=b"{}")])
    assert SECRET in everything(path)
    assert journal.forget([row(1).id, row(3).id]) == Forgotten(1, is_wiped=True)
    assert journal.forget([row(1).id]) == Forgotten(0, is_wiped=True)
    assert SECRET not in everything(path)
    assert (journal.round(row(1).id).features, journal.round(row(2).id).features) == (None, b"{}")


def test_a_reader_that_keeps_the_log_is_told_of_and_the_next_one_to_forget_clears_it(journal, path):
    journal.record([row(1)])
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM rounds").fetchone()
        assert journal.forget([row(1).id]) == Forgotten(1, is_wiped=False)
        assert SECRET in everything(path)
        reader.execute("COMMIT")
    assert journal.forget([row(1).id]) == Forgotten(0, is_wiped=True)
    assert SECRET not in everything(path)


def test_a_log_that_a_reader_kept_is_cleared_when_features_expire_next(journal, path):
    journal.record([row(1), row(9000)])
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM rounds").fetchone()
        assert journal.expire(before=2000) == 1
        reader.execute("COMMIT")
    everything_before = everything(path)
    assert journal.expire(before=2000) == 0
    assert everything(path).count(SECRET) < everything_before.count(SECRET)


def test_features_expire_by_the_time_of_their_round(journal):
    journal.record([row(n, due=False) for n in range(1203)] + [row(5000, features=None)])
    assert journal.expire(before=2200) == 1200
    assert journal.expire(before=2200) == 0
    assert [round_.features for round_ in journal.find(limit=4)[0]] == [None, SECRET, SECRET, SECRET]


def test_rounds_that_no_block_will_settle_any_more_are_removed_with_their_labels(journal):
    settled, waiting, claimed, old, labelled, young = (row(n, **WAGER) for n in (1, 2, 3, 4, 5, 900))
    seeded = row(6, due=False, evidence=None, status="no_quorum", policy="wager")
    journal.record([settled, old, labelled, young, seeded])
    journal.label([label(1)])
    journal.claim("b1", 1, 10)
    journal.mark_settled("b1", 2, "h", {settled.id: b"{}"})
    journal.record([waiting, claimed])
    journal.label([label(3)])
    journal.claim("b2", 2, 10)
    journal.label([label(2), label(6), label(6, 2)])
    assert journal.remove_unsettled(before=1800) == 3
    assert {n for n in (1, 2, 3, 4, 5, 6, 900) if journal.round(row(n).id)} == {1, 2, 3, 900}
    assert (journal.disputes(row(6).id), outcomes(journal.label([label(6)]))[0][1]) == ([], "unknown")
    assert journal.remove_unsettled(before=1800) == 0


def test_many_rounds_are_removed_and_the_rest_is_left(journal):
    journal.record([row(n, **WAGER) for n in range(1203)])
    assert journal.remove_unsettled(before=2100) == 1100
    assert journal.find(limit=500)[1] is None
    assert len(journal.find(limit=500)[0]) == 103


def test_the_last_schema_of_a_task_is_kept(journal):
    journal.save_schema("iris", "d1", {"task": "iris"})
    journal.save_schema("iris", "d2", {"task": "iris", "title": "é"})
    journal.save_schema("film", "d3", {})
    assert journal.schemas() == {"iris": ("d2", {"task": "iris", "title": "é"}), "film": ("d3", {})}


def test_migrating_again_is_harmless(journal):
    journal.record([row(1)])
    journal.migrate()
    assert journal.round(row(1).id) is not None


@pytest.mark.parametrize("left", ["nothing", "labels"], ids=["as it was", "broken off before"])
def test_a_journal_of_the_first_version_keeps_its_rounds(journal, path, left):
    journal.record([row(1, **WAGER)])
    with sqlite3.connect(path) as connection:
        for table in {"labels", "disputes"} - {left}:
            connection.execute(f"DROP TABLE {table}")
        connection.execute("DROP INDEX ix_rounds_block")
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    connection.close()
    journal.migrate()
    assert outcomes(journal.label([label(1)])) == [(1, "accepted", "due", None)]


def test_the_migrations_lead_to_the_tables_of_the_code(journal):
    with journal._database.reading() as connection:
        assert (
            compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), NAMES) == []
        )


@pytest.mark.parametrize("dialect", ["mysql", "mariadb", "postgresql"])
def test_the_tables_can_be_created_on_other_databases(dialect):
    url = {"mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql", "postgresql": "postgresql+psycopg"}[
        dialect
    ]
    made = sa.engine.url.make_url(f"{url}://").get_dialect()()
    for table in NAMES.sorted_tables:
        text = str(sa.schema.CreateTable(table).compile(dialect=made))
        assert ("MEDIUMBLOB" in text or "BYTEA" in text) == any(
            "Binary" in repr(c.type) for c in table.columns
        )


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_several_processes_may_migrate_at_once(path, open_journal):
    children = []
    for _ in range(4):
        child = os.fork()
        if not child:
            status = 1
            try:
                Journal(f"sqlite:///{path}").migrate()
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    open_journal().ping()


def test_a_database_that_is_not_there_is_unavailable(tmp_path):
    journal = Journal(f"sqlite:///{tmp_path / 'nowhere' / 'journal.sqlite'}")
    with pytest.raises(JournalUnavailable) as caught:
        journal.ping()
    assert "SQLITE_CANTOPEN" in caught.value.message
    assert isinstance(caught.value.__cause__, sa.exc.SQLAlchemyError)


def test_a_fault_names_no_value_of_a_row(journal, path):
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE rounds")
    connection.close()
    with pytest.raises(JournalUnavailable) as caught:
        journal.record([row(1)])
    assert "54321" not in f"{caught.value} {caught.value.__cause__}"


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalUnavailable):
        Journal(f"sqlite:///{tmp_path / 'file' / 'x' / 'journal.sqlite'}").migrate()


def test_a_new_journal_is_its_owners_alone(tmp_path):
    journal = Journal(f"sqlite:///{tmp_path / 'above' / 'home' / 'journal.sqlite'}")
    journal.migrate()
    journal.record([row(1)])
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "above").rglob("*")}
    journal.close()
    assert modes.pop("home") == 0o700
    assert set(modes) >= {"journal.sqlite", "journal.sqlite-wal"}
    assert set(modes.values()) == {0o600}


def test_a_journal_in_memory_makes_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for url in ("sqlite://", "sqlite:///:memory:"):
        with closing(Journal(url)) as journal:
            journal.migrate()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["nonsense", "oracle2://x", "mysql+nodriver://x"])
def test_a_url_that_means_no_database_is_the_operators_to_mend(url):
    with pytest.raises(ConfigurationError) as caught:
        Journal(url)
    assert caught.value.field == "CONCORD_JOURNAL"


def test_times_for_people_are_stored_in_utc_and_come_back_aware():
    kind, paris = UtcDateTime(), datetime(2026, 7, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    stored = kind.process_bind_param(paris, None)
    assert (stored.hour, stored.tzinfo, kind.process_result_value(stored, None)) == (12, None, paris)
    assert kind.process_result_value(stored, None).tzinfo is UTC
    with pytest.raises(ValueError, match="zone"):
        kind.process_bind_param(stored, None)


def test_a_first_migration_that_is_interrupted_leaves_nothing_and_the_next_one_makes_the_journal(
    path, monkeypatch
):
    def interrupted(config, revision):
        upgrade(config, revision)
        raise KeyboardInterrupt

    upgrade = command.upgrade
    monkeypatch.setattr(command, "upgrade", interrupted)
    with pytest.raises(KeyboardInterrupt), closing(Journal(f"sqlite:///{path}")) as journal:
        journal.migrate()
    assert not path.exists()
    monkeypatch.setattr(command, "upgrade", upgrade)
    with closing(Journal(f"sqlite:///{path}")) as journal:
        journal.migrate()
        journal.record([row(1)])
