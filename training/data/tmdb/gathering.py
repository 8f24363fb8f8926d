"""Gathers films from TMDB into a table, and requests none of them twice without need.

A span of days is discovered page by page; a span of more pages than TMDB returns is halved. Requested pages
and films are noted in the transaction that stores the rows, so the same command continues where it ended.
Films are checked like a file's rows.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from concord.errors import ConfigurationError, InvalidInput
from concord.tasks.table_reader import TableLine
from concord.util.times import now
from training.data.cleaning import Cleaner
from training.data.database.address import DatabaseAddress
from training.data.database.engine import RowDatabase
from training.data.database.load_file import LoadProgress, ReportProgress, open_loader
from training.data.database.loader import Loader, LoadSummary
from training.data.database.refused_file import RefusedFile
from training.data.database.tables import films, pages
from training.data.tmdb.api import MOST_PAGES, URL, Span, Tmdb
from training.task import Task

COLUMNS: Final = ("id", "release_date", "budget", "revenue", "runtime", "vote_count", "vote_average")
"""Facts of a film, by TMDB's own names, as in the files that were made from it."""

AT_ONCE: Final = 8
"""Connections: at a tenth of a second an answer, 40 requests a second take four."""

USUAL_VOTES: Final = 50
"""A mean of fewer votes says little about a film."""

USUAL_DAYS: Final = 30
"""After so many days a film is requested again: votes and revenues of new ones grow."""

_SPAN: Final = re.compile(r"tmdb:(?P<first>\d{4})(?:\.\.(?P<last>\d{4}))?")
_FIRST_YEAR: Final = 1874


@dataclass(frozen=True)
class FilmOptions:
    """Which films are requested.

    Attributes:
        votes: Films of at least so many.
        older_days: Films and pages are requested again after so many days.
    """

    votes: int = USUAL_VOTES
    older_days: int = USUAL_DAYS


def gather_films(
    task: Task,
    source: str,
    address: DatabaseAddress,
    *,
    report: ReportProgress,
    refused: Path | None = None,
    options: FilmOptions | None = None,
    tmdb: Tmdb | None = None,
) -> tuple[LoadSummary, Path]:
    """Loads the films of `tmdb:YEAR` or `tmdb:YEAR..YEAR` into a table.

    Args:
        task: One whose columns are among TMDB's.
        source: The years.
        address: The table.
        report: Shows how many pages were read, of how many that are known so far.
        refused: Where films go that the task refuses.
        options: Which films.
        tmdb: The API; by default as the environment says.

    Returns:
        Counts of the films, and where the refused ones are.

    Raises:
        ConfigurationError: There is no key, or TMDB refuses it.
        DataError: The task learns from other columns.
    """
    spans, cleaner = list(_spans(source)), Cleaner(task, source, COLUMNS)
    path = refused or Path(f"{source.replace(':', '-').replace('..', '-')}.refused.csv")
    with closing(tmdb or _from_environment()) as api, RefusedFile(path, COLUMNS) as file:
        database = RowDatabase(address, make=True)
        with closing(database):
            loader = open_loader(database, task, cleaner, file)
            return _Gathering(api, database, loader, options or FilmOptions(), report).run(spans), path


class _Gathering:
    """One run over some spans."""

    def __init__(
        self,
        api: Tmdb,
        database: RowDatabase,
        loader: Loader,
        options: FilmOptions,
        report: ReportProgress,
    ) -> None:
        self._api, self._database, self._loader, self._report = api, database, loader, report
        self._table, self._votes = database.address.table, options.votes
        self._since = now() - options.older_days * 86_400_000_000
        self._done = self._total = 0

    def run(self, spans: Sequence[Span]) -> LoadSummary:
        """Gathers the films of the spans, page by page."""
        with ThreadPoolExecutor(AT_ONCE) as threads:
            for span in spans:
                self._gather(span, threads)
        return self._loader.finish()

    def _gather(self, span: Span, threads: ThreadPoolExecutor) -> None:
        films_on_page, total = self._api.discover(span, self._votes, 1)
        if total > MOST_PAGES and span.first < span.last:
            for half in span.halves():
                self._gather(half, threads)
            return
        total = min(total, MOST_PAGES)
        self._total += total
        done = self._recent(pages.c.page, pages.c.span == self._name(span))
        for page in range(1, total + 1):
            # The last page may have grown; the others hold what they held.
            if page not in done or page == total:
                if page > 1:
                    films_on_page, _ = self._api.discover(span, self._votes, page)
                self._store(span, page, films_on_page, threads)
            self._done += 1
            self._report(LoadProgress(self._done, self._total, self._loader.summary))

    def _store(self, span: Span, page: int, numbers: Sequence[int], threads: ThreadPoolExecutor) -> None:
        recent = self._recent(films.c.film, films.c.film.in_(numbers))
        new = [number for number in dict.fromkeys(numbers) if number not in recent]
        lines = [
            TableLine(number, [_cell(film, column) for column in COLUMNS])
            for number, film in zip(new, threads.map(self._api.film, new), strict=True)
            if film is not None
        ]

        def write_notes(connection: sa.Connection) -> None:
            note = {"name": self._table, "asked_at": now()}
            connection.execute(films.delete().where(films.c.name == self._table, films.c.film.in_(new)))
            if new:
                connection.execute(films.insert(), [{**note, "film": number} for number in new])
            this_page = (pages.c.name == self._table, pages.c.span == self._name(span), pages.c.page == page)
            connection.execute(pages.delete().where(*this_page))
            connection.execute(pages.insert().values(**note, span=self._name(span), page=page))

        self._loader.add(lines, also=write_notes)

    def _recent(self, column: sa.Column[int], condition: sa.ColumnElement[bool]) -> set[int]:
        """Films or pages that were requested recently."""
        notes = column.table.c
        query = sa.select(column).where(notes.name == self._table, notes.asked_at >= self._since, condition)
        with self._database.reading() as connection:
            return set(connection.scalars(query))

    def _name(self, span: Span) -> str:
        return f"{span.first} {span.last} {self._votes}"


def _spans(source: str) -> Iterator[Span]:
    """A span for each year."""
    match = _SPAN.fullmatch(source)
    first, last = (int(match["first"]), int(match["last"] or match["first"])) if match else (1, 0)
    if not _FIRST_YEAR <= first <= last <= date.today().year + 5:  # noqa: DTZ011 - a year is enough
        raise InvalidInput(
            f"Films are named by the years in which they came out: tmdb:2020..2025, not {source[:40]!r}.",
            field="source",
        )
    return (Span(date(year, 1, 1), date(year, 12, 31)) for year in range(first, last + 1))


def _from_environment() -> Tmdb:
    key = os.environ.get("TMDB_API_KEY", "").strip()
    if not key or not key.isascii() or not key.isprintable():
        raise ConfigurationError(
            "TMDB_API_KEY is not set, or is no key. TMDB gives one for free: "
            "themoviedb.org, settings, API. Its read access token is the better of the two.",
            field="TMDB_API_KEY",
        )
    return Tmdb(key, os.environ.get("TMDB_API_URL", URL))


def _cell(film: Mapping[str, Any], column: str) -> str:
    value = film.get(column)
    return "" if value is None else str(value)
