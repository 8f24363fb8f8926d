"""What the documentation says of the shipped tasks is what their files say."""

from pathlib import Path

import pytest

from tests.homes import SHIPPED
from training.commands.describe import INTRODUCTION, describe
from training.tasks import select


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_task_is_documented_as_its_file_has_it(name):
    section = describe(select([name])).removeprefix(INTRODUCTION)
    written = Path("docs/tasks.md").read_text("utf-8")
    assert section in written, "run `uv run python -m training describe > docs/tasks.md`"


def test_the_documentation_begins_with_the_introduction():
    assert Path("docs/tasks.md").read_text("utf-8").startswith(INTRODUCTION)
