"""What every command shows with: progress on stderr, an error of ours as its sentence and an exit code.

The code is 2 where the user can mend it (a data file, a name), 1 otherwise. With `--json` the error is one
JSON document on stdout too.
"""

import json
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
from rich.text import Text

from concord.errors import ConcordError, ConfigurationError

SCREEN = Console(stderr=True)

COLUMNS = (
    SpinnerColumn(),
    TextColumn("{task.description}"),
    BarColumn(),
    MofNCompleteColumn(),
    TimeElapsedColumn(),
)
"""Of a progress bar."""


class TrainingCommand(click.Command):
    """A command whose known errors are sentences."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  click's own signature
        """Runs the command; an error of ours ends it with its exit code and no traceback."""
        try:
            return super().invoke(ctx)
        except ConcordError as error:
            if ctx.params.get("as_json"):
                document = {"code": error.code, "message": error.message, "field": error.field}
                click.echo(json.dumps({"error": document}, ensure_ascii=False))
            complain(error)
            ctx.exit(exit_code(error))


class TrainingGroup(click.Group):
    """Commands of that kind."""

    command_class = TrainingCommand
    group_class = type


def exit_code(error: ConcordError) -> int:
    """2 where the user can mend it, as click's own usage errors have it."""
    return 2 if 400 <= error.status < 500 or isinstance(error, ConfigurationError) else 1


def complain(error: ConcordError) -> None:
    """Shows an error of ours."""
    SCREEN.print(Text("✗ ", style="red").append(error.message, style="default"), soft_wrap=True)
