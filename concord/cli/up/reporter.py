"""Reports the events of `concord up`: lines for people, or one JSON document per event."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from concord.cli.console import out, print_json
from concord.cli.up.supervisor import Ended

if TYPE_CHECKING:
    from rich.console import Console

OK = "[green]✓[/]"
BAD = "[red]✗[/]"


class Reporter:
    """Prints each event in one of the two ways.

    Args:
        as_json: Whether programs read it.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.console: Console = out()

    @property
    def is_live(self) -> bool:
        """Whether progress can be drawn in place."""
        return not self.as_json and self.console.is_terminal

    def report(self, event: str, text: str, plain: str = "", **fields: Any) -> None:  # noqa: ANN401 - JSON
        """Prints one event.

        Args:
            event: Its name, for programs.
            text: For people, with rich's markup.
            plain: For people, below it, without markup.
            fields: For programs.
        """
        if self.as_json:
            print_json({"event": event, **fields})
            return
        self.console.print(text, soft_wrap=True)
        if plain:
            self.console.print(plain, soft_wrap=True, markup=False)

    def report_ended(self, ended: Ended) -> None:
        """Reports that a process has ended, with the last lines of its log."""
        from rich.markup import escape

        lines = "".join(f"\n    [dim]{escape(line)}[/]" for line in ended.lines)
        text = f"{BAD} {ended.name} {ended.how}; started again in {ended.wait:g} s."
        self.report(
            "ended",
            f"{text} {short_path(ended.log)}:{lines}",
            name=ended.name,
            code=ended.code,
            times=ended.times,
            restart_in_seconds=ended.wait,
            log=str(ended.log),
            lines=list(ended.lines),
        )

    def report_restarted(self, name: str) -> None:
        """Reports that a process that had ended was started again."""
        self.report("started_again", f"[dim]·[/] {name} was started again.", name=name)


def short_path(path: Path) -> str:
    """A path relative to the working directory, if it is below it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
