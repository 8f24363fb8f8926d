"""The address of a table: `URL#table`, shown without its password.

The password may be in `CONCORD_DATA_PASSWORD` instead of the URL, so that the list of processes does not
show it.
"""

import re
from dataclasses import dataclass, field
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from concord.errors import ConfigurationError
from concord.settings import Settings

DRIVERS: Final = {
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "sqlite": "sqlite",
}
"""What a URL without a driver is read with; the first part of every URL that is taken."""

OURS: Final = ("concord_", "sqlite_")
"""Beginnings of names that no task's table has."""

# A password may hold a #, and then something follows that is no part of a name.
_TABLE: Final = re.compile(r"(?P<url>.+)#(?P<table>\w*)", re.DOTALL)
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True)
class DatabaseAddress:
    """A table of a database.

    Attributes:
        url: Of the database, its password included: not for messages.
        table: The table's name.
    """

    url: sa.URL = field(repr=False)
    table: str

    @property
    def database(self) -> str:
        """The database for people, without a password."""
        # What follows a question mark may hold one too.
        return self.url.set(query={}).render_as_string(hide_password=True)

    @property
    def shown(self) -> str:
        """All of it for people, without a password."""
        return f"{self.database}#{self.table}"


def read_address(text: str, task: str) -> DatabaseAddress:
    """Reads `URL` or `URL#table`; the table is the task's by default.

    Raises:
        ConfigurationError: It is no URL of a database that can be reached from here, or the table's name is
            none.
    """
    match = _TABLE.fullmatch(text)
    url, table = (match["url"], match["table"]) if match else (text, task)
    if not _NAME.fullmatch(table) or table.startswith(OURS):
        raise ConfigurationError(
            f"{table[:60]!r} is no name for a table: letters in lower case, digits and _, beginning with a "
            f"letter, at most 63, and not with {' or '.join(OURS)}.",
            field="table",
        )
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError):
        raise _no_address() from None
    backend, _, driver = parsed.drivername.partition("+")
    if backend not in DRIVERS:
        raise _no_address()
    return DatabaseAddress(
        _with_password(parsed if driver else parsed.set(drivername=DRIVERS[backend])), table
    )


def _with_password(url: sa.URL) -> sa.URL:
    password = Settings.read().data_password
    if url.password or not url.username or not password or not password.get_secret_value():
        return url
    return url.set(password=password.get_secret_value())


def _no_address() -> ConfigurationError:
    return ConfigurationError(
        "A database is named as sqlite:///FILE, mysql://USER@HOST/DATABASE or "
        "postgresql://USER@HOST/DATABASE, with #TABLE behind it where the table has another name than the "
        "task. A : / @ or # within the password is written as %3A %2F %40 %23.",
        field="url",
    )
