"""`concord tokens`: makes, lists and removes tokens of a tokens' file.

A token is shown once, when it is made; the file has its hash only. A service that runs sees the
change with the next request. In a cluster the file is a Secret's key, which `--file` prepares.
"""

import fcntl
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from concord.cli.console import Group, json_option, out, print_json, table
from concord.errors import Conflict, UnknownName
from concord.util import private_files as private

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from concord.http.tokens import Token

_file_option = click.option(
    "--file", "path", type=click.Path(path_type=Path, dir_okay=False), help="Another tokens' file."
)


@click.group("tokens", cls=Group, short_help="Make, list and remove tokens.")
def tokens() -> None:
    """Make, list and remove the tokens that label, read rounds and administer.

    \b
    Example:
      concord tokens add crm --labels loan_default
      concord tokens list
    """


@tokens.command("add")
@click.argument("name")
@click.option(
    "--labels", multiple=True, metavar="TASK", help="A task that it may label, or '*'; may be said again."
)
@click.option("--reads", is_flag=True, help="It reads rounds; without such a token they need one.")
@click.option("--administers", is_flag=True, help="It releases nodes and moves stake.")
@_file_option
@json_option
def add(
    *,
    name: str,
    labels: tuple[str, ...],
    reads: bool,
    administers: bool,
    path: Path | None,
    as_json: bool,
) -> None:
    """Make a token called NAME and print it: this once, since only its hash is kept.

    \b
    Examples:
      concord tokens add crm --labels loan_default --labels loan_amount
      concord tokens add operator --administers
    """
    from concord.http.tokens import guards, make, make_entry

    secret = make()
    made = make_entry(name, secret, labels=labels, reads=reads, administers=administers)
    where = _path(path)
    with _changing(where) as known:
        were_open = not guards(known)
        if any(token.name == name for token in known):
            raise Conflict(
                f"{where} has a token {name} already. `concord tokens remove {name}` takes it away.",
                field="name",
            )
        known.append(made)
    if as_json:
        print_json({"token": secret, "file": str(where), **_shown(made)})
        return
    click.echo(secret)
    click.echo(
        f"This is token {name}, which {made.rights}; it is not shown again. Use it by "
        f"`export CONCORD_TOKEN=…`, or send 'Authorization: Bearer …'. Its hash is in {where}.",
        err=True,
    )
    if were_open and guards([made]):
        click.echo("From now on rounds are read with a token only, this one or another that reads.", err=True)


@tokens.command("list")
@_file_option
@json_option
def list_(*, path: Path | None, as_json: bool) -> None:
    """List the tokens by name, with what each may do.

    \b
    Example:
      concord tokens list
    """
    from concord.http.tokens import load

    where = _path(path)
    known = load(where) if where.exists() else ()
    if as_json:
        print_json([_shown(token) for token in known])
        return
    if not known:
        click.echo(f"{where} has no tokens. `concord tokens add NAME --labels TASK` makes one.")
        return
    made = table("token", "labels", "reads", "administers")
    for token in known:
        marks = ("✓" if right else "" for right in (token.reads, token.administers))
        made.add_row(token.name, ", ".join(sorted(token.labels)), *marks)
    out().print(made)


@tokens.command("remove")
@click.argument("name")
@_file_option
@json_option
def remove(*, name: str, path: Path | None, as_json: bool) -> None:
    """Take token NAME away; whoever holds it is refused from now on.

    \b
    Example:
      concord tokens remove crm
    """
    from concord.http.tokens import guards

    where = _path(path)
    with _changing(where) as known:
        were_guarded = guards(known)
        left = [token for token in known if token.name != name]
        if len(left) == len(known):
            names = ", ".join(token.name for token in known) or "none"
            raise UnknownName(f"{where} has no token {name!r}. There are: {names}.", field="name")
        known[:] = left
    if as_json:
        print_json({"removed": name, "file": str(where)})
    else:
        click.echo(f"Token {name} is taken away.")
        if were_guarded and not guards(left):
            click.echo("No token is left that reads, so everybody reads rounds from now on.", err=True)


def _path(given: Path | None) -> Path:
    from concord.cli.home import settings

    # A link is followed, or the new file would take its place.
    return (given or settings().tokens_file).resolve()


def _shown(token: "Token") -> dict[str, object]:
    return {
        "name": token.name,
        "labels": sorted(token.labels),
        "reads": token.reads,
        "administers": token.administers,
    }


@contextmanager
def _changing(path: Path) -> "Iterator[list[Token]]":
    """The file's tokens, to be changed; written if the block ends well, and by one process at a time."""
    from concord.http.tokens import load

    private.make_folder(path.parent)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        known = list(load(path)) if path.exists() else []
        yield known
        _write(path, known)
    finally:
        os.close(folder)


def _write(path: Path, known: "Sequence[Token]") -> None:
    from concord.http.tokens import render

    # Made for its owner alone, and in the place of the old one at once: a service may be reading.
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(render(known))
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
