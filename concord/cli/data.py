"""`concord data`: rows of a task in a database. Training does the work, as a process on the same terminal.

Its progress, results and exit status are the terminal's own; nothing is read or held here.
"""

import subprocess
from collections.abc import Sequence

import click

from concord.cli.screen import Command, Group

RAW = {"ignore_unknown_options": True, "help_option_names": []}
"""What is said goes to training as it is, `--help` too."""


@click.group("data", cls=Group, short_help="Rows in a database: load, show, export.")
def data() -> None:
    """Keep a task's rows in SQLite, MySQL, MariaDB or PostgreSQL, and learn from them there.

    \b
    Examples:
      concord data load loan_default loan_data.csv --to sqlite:///rows.sqlite
      concord data load film_rating tmdb:2020..2025 --to mysql://me@db.local/concord
      concord data show --from sqlite:///rows.sqlite
      concord data export loan_default --from sqlite:///rows.sqlite --out rows.csv
      concord train loan_default --data loan_default=sqlite:///rows.sqlite

    CONCORD_DATA_PASSWORD is the password of a URL without one, TMDB_API_KEY your key of TMDB's API.
    """


def _step(name: str, short: str) -> click.Command:
    @click.command(name, cls=Command, context_settings=RAW, short_help=short)
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    @click.pass_context
    def step(ctx: click.Context, *, arguments: tuple[str, ...]) -> None:
        ctx.exit(_run(name, arguments))

    return step


for _name, _short in (
    ("load", "Clean, check and store the rows of a file, or films from TMDB."),
    ("show", "List the tables of rows, or look into one."),
    ("export", "Write a table of rows to a CSV file."),
):
    data.add_command(_step(_name, _short))


def _run(step: str, arguments: Sequence[str]) -> int:
    """Runs the step of training; its exit status."""
    import sys

    from concord.cli.place import environment, place, project
    from concord.cli.processes import tethered

    command = [sys.executable, "-m", "training", "data", step, *arguments]
    process = subprocess.Popen(tethered(command), env=environment(project(), place().home))
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            # It has heard of Ctrl-C too, and ends with a whole batch.
            continue
