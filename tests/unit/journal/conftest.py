"""An empty journal in a file, opened as often as a test wants, with a clock of its own."""

import pytest

from concord.journal import Journal


class Clock:
    def __init__(self):
        self.now = 10**15

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "home" / "journal.sqlite"


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """The bytes of an empty journal."""
    path = tmp_path_factory.mktemp("empty") / "journal.sqlite"
    journal = Journal(f"sqlite:///{path}")
    journal.migrate()
    journal.close()
    return path.read_bytes()


@pytest.fixture
def open_journal(path, clock, empty):
    opened = []

    def make():
        if not path.exists():
            path.parent.mkdir()
            path.write_bytes(empty)
        opened.append(Journal(f"sqlite:///{path}", clock=clock))
        return opened[-1]

    yield make
    for journal in opened:
        journal.close()


@pytest.fixture
def journal(open_journal):
    return open_journal()
