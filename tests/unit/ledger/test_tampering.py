"""Whatever is changed in what is stored is found: any character of any file, a file put back, a file gone."""

import random
import shutil

import pytest

from concord.errors import Conflict, LedgerBroken
from concord.ledger import events
from concord.ledger.file_store import FileStore
from concord.ledger.ledger import Ledger

CHANGES = 400


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A ledger of a head and several segments, and the hashes that a journal would have noted."""
    folder = tmp_path_factory.mktemp("original") / "ledger"
    ledger = Ledger(FileStore(folder), limit=2600)
    nodes = ("knn", "svm", "decision_tree")
    ledger.append(
        [events.params("iris", "seed"), *(events.open_account("iris", n, 10**9, 920000) for n in nodes)]
    )
    for i in range(24):
        ledger.append([events.deposit("iris", nodes[i % 3], 1 + i, f"k{i}")])
    assert len(FileStore(folder).list_segments()) >= 3
    return folder, [(block.height, block.hash) for block in ledger.blocks()]


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original[0], tmp_path / "ledger")


def stored_files(folder):
    return sorted(path for path in folder.iterdir() if path.stat().st_size)


def verify(folder, noted=()):
    return Ledger(FileStore(folder)).verify(noted)


def test_an_untouched_ledger_is_found_sound(folder, original):
    report = verify(folder, original[1])
    assert (report.ok, report.height, report.blocks, report.orphans) == (True, 25, 25, ())


@pytest.mark.parametrize("how", ["changed", "one bit flipped", "inserted", "removed"])
def test_any_change_of_one_character_of_a_stored_file_is_found(folder, how):
    rng, missed = random.Random(how), []
    files = {path: path.read_bytes() for path in stored_files(folder)}
    for turn in range(CHANGES // 4):
        path = list(files)[turn % len(files)]
        data = files[path]
        at = rng.randrange(len(data))
        path.write_bytes(change(data, at, how, rng))
        if verify(folder).ok:
            missed.append((path.name, at))
        path.write_bytes(data)
    assert missed == []


def change(data, at, how, rng):
    other = bytes([(data[at] + rng.randrange(1, 256)) % 256])
    return {
        "changed": data[:at] + other + data[at + 1 :],
        "one bit flipped": data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :],
        "inserted": data[:at] + other + data[at:],
        "removed": data[:at] + data[at + 1 :],
    }[how]


def test_every_byte_of_the_frame_that_gzip_ignores_counts_too(folder):
    missed = []
    for path in folder.glob("*.gz"):
        data = path.read_bytes()
        for at in [*range(10), *range(len(data) - 8, len(data))]:
            path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
            if verify(folder).ok:
                missed.append((path.name, at))
        path.write_bytes(data)
    assert missed == []


def test_nothing_is_appended_to_a_head_that_has_changed(folder):
    path = folder / "head.json"
    data, rng = path.read_bytes(), random.Random(3)
    for _ in range(60):
        at = rng.randrange(len(data))
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        path.write_bytes(changed)
        with pytest.raises(LedgerBroken):
            Ledger(FileStore(folder)).append([events.deposit("iris", "knn", 1, "new")], since=20)
        assert path.read_bytes() == changed


def test_an_old_head_put_back_is_found_by_the_journals_notes(folder, original):
    old = (folder / "head.json").read_bytes()
    ledger = Ledger(FileStore(folder))
    block = ledger.append([events.deposit("iris", "knn", 1, "new")])
    (folder / "head.json").write_bytes(old)
    assert verify(folder, original[1]).ok
    report = verify(folder, [*original[1], (block.height, block.hash)])
    assert "old head" in report.problems[0]


def test_a_writer_that_knows_a_newer_head_appends_nothing_to_an_old_one(folder):
    old = (folder / "head.json").read_bytes()
    ledger = Ledger(FileStore(folder))
    ledger.append([events.deposit("iris", "knn", 1, "new")])
    (folder / "head.json").write_bytes(old)
    with pytest.raises(LedgerBroken, match="old one"):
        ledger.append([events.deposit("iris", "knn", 1, "newer")])
    assert (folder / "head.json").read_bytes() == old


def test_a_fork_is_found_by_a_writer_that_knows_the_other_branch(folder, tmp_path):
    twin = shutil.copytree(folder, tmp_path / "twin")
    ledger = Ledger(FileStore(folder))
    ledger.append([events.deposit("iris", "knn", 1, "ours")])
    for i in range(30):
        Ledger(FileStore(twin), limit=5000).append([events.deposit("iris", "knn", 1, f"theirs{i}")], since=0)
    shutil.rmtree(folder)
    shutil.copytree(twin, folder)
    with pytest.raises(LedgerBroken):
        ledger.append([events.deposit("iris", "knn", 1, "more")])
    assert verify(folder).height == 55


def test_a_chain_rewritten_from_its_start_is_found_by_the_journals_notes(tmp_path, original):
    ledger = Ledger(FileStore(tmp_path / "ledger"))
    ledger.append([events.params("iris", "seed"), events.open_account("iris", "knn", 10**9, 1)])
    for i in range(24):
        ledger.append([events.deposit("iris", "knn", 1, f"k{i}")])
    assert ledger.verify().ok
    assert len(ledger.verify(original[1]).problems) == 25


def test_notes_that_are_gone_are_no_reason_to_replace_a_head(folder, original):
    with pytest.raises(Conflict, match="sound"):
        Ledger(FileStore(folder)).rebuild(
            [(h, block_hash, None) for h, block_hash in original[1][:3]], replace=True
        )


def test_a_segment_that_is_gone_is_found(folder):
    store = FileStore(folder)
    store.delete_segment(store.list_segments()[0])
    assert "gone" in verify(folder).problems[0]


def test_a_head_that_is_gone_is_found_and_no_new_chain_is_begun(folder, original):
    (folder / "head.json").unlink()
    assert "gone" in verify(folder).problems[0]
    assert "gone" in verify(folder.parent / "nothing", original[1]).problems[0]
    with pytest.raises(LedgerBroken):
        Ledger(FileStore(folder)).append([events.params("iris", "seed")])


def test_segments_of_another_chain_beside_are_orphans(folder):
    FileStore(folder).write_segment("ledger-1-3-00000000", b"left by a lost swap")
    report = verify(folder)
    assert (report.ok, report.orphans) == (True, ("ledger-1-3-00000000",))


def test_a_report_is_plain_json(folder):
    assert verify(folder).to_json()["ok"] is True
