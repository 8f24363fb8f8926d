"""Opens the study's database: SQLite below the home folder, or whatever a SQLAlchemy URL names.

Optuna's storage is used over SQL on every database, not its journal file, because pods share a
database and no folder. SQLite is made fit for several processes: write-ahead log, so that readers and a
writer don't wait for one another, and a minute's patience instead of `database is locked`. What must be
atomic is left to `claims`.
"""

import logging
import warnings
from pathlib import Path
from typing import Any, Final

import optuna
import sqlalchemy as sql
from optuna.exceptions import OptunaError
from optuna.storages import RDBStorage
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, SQLAlchemyError

from concord.errors import TrainingError
from concord.util.sqlite_files import named_file, new_file, sqlite_url
from concord.util.urls import masked
from training.registry.versions import first_line
from training.retry import retry
from training.search.claims import CLAIMS

URL_VARIABLE: Final = "CONCORD_STUDY"

LOCK_SECONDS: Final = 60
PAUSE_SECONDS: Final = 0.3
PAUSES: Final = 5
"""Between tries of making tables, which several workers may do at once on their first start."""


def open_storage(url: str) -> RDBStorage:
    """Optuna's storage, with the tables of claims and agreements beside its own.

    Raises:
        TrainingError: The database cannot be opened, or holds another program's tables.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    try:
        _make_file(url)
        _prepare(url)
        return _create(url)
    except (SQLAlchemyError, OptunaError, ImportError, RuntimeError, OSError) as error:
        # What follows a question mark may hold a password too.
        shown, _, _ = masked(url).partition("?")
        raise TrainingError(
            f"The study's database {shown} cannot be opened: {first_line(error)} Check {URL_VARIABLE}.",
            field=URL_VARIABLE,
        ) from error


def _make_file(url: str) -> None:
    """Makes SQLite's file whole or not at all; other databases are made by those who own the server."""
    file = _file(sql.make_url(url))
    if file is None:
        return
    with new_file(file) as new:
        if new is not None:
            made = sqlite_url(new)
            _prepare(made)
            storage = _create(made)
            storage.engine.dispose()


def _file(url: sql.URL) -> Path | None:
    return named_file(url.database) if url.get_backend_name() == "sqlite" else None


def _create(url: str) -> RDBStorage:
    def make_tables() -> None:
        # An engine that fails at this is out of reach: what it opens must not stay open.
        creating = RDBStorage(url, engine_kwargs={**_options(url), "poolclass": sql.NullPool})
        CLAIMS.metadata.create_all(creating.engine)

    def is_temporary(error: Exception) -> bool:
        is_wrong_url = isinstance(error, ArgumentError | NoSuchModuleError)
        return isinstance(error, SQLAlchemyError | OptunaError) and not is_wrong_url

    # Two workers that make the same table at once: the second finds it made.
    retry(make_tables, is_temporary, [PAUSE_SECONDS] * PAUSES)
    return RDBStorage(url, engine_kwargs=_options(url), skip_table_creation=True)


def _options(url: str) -> dict[str, Any]:
    if url.startswith("sqlite"):
        return {"connect_args": {"timeout": LOCK_SECONDS}}
    return {"pool_pre_ping": True}


def _prepare(url: str) -> None:
    engine = sql.create_engine(url, **_options(url))
    try:
        if _file(engine.url) is not None:
            _keep_write_ahead_log(engine)
        _refuse_foreign(engine)
    finally:
        engine.dispose()


def _keep_write_ahead_log(engine: sql.Engine) -> None:
    def keep() -> None:
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")

    # SQLite does not wait for this lock, however patient it is told to be.
    pauses = [PAUSE_SECONDS] * int(LOCK_SECONDS / PAUSE_SECONDS)
    retry(keep, lambda error: isinstance(error, OperationalError) and "locked" in str(error), pauses)


def _refuse_foreign(engine: sql.Engine) -> None:
    # Optuna and the journal each keep their revision in `alembic_version` and would misread the other's.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tables = set(sql.inspect(engine).get_table_names())
    if "alembic_version" in tables and "version_info" not in tables:
        raise TrainingError(
            f"{masked(str(engine.url))} holds another program's tables, such as the journal's. "
            f"Give the study a database of its own: {URL_VARIABLE}=…/concord_study.",
            field=URL_VARIABLE,
        )
