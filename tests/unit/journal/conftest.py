"""An empty journal in a file, opened as often as a test wants, with a clock of its own."""

from contextlib import ExitStack, closing, contextmanager

import pytest

from concord.journal import Journal


@contextmanager
def closing_all(make):
    """A function that opens what `make` makes; all that it opened is closed at the end."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(closing(make(**options)))


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
    def make():
        if not path.exists():
            path.parent.mkdir()
            path.write_bytes(empty)
        return Journal(f"sqlite:///{path}", clock=clock)

    with closing_all(make) as open_:
        yield open_


@pytest.fixture
def journal(open_journal):
    return open_journal()
