"""Each change of what is stored is found by `verify`, by `--deep` or by the explanation, or is documented.

Every tampering is made on a copy of a home with two segments and a head, rounds of both policies, settled and
not, labels and disputes.
"""

import random
import shutil
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass, replace

import orjson
import pytest
from click.testing import CliRunner
from pydantic import TypeAdapter

from concord.cli import main
from concord.explain.explanation import Explanations
from concord.journal import Journal
from concord.ledger import FileStore, Ledger
from concord.ledger.chain import canonical, digest
from concord.ledger.head import decode_head, encode_head
from concord.policies.stake import MICRO
from concord.types.answers import Pool, Verdict, Vote
from tests.homes import ROOT
from tests.service.labelled_world import NODES, LabelledWorld
from tests.service.settling import World
from tests.service.stack import IRIS

pytestmark = [pytest.mark.slow, pytest.mark.guard]

BLOCKS = 80
LIMIT = 28_000
"""Bytes of a head: so there are two segments."""
NAMES = [label.name for label in IRIS.labels]
MIDDLE = 40_000
"""Bytes in the middle of the database's file that are overwritten."""


@dataclass
class Home:
    """A home, and ids in it."""

    folder: object
    settled: str
    other: str
    unsettled: str

    @property
    def head(self):
        return self.folder / "ledger" / "head.json"

    @property
    def segments(self):
        return sorted(self.folder.glob("ledger/ledger-*"), key=lambda path: int(path.name.split("-")[1]))

    def edit(self, statement, **values):
        with closing(sqlite3.connect(self.folder / "journal.sqlite")) as database, database:
            assert database.execute(statement, {"id": self.settled, **values}).rowcount

    def reseal(self, change):
        """Changes the head's document and seals it again."""
        document = orjson.loads(self.head.read_bytes())
        change(document)
        del document["seal"]
        document["seal"] = digest(canonical(document))
        self.head.write_bytes(canonical(document))

    def found(self):
        """By what a tampering is found."""
        env = {"CONCORD_HOME": str(self.folder)}
        for command, name in ((["verify"], "verify"), (["verify", "--deep"], "deep")):
            result = CliRunner(env=env).invoke(main, ["ledger", *command], prog_name="concord")
            assert result.exit_code in (0, 1, 2), result.output
            if result.exit_code:
                assert "✗" in result.output or result.exit_code == 2
                return name
        return "explanation" if self.explain().contradiction else None

    def explain(self):
        journal = Journal(f"sqlite:///{self.folder / 'journal.sqlite'}", read_only=True)
        try:
            ledger = Ledger(FileStore(self.folder / "ledger"), archive=journal)
            stored = journal.round(self.settled)
            verdict = TypeAdapter(Verdict).validate_json(stored.verdict)
            return Explanations(ledger, journal, label_days=365).explain(stored, verdict, IRIS)
        finally:
            journal.close()


def shown(id_, *choices):
    """The verdict of one-hot votes, as the service writes it."""
    votes = [
        Vote(node, "voted", "1", 0.25, 1.0, NAMES[k], {name: float(name == NAMES[k]) for name in NAMES})
        for node, k in zip(NODES, choices, strict=True)
    ]
    answer = NAMES[choices[0]]
    return orjson.dumps(
        Verdict(
            id=id_,
            task="flowers",
            status="ok",
            label=answer,
            value=None,
            unit=None,
            sentence=f"A {answer}.",
            probabilities={name: float(name == answer) for name in NAMES},
            agreement=1.0,
            policy="wager",
            pool=Pool("linear"),
            height=1,
            recorded=True,
            settlement="none",
            votes=votes,
        )
    )


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("original")
    world = LabelledWorld(folder, limit=LIMIT)
    world.open_seed()
    ids = []
    features = orjson.dumps({"sepal_length": 5.1})

    def answer(*choices, label=None):
        number = f"{len(ids) + 1:032x}"
        ids.append(world.answer(*choices, label=label, verdict=shown(number, *choices), features=features))
        return ids[-1]

    while world.ledger().head().height < BLOCKS:
        for k in range(3):
            answer(1, k, 1, 0, label=1)
        world.record(2)
        world.settle()
    settled, other = ids[-1], ids[-2]
    world.label(settled, 0, "other")
    unsettled = answer(2, 2, 1, 2)
    world.close()
    home = Home(folder, settled, other, unsettled)
    assert len(home.segments) >= 2
    return home


@pytest.fixture
def home(original, tmp_path):
    folder = shutil.copytree(original.folder, tmp_path / "home")
    return replace(original, folder=folder)


def test_an_untouched_home_is_found_sound_and_explained(home):
    assert home.found() is None
    explanation = home.explain()
    assert (explanation.contradiction, len(explanation.votes), explanation.proof.block > 1) == (None, 4, True)


def write_old_head(home):
    head = decode_head(home.head.read_bytes(), "")
    state = Ledger(FileStore(home.folder / "ledger")).state_before(head.height)
    home.head.write_bytes(encode_head(replace(head, blocks=head.blocks[:-1], state=state)))


def flip_bit(path, at=None):
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if at is None else at] ^= 1
    path.write_bytes(data)


def swap(first, second):
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)


def pack_anew(path):
    import gzip

    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), 1, mtime=0))


def edit_stake(document):
    account = next(iter(document["state"]["tasks"]["flowers"]["accounts"].values()))
    account["stake"] += MICRO


def edit_amount(document):
    settled = next(
        body
        for body in document["blocks"][-1]["events"].values()
        if body["kind"] == "settle" and body["policy"] == "wager"
    )
    for numbers, change in zip(settled["nodes"].values(), (1, -1), strict=False):
        numbers[1] += change


def overwrite_middle(home):
    path = home.folder / "journal.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(random.Random(7).randbytes(MIDDLE))


def cut_the_newest_block(home):
    """From the head, and with it its note and its marks."""
    height = decode_head(home.head.read_bytes(), "").height
    write_old_head(home)
    home.edit("DELETE FROM blocks WHERE height = :height", height=height)
    home.edit(
        "UPDATE rounds SET block = NULL, record = NULL, batch = NULL WHERE block = :height", height=height
    )


def forge_a_label(home):
    home.edit(
        "INSERT INTO labels (id, label, source, time, request_id) VALUES (:round, 0, 'crm', 10, 'r')",
        round=home.unsettled,
    )
    home.edit("UPDATE rounds SET batch = '', due = 1 WHERE id = :round", round=home.unsettled)
    world = World(home.folder, limit=LIMIT)
    world.settler()._step()
    assert world.journal.round(home.unsettled).block is not None
    world.close()


def change_verdict(**changes):
    def change(home):
        with closing(sqlite3.connect(home.folder / "journal.sqlite")) as database:
            (was,) = database.execute("SELECT verdict FROM rounds WHERE id = ?", [home.settled]).fetchone()
        document = orjson.loads(was)
        for name, value in changes.items():
            if name == "vote":
                document["votes"][0] |= value
            else:
                document[name] = value
        home.edit("UPDATE rounds SET verdict = :now WHERE id = :id", now=orjson.dumps(document))

    return change


def by_sql(statement):
    return lambda home: home.edit(statement)


def set_round(change):
    return by_sql(f"UPDATE rounds SET {change} WHERE id = :id")


NEW_VOTES = "evidence = replace(evidence, '[\"1\",0,1000000,0]', '[\"1\",0,0,1000000]')"

TAMPERINGS = {
    "head: one bit": ("verify", lambda home: flip_bit(home.head)),
    "head: white space": ("verify", lambda home: home.head.write_bytes(home.head.read_bytes() + b"\n")),
    "head: a stake, sealed again": ("verify", lambda home: home.reseal(edit_stake)),
    "head: an amount, sealed again": ("verify", lambda home: home.reseal(edit_amount)),
    "head: deleted": ("verify", lambda home: home.head.unlink()),
    "head: emptied": ("verify", lambda home: home.head.write_bytes(b"")),
    "head: an older one": ("verify", write_old_head),
    "segment: the newest deleted": ("verify", lambda home: home.segments[-1].unlink()),
    "segment: the oldest deleted": ("verify", lambda home: home.segments[0].unlink()),
    "segment: one bit": ("verify", lambda home: flip_bit(home.segments[0])),
    "segment: the time in its gzip": ("verify", lambda home: flip_bit(home.segments[0], 4)),
    "segment: packed anew": ("verify", lambda home: pack_anew(home.segments[0])),
    "segment: names swapped": ("verify", lambda home: swap(*home.segments[:2])),
    "ledger: all of it deleted": ("verify", lambda home: shutil.rmtree(home.folder / "ledger")),
    "journal: a noted hash": ("verify", by_sql("UPDATE blocks SET hash = 'x' WHERE height = 9")),
    "journal: deleted": ("verify", lambda home: [p.unlink() for p in home.folder.glob("journal.sqlite*")]),
    "journal: one note": ("verify", by_sql("DELETE FROM blocks WHERE height = 9")),
    "journal: the newest note": (
        "verify",
        by_sql("DELETE FROM blocks WHERE height = (SELECT max(height) FROM blocks)"),
    ),
    "journal: all notes": ("verify", by_sql("DELETE FROM blocks")),
    "journal: overwritten with text": (
        "verify",
        lambda home: (home.folder / "journal.sqlite").write_text("hello\n" * 9000),
    ),
    "journal: zeroed": (
        "verify",
        lambda home: (home.folder / "journal.sqlite").write_bytes(bytes(90_000)),
    ),
    "journal: truncated": ("verify", lambda home: (home.folder / "journal.sqlite").write_bytes(b"")),
    "journal: random bytes in the middle": ("verify or deep", overwrite_middle),
    "round: its label": ("deep", by_sql("UPDATE labels SET label = 2 WHERE id = :id")),
    "round: its label deleted": ("deep", by_sql("DELETE FROM labels WHERE id = :id")),
    "round: the label's source": ("deep", by_sql("UPDATE labels SET source = 'x' WHERE id = :id")),
    "round: the label's time": ("deep", by_sql("UPDATE labels SET time = 11 WHERE id = :id")),
    "round: its votes": ("deep", set_round(NEW_VOTES)),
    "round: its record": ("deep", set_round("record = replace(record, '\"label\":1', '\"label\":2')")),
    "round: deleted": ("deep", by_sql("DELETE FROM rounds WHERE id = :id")),
    "round: in another block": ("deep", set_round("block = block - 1")),
    "round: of another task": ("deep", set_round("task = 'workshop'")),
    "round: put back into the queue": ("deep", set_round("block = NULL, record = NULL, batch = ''")),
    "round: its time": ("deep", set_round("time = time + 1")),
    "round: its height": ("deep", set_round("height = height + 1")),
    "round: the verdict's answer": ("explanation", change_verdict(label="setosa")),
    "round: a vote in its verdict": ("explanation", change_verdict(vote={"label": "setosa"})),
    "round: a vote taken out of its verdict": ("explanation", change_verdict(votes=[])),
    "round: the verdict's height": ("explanation", change_verdict(height=5)),
    "round: the request's id": ("not proven", set_round("request_id = 'x'")),
    "round: its features": ("not proven", set_round("features = '{}'")),
    "disputes": ("not proven", by_sql("DELETE FROM disputes WHERE id = :id")),
    "unsettled: its votes": (
        "not proven",
        lambda home: home.edit(f"UPDATE rounds SET {NEW_VOTES} WHERE id = :round", round=home.unsettled),
    ),
    "unsettled: deleted": (
        "not proven",
        lambda home: home.edit("DELETE FROM rounds WHERE id = :round", round=home.unsettled),
    ),
    "unsettled: a forged label that settles": ("not proven", forge_a_label),
    "ledger and journal: the newest block cut from both": ("not proven", cut_the_newest_block),
}

NOT_PROVEN = {
    "round: the request's id": "its request's id",
    "round: its features": "its features",
    "disputes": "disputes",
    "unsettled: its votes": "what is not settled",
    "unsettled: deleted": "what is not settled",
    "unsettled: a forged label that settles": "a label that somebody writes into the database",
    "ledger and journal: the newest block cut from both": "the newest blocks, cut from both",
}
"""What docs/explanations.md calls each tampering that nothing finds."""


@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_tampering_is_found(home, name):
    by, tamper = TAMPERINGS[name]
    tamper(home)
    found = home.found() or "not proven"
    assert found in by.split(" or ")


def test_the_documentation_names_every_tampering_that_nothing_finds():
    text = " ".join((ROOT / "docs" / "explanations.md").read_text("utf-8").split())
    _, _, section = text.partition("## What is not proven")
    assert {name for name, (by, _) in TAMPERINGS.items() if by == "not proven"} == NOT_PROVEN.keys()
    assert [name for name, words in NOT_PROVEN.items() if words not in section] == []


def test_an_explanation_that_contradicts_its_proof_says_so_and_shows_no_vote(home):
    change_verdict(label="setosa")(home)
    explanation = home.explain()
    assert explanation.contradiction == (
        "The journal shows the answer as setosa, and the proof says versicolor: the journal was changed "
        f"after block {explanation.proof.block} settled this round."
    )
    assert (explanation.votes, explanation.truth) == ([], None)
    assert orjson.loads(explanation.proof.record)["answer"] == 1


@pytest.fixture
def read_only(home):
    """The home on a medium that cannot be written."""
    commands = (
        ["mount", "--bind", home.folder, home.folder],
        ["mount", "-o", "remount,ro,bind", home.folder],
    )
    for command in commands:
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("nothing can be mounted here")
    yield home
    subprocess.run(["umount", home.folder], check=True)


def test_a_home_on_a_medium_that_cannot_be_written_is_compared(read_only):
    assert read_only.found() is None
    with pytest.raises(OSError, match="Read-only"):
        (read_only.folder / "file").write_text("")


def test_what_stands_in_a_log_alone_is_read_there_too(home, request):
    with closing(sqlite3.connect(home.folder / "journal.sqlite")) as writer:
        writer.execute("DELETE FROM blocks WHERE height = 9")
        writer.commit()
        (home.folder / "journal.sqlite-shm").unlink()
        read_only = request.getfixturevalue("read_only")
        assert read_only.found() == "verify"
