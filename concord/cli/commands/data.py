"""`concord data`: rows of a task in a database; training does the work, as a process on the same terminal."""

import subprocess
from typing import Final

import click

from concord.cli.console import Group, json_option
from concord.cli.home import find_home, find_project, process_environment, python_command
from concord.cli.up.processes import tethered

DATABASE: Final = "URL[#TABLE]"


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


@data.command("load")
@click.argument("task")
@click.argument("source", metavar="FILE|tmdb:YEAR..YEAR")
@click.option("--to", metavar=DATABASE, required=True, help="The database, and the table.")
@click.option("--refused", metavar="FILE", help="Where refused rows go; beside FILE by default.")
@click.option(
    "--votes", type=click.IntRange(0), help="tmdb: films with at least so many votes; 50 by default."
)
@click.option(
    "--older",
    type=click.IntRange(0),
    help="tmdb: read films again after so many days; 30.",
)
@json_option
@click.pass_context
def load(ctx: click.Context, /, **_options: object) -> None:
    """Clean, check and store the rows of a file, or films from TMDB.

    Rows that are already there are skipped, so the same command again adds only what is missing.

    \b
    Examples:
      concord data load loan_default loan_data.csv --to sqlite:///rows.sqlite
      concord data load film_rating tmdb:2020..2025 --to mysql://me@db.local/concord
    """
    ctx.exit(_run(ctx))


@data.command("show")
@click.argument("task", required=False)
@click.option("--from", metavar=DATABASE, required=True, help="The database, and the table.")
@json_option
@click.pass_context
def show(ctx: click.Context, /, **_options: object) -> None:
    """List the tables of rows in a database, or look into a task's.

    \b
    Examples:
      concord data show --from sqlite:///rows.sqlite
      concord data show loan_default --from sqlite:///rows.sqlite
    """
    ctx.exit(_run(ctx))


@data.command("export")
@click.argument("task")
@click.option("--from", metavar=DATABASE, required=True, help="The database, and the table.")
@click.option("--out", metavar="FILE", required=True, help="A new CSV file, or a .csv.gz.")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@json_option
@click.pass_context
def export(ctx: click.Context, /, **_options: object) -> None:
    """Write a table of rows to a CSV file, which can be loaded again.

    \b
    Examples:
      concord data export loan_default --from sqlite:///rows.sqlite --out rows.csv
    """
    ctx.exit(_run(ctx))


def _run(ctx: click.Context) -> int:
    """Runs training's command of the same name with the same arguments; returns its exit status."""
    command = python_command("-m", "training", "data", str(ctx.info_name), *_arguments(ctx))
    environment = process_environment(find_project(), find_home().folder)
    process = subprocess.Popen(tethered(command), env=environment)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            # Ctrl-C reaches the process too, which ends after a whole batch.
            continue


def _arguments(ctx: click.Context) -> list[str]:
    """The options and arguments as the same command of training takes them."""
    options, arguments = [], []
    for parameter in ctx.command.params:
        value = ctx.params[str(parameter.name)]
        # Not by truth: a number may be 0.
        if value is None or value is False:
            continue
        if isinstance(parameter, click.Argument):
            arguments.append(str(value))
        else:
            name = parameter.opts[0]
            options.append(name if value is True else f"{name}={value}")
    # Behind `--`, so that a file may be called anything.
    return [*options, "--", *arguments]
