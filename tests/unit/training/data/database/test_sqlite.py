"""SQLite keeps what every database of rows promises."""

import pytest

from tests.unit.training.data.database import conformance

globals().update({name: test for name, test in vars(conformance).items() if name.startswith("test_")})


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/made/rows.sqlite"
