"""Small tables of answers and a database of its own for each test."""

from collections.abc import Callable

import pytest

from training.search.claims import Claims
from training.search.storage import open_storage


@pytest.fixture
def storage(tmp_path):
    opened = open_storage(f"sqlite:///{tmp_path / 'study.sqlite'}")
    yield opened
    opened.remove_session()
    opened.engine.dispose()


@pytest.fixture
def claims(storage) -> Callable[..., Claims]:
    """A worker's view of one study; its clock is the caller's."""
    return lambda clock=lambda: 0.0, study="iris-1": Claims(storage.engine, study, clock)
