"""What the documentation says of the tasks is what the task files say."""

from pathlib import Path

from training.commands.describe import describe
from training.tasks import select


def test_the_documented_tasks_are_the_tasks_there_are():
    written = Path("docs/tasks.md").read_text("utf-8")
    assert written == describe(select(())), "run `uv run python -m training describe > docs/tasks.md`"
