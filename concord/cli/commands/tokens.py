"""`concord tokens`: makes, lists and removes tokens of a tokens' file.

A token is shown once, when it is made; the file has its hash only. A service that runs sees the
change with the next request. In a cluster the file is a Secret's key, which `--file` prepares.
"""

import fcntl
import os
import re
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from concord.cli.console import Group, json_option, out, print_json, table
from concord.cli.files.out_file import replacing
from concord.cli.home import read_settings
from concord.errors import Conflict, InvalidInput, UnknownName
from concord.util import private_files as private

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from concord.http.tokens import Token

_UNITS: Final = {"h": "hours", "d": "days", "w": "weeks"}
_DURATION: Final = re.compile(r"([1-9]\d{0,4})([hdw])")

RESERVED_NAMES: Final = {"rule"}
"""The ledger's own word for who released a node where no person did."""

_file_option = click.option(
    "--file", "path", type=click.Path(path_type=Path, dir_okay=False), help="Another tokens' file."
)


@click.group("tokens", cls=Group, short_help="Make, list and remove tokens.")
def tokens() -> None:
    """Make, list and remove the tokens that predict, label, read rounds and administer.

    \b
    Example:
      concord tokens add crm --predicts loan_default --labels loan_default --expires 90d
      concord tokens list
    """


@tokens.command("add")
@click.argument("name")
@click.option(
    "--predicts",
    multiple=True,
    metavar="TASK",
    help="A task that it may ask where predictions need a token (CONCORD_PREDICT), or '*'. Repeatable.",
)
@click.option("--labels", multiple=True, metavar="TASK", help="A task that it may label, or '*'. Repeatable.")
@click.option("--reads", is_flag=True, help="It reads rounds where they need a token (CONCORD_READ).")
@click.option("--administers", is_flag=True, help="It releases nodes and moves stake; it reads rounds too.")
@click.option(
    "--expires",
    metavar="WHEN",
    help="How long it is good, as 12h, 90d or 8w, or until when, with its zone: 2027-03-01T00:00:00Z.",
)
@_file_option
@json_option
def add(
    *,
    name: str,
    predicts: tuple[str, ...],
    labels: tuple[str, ...],
    reads: bool,
    administers: bool,
    expires: str | None,
    path: Path | None,
    as_json: bool,
) -> None:
    """Make a token called NAME and print it: this once, since only its hash is kept.

    \b
    Examples:
      concord tokens add crm --labels loan_default --labels loan_amount
      concord tokens add shop --predicts '*' --expires 90d
      concord tokens add operator --administers
    """
    from concord.http.tokens import make, make_entry

    if name in RESERVED_NAMES:
        raise InvalidInput(f"{name!r} is a word of the ledger's; take another name.", field="name")
    secret, until = make(), _read_expiry(expires)
    tasks = {"predicts": predicts, "labels": labels}
    token = make_entry(name, secret, **tasks, reads=reads, administers=administers, expires=until)
    file = _resolve(path)
    with _editing(file) as tokens:
        if any(other.name == name for other in tokens):
            raise Conflict(
                f"{file} has a token {name} already. `concord tokens remove {name}` removes it.",
                field="name",
            )
        closes = _closes_rounds(tokens, [*tokens, token])
        tokens.append(token)
    if as_json:
        print_json({"token": secret, "file": str(file), **_to_json(token)})
    else:
        _show_added(token, secret, file, closes=closes)


def _read_expiry(text: str | None) -> datetime | None:
    """The moment that `90d` or a time means.

    Raises:
        InvalidInput: It is neither, has no zone, or is past.
    """
    if text is None:
        return None
    now = datetime.now(UTC).replace(microsecond=0)
    duration = _DURATION.fullmatch(text)
    try:
        until = (
            now + timedelta(**{_UNITS[duration[2]]: int(duration[1])})
            if duration
            else datetime.fromisoformat(text)
        )
    except (ValueError, OverflowError):
        until = None
    if until is None or until.tzinfo is None:
        raise InvalidInput(
            f"{text[:40]!r} is neither a duration (12h, 90d, 8w) nor a time with its zone "
            "(2027-03-01T00:00:00Z).",
            field="--expires",
        )
    if until <= now:
        raise InvalidInput(f"{text[:40]} is past; such a token would be refused.", field="--expires")
    return until.astimezone(UTC)


def _closes_rounds(before: "Iterable[Token]", after: "Iterable[Token]") -> bool:
    """Whether rounds are closed by the change, because nothing but the tokens decides about them here."""
    from concord.http.tokens import guards

    return read_settings().read_access is None and guards(after) and not guards(before)


def _show_added(token: "Token", secret: str, file: Path, *, closes: bool) -> None:
    click.echo(secret)
    until = f" until {token.expires.isoformat()}" if token.expires else ""
    click.echo(
        f"This is token {token.name}, which {token.rights}{until}; it is not shown again. Use it by "
        f"`export CONCORD_TOKEN=…`, or send 'Authorization: Bearer …'. Its hash is in {file}.",
        err=True,
    )
    if closes:
        click.echo(
            "From now on rounds are read with a token only, this one or another that reads, unless the "
            "service runs with CONCORD_READ=open.",
            err=True,
        )


@tokens.command("list")
@_file_option
@json_option
def list_(*, path: Path | None, as_json: bool) -> None:
    """List the tokens by name, with what each may do and until when.

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
    now = datetime.now(UTC)
    rows = table("token", "predicts", "labels", "reads", "administers", "expires")
    for token in tokens:
        tasks = (", ".join(sorted(names)) for names in (token.predicts, token.labels))
        marks = ("✓" if right else "" for right in (token.reads, token.administers))
        until = token.expires.isoformat() if token.expires else "never"
        rows.add_row(token.name, *tasks, *marks, f"{until} (expired)" if token.has_expired(now) else until)
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
    file = _resolve(path)
    with _editing(file) as tokens:
        left = [token for token in tokens if token.name != name]
        if len(left) == len(tokens):
            names = ", ".join(token.name for token in tokens) or "none"
            raise UnknownName(f"{file} has no token {name!r}. There are: {names}.", field="name")
        opens = _closes_rounds(left, tokens)
        tokens[:] = left
    if as_json:
        print_json({"removed": name, "file": str(file)})
        return
    click.echo(f"Token {name} is removed.")
    if opens:
        click.echo(
            "No token is left that reads, so everybody reads rounds from now on, unless the service runs "
            "with CONCORD_READ=token.",
            err=True,
        )


def _resolve(path: Path | None) -> Path:
    """The tokens' file; a link is followed, or the new file would take its place."""
    return (path or read_settings().tokens_file).resolve()


def _to_json(token: "Token") -> dict[str, object]:
    return {
        "name": token.name,
        "predicts": sorted(token.predicts),
        "labels": sorted(token.labels),
        "reads": token.reads,
        "administers": token.administers,
        "expires": token.expires.isoformat() if token.expires else None,
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
