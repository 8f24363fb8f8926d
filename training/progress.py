"""Progress of long work: whoever starts it passes a function that shows each step; nothing here prints."""

from collections.abc import Callable

ReportStep = Callable[[str], None]
"""Shows the name of the step that begins."""


def ignore_step(_step: str) -> None:
    """Shows nothing."""
