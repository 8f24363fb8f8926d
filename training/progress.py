"""Progress of long work: its caller passes a function that shows each step."""

from collections.abc import Callable

ReportStep = Callable[[str], None]
"""Shows the name of the step that begins."""


def ignore_step(_step: str) -> None:
    """Shows nothing."""
