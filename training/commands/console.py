"""What all commands share: progress on stderr, tables, and errors as one sentence with an exit code.

The code is 2 where the user can correct the error (a data file, a name), 1 otherwise. With `--json` the error
is a JSON document on stdout too.
"""

import json
from collections.abc import Sequence
from typing import Any

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from concord.errors import ConcordError, ConfigurationError
from concord.util.streams import replace_what_lacks

SCREEN = Console(stderr=True)

PROGRESS_COLUMNS = (
    SpinnerColumn(),
    TextColumn("{task.description}"),
    BarColumn(),
    MofNCompleteColumn(),
    TimeElapsedColumn(),
)
"""Of a progress bar."""


class TrainingCommand(click.Command):
    """A command that shows Concord's errors as one sentence."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  click's own signature
        """Runs the command; Concord's own errors end it with an exit code and no traceback."""
        try:
            return super().invoke(ctx)
        except ConcordError as error:
            if ctx.params.get("as_json"):
                document = {"code": error.code, "message": error.message, "field": error.field}
                click.echo(json.dumps({"error": document}, ensure_ascii=False))
            complain(error)
            ctx.exit(exit_code(error))


class TrainingGroup(click.Group):
    """A group of such commands."""

    command_class = TrainingCommand
    group_class = type

    def main(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401  click's own signature
        """Runs the command line."""
        replace_what_lacks()
        return super().main(*args, **options)


def exit_code(error: ConcordError) -> int:
    """2 where the user can correct the error, like click's own usage errors, else 1."""
    return 2 if 400 <= error.status < 500 or isinstance(error, ConfigurationError) else 1


def complain(error: ConcordError) -> None:
    """Shows an error of Concord's."""
    SCREEN.print(Text("✗ ", style="red").append(error.message, style="default"), soft_wrap=True)


def make_table(title: str, headings: Sequence[str], left: Sequence[str] = ()) -> Table:
    """A table with a title; columns are aligned to the right but those of `left`."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 1, 0, 0))
    for heading in headings:
        table.add_column(heading, justify="left" if heading in left else "right", no_wrap=True)
    return table
