"""What all commands share: how they print, how they fail, and their option `--json`.

Results go to standard output, progress and errors to standard error, so that a pipe gets results only. An
error of Concord's is one line and an exit status: 2 where the user can mend it, 1 otherwise. Only a bug
shows a traceback.
"""

import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import reduce
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import click

from concord.errors import CallerError, ConcordError, ConfigurationError, DataError, Overloaded, Refused
from concord.util.streams import can_echo, encoding, replace_what_lacks
from concord.util.suggest import did_you_mean

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

T = TypeVar("T")

# rich takes a tenth of a second to import, and `--help` does without it.

PIPED_WIDTH: Final = 110
"""Columns of a table that is not read on a terminal: enough for an address."""


def combine(*decorators: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """One decorator that adds several parameters to a command, in their order."""
    return lambda command: reduce(lambda done, decorate: decorate(done), reversed(decorators), command)


json_option: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


class Command(click.Command):
    """A command whose known errors are one line and an exit status."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own signature
        """Runs the command."""
        try:
            return super().invoke(ctx)
        except ConcordError as error:
            self._fail(ctx, error)
        except BrokenPipeError:
            raise
        except OSError as error:
            file = f"{error.filename}: " if error.filename else ""
            self._fail(ctx, ConcordError(f"{file}{error.strerror or error}."))

    def _fail(self, ctx: click.Context, error: ConcordError) -> NoReturn:
        if ctx.params.get("as_json"):
            print_json({"error": {"code": error.code, "message": error.message, "field": error.field}})
        click.echo(f"{click.style('error:', fg='red', bold=True)} {error.message}", err=True)
        ctx.exit(exit_status(error))


class Group(Command, click.Group):
    """A group of commands whose modules are imported when they are used.

    Args:
        lazy: Command → `module:attribute`.
    """

    command_class = Command
    group_class = type

    def __init__(self, *args: Any, lazy: Mapping[str, str] | None = None, **options: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **options)
        self._lazy = lazy or {}

    def main(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - click's own signature
        """Runs the command line."""
        replace_what_lacks()
        return super().main(*args, **options)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own signature
        """The commands, in the order in which they were given."""
        return [*self._lazy, *self.commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in self._lazy:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self._lazy[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds the command; the error for an unknown one suggests a similar one."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            raise click.UsageError(
                f"{error.message.rstrip('.')}.{did_you_mean(args[0], self.list_commands(ctx))}", ctx
            ) from None


def exit_status(error: ConcordError) -> int:
    """The exit status of a command that failed: 2 where the user can mend it, 1 otherwise."""
    if isinstance(error, Refused):
        return 2 if 400 <= error.answered < 500 and error.answered != 429 else 1
    users = isinstance(error, CallerError | ConfigurationError | DataError)
    return 2 if users and not isinstance(error, Overloaded) else 1


def out() -> "Console":
    """Standard output, for results."""
    return _console(stderr=False)


def err() -> "Console":
    """Standard error, for progress and what went wrong."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> "Console":
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPED_WIDTH
    return console


def table(*columns: str, right: Sequence[str] = ()) -> "Table":
    """An empty table without lines; columns named in `right` hold numbers."""
    from rich.table import Table

    rows = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        rows.add_column(
            column, justify="right" if column in right else "left", no_wrap=column not in _WRAPPED
        )
    return rows


_WRAPPED: Final = {"what", "description", "reason", "range"}


@contextmanager
def progress_bar(
    verb: str, unit: str, total: int | None = None
) -> Iterator[Callable[[int, int | None], None]]:
    """Shows a bar on standard error, where that is a terminal.

    Args:
        verb: What is done, such as `Sending`.
        unit: What is counted, such as `labels`.
        total: How many there are, if known.

    Yields:
        A function to call with how many are done, and of how many.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = err()
    columns = (
        TextColumn(verb),
        BarColumn(30),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task(unit, total=total)
        yield lambda done, total: progress.update(bar, completed=done, total=total)


def print_line(text: str, *, markup: bool = True) -> None:
    """Prints a line of a result; where it is too long, the terminal breaks it."""
    out().print(text, markup=markup, soft_wrap=True)


def print_result(document: T, show: Callable[[T], None], *, as_json: bool) -> None:
    """Prints a result: as JSON, or with a function that shows it to people."""
    if as_json:
        print_json(document)
    else:
        show(document)


def print_json(document: object) -> None:
    """Prints one JSON document on a line of its own, dataclasses included."""
    click.echo(json.dumps(document, default=asdict, ensure_ascii=encoding() != "utf-8"))


def print_file(text: str) -> None:
    """Prints the text of a file, and says where characters of it are lost."""
    click.echo(text, nl=False)
    if not can_echo(text):
        click.echo(
            f"{click.style('warning:', fg='yellow', bold=True)} Standard output is {encoding()}; "
            "what it lacks is shown as ?. A file (--out) has all characters; so has PYTHONIOENCODING=utf-8.",
            err=True,
        )


def ask(question: str) -> bool:
    """Asks a person yes or no; without a terminal the answer is no."""
    return sys.stdin.isatty() and sys.stderr.isatty() and click.confirm(question, default=True, err=True)
