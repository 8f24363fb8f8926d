"""What `concord up` says while it works: lines for people, or one JSON document per event."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from concord.cli.console import out, print_json
from concord.cli.up.supervisor import Ended

if TYPE_CHECKING:
    from rich.console import Console

OK = "[green]✓[/]"
BAD = "[red]✗[/]"


class Reporter:
    """Says each event in one of the two ways.

    Args:
        as_json: Whether programs listen.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.console: Console = out()

    @property
    def is_live(self) -> bool:
        """Whether progress can be drawn in place."""
        return not self.as_json and self.console.is_terminal

    def say(self, event: str, text: str, plain: str = "", **fields: Any) -> None:  # noqa: ANN401 - JSON values
        """Says one event: `text` and then `plain`, which has no markup, to people; the fields to programs."""
        if self.as_json:
            print_json({"event": event, **fields})
            return
        self.console.print(text, soft_wrap=True)
        if plain:
            self.console.print(plain, soft_wrap=True, markup=False)

    def ended(self, ended: Ended) -> None:
        """Says that a process has ended, with the last lines of its log."""
        from rich.markup import escape

        lines = "".join(f"\n    [dim]{escape(line)}[/]" for line in ended.lines)
        self.say(
            "ended",
            f"{BAD} {ended.name} {ended.how}; started again in {ended.wait:g} s. {shown(ended.log)}:{lines}",
            name=ended.name,
            code=ended.code,
            times=ended.times,
            restart_in_seconds=ended.wait,
            log=str(ended.log),
            lines=list(ended.lines),
        )

    def started_again(self, name: str) -> None:
        """Says that a process that had ended was started again."""
        self.say("started_again", f"[dim]·[/] {name} was started again.", name=name)


def shown(path: Path) -> str:
    """A path as short as it can be told from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def compact(document: object) -> str:
    """JSON as one would type it."""
    return json.dumps(document, ensure_ascii=False)
