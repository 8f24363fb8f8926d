"""`concord tokens`: makes, lists and removes tokens of a tokens' file.

A token is shown once, when it is made; the file has its hash only. A service that runs sees the
change with the next request. In a cluster the file is a Secret's key, which `--file` prepares.
"""

import fcntl
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from concord.cli.console import Group, json_option, out, print_json, table
from concord.cli.files.out_file import replacing
from concord.cli.home import read_settings
from concord.errors import Conflict, UnknownName
from concord.util import private_files as private

if TYPE_CHECKING:
    from collections.abc import Iterator

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
@click.option("--labels", multiple=True, metavar="TASK", help="A task that it may label, or '*'. Repeatable.")
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
    token = make_entry(name, secret, labels=labels, reads=reads, administers=administers)
    file = _resolve(path)
    with _editing(file) as tokens:
        if any(other.name == name for other in tokens):
            raise Conflict(
                f"{file} has a token {name} already. `concord tokens remove {name}` removes it.",
                field="name",
            )
        is_first_guard = guards([token]) and not guards(tokens)
        tokens.append(token)
    if as_json:
        print_json({"token": secret, "file": str(file), **_to_json(token)})
    else:
        _show_added(token, secret, file, is_first_guard=is_first_guard)


def _show_added(token: "Token", secret: str, file: Path, *, is_first_guard: bool) -> None:
    click.echo(secret)
    click.echo(
        f"This is token {token.name}, which {token.rights}; it is not shown again. Use it by "
        f"`export CONCORD_TOKEN=…`, or send 'Authorization: Bearer …'. Its hash is in {file}.",
        err=True,
    )
    if is_first_guard:
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

    file = _resolve(path)
    tokens = load(file) if file.exists() else ()
    if as_json:
        print_json([_to_json(token) for token in tokens])
        return
    if not tokens:
        click.echo(f"{file} has no tokens. `concord tokens add NAME --labels TASK` makes one.")
        return
    rows = table("token", "labels", "reads", "administers")
    for token in tokens:
        marks = ("✓" if right else "" for right in (token.reads, token.administers))
        rows.add_row(token.name, ", ".join(sorted(token.labels)), *marks)
    out().print(rows)


@tokens.command("remove")
@click.argument("name")
@_file_option
@json_option
def remove(*, name: str, path: Path | None, as_json: bool) -> None:
    """Remove token NAME; requests that show it are refused from now on.

    \b
    Example:
      concord tokens remove crm
    """
    from concord.http.tokens import guards

    file = _resolve(path)
    with _editing(file) as tokens:
        left = [token for token in tokens if token.name != name]
        if len(left) == len(tokens):
            names = ", ".join(token.name for token in tokens) or "none"
            raise UnknownName(f"{file} has no token {name!r}. There are: {names}.", field="name")
        was_last_guard = guards(tokens) and not guards(left)
        tokens[:] = left
    if as_json:
        print_json({"removed": name, "file": str(file)})
        return
    click.echo(f"Token {name} is removed.")
    if was_last_guard:
        click.echo("No token is left that reads, so everybody reads rounds from now on.", err=True)


def _resolve(path: Path | None) -> Path:
    """The tokens' file; a link is followed, or the new file would take its place."""
    return (path or read_settings().tokens_file).resolve()


def _to_json(token: "Token") -> dict[str, object]:
    return {
        "name": token.name,
        "labels": sorted(token.labels),
        "reads": token.reads,
        "administers": token.administers,
    }


@contextmanager
def _editing(file: Path) -> "Iterator[list[Token]]":
    """Yields the file's tokens to be changed, and writes them unless the block fails; one process at a time.

    Only its owner may read the new file, which replaces the old one at once: a service may be reading.
    """
    from concord.http.tokens import load, render

    private.make_folder(file.parent)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        tokens = list(load(file)) if file.exists() else []
        yield tokens
        with replacing(file, is_private=True) as temporary:
            temporary.write(render(tokens).encode())
    finally:
        os.close(folder)
