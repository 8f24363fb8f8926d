"""Opens the study's database: SQLite below the home folder, or whatever a SQLAlchemy URL names.

Optuna's storage is used over SQL on every database, not its journal file, because pods share a
database and no folder. SQLite is made fit for several processes: write-ahead log, so that readers and a
writer don't wait for one another, and a minute's patience instead of `database is locked`. What must be
atomic is left to `claims`.
"""

import logging
import time
import warnings
from pathlib import Path
from typing import Any, Final

import optuna
import sqlalchemy as sql
from optuna.exceptions import OptunaError
from optuna.storages import RDBStorage
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, SQLAlchemyError

from concord.errors import TrainingError
from concord.util.urls import masked
from training.registry.versions import first_line
from training.search.agreement import Agreement
from training.search.claims import Claims

URL_VARIABLE: Final = "CONCORD_STUDY"

LOCK_SECONDS: Final = 60
TRIES: Final = 6
"""Of making tables, which several workers may do at once on their first start."""

PAUSE_SECONDS: Final = 0.3


def open_storage(url: str) -> RDBStorage:
    """Optuna's storage, with the tables of claims and agreements beside its own.

    Raises:
        TrainingError: The database cannot be opened, or holds another program's tables.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    try:
        _prepare(url)
        return _create(url)
    except (SQLAlchemyError, OptunaError, ImportError, RuntimeError, OSError) as error:
        # What follows a question mark may hold a password too.
        shown, _, _ = masked(url).partition("?")
        raise TrainingError(
            f"The study's database {shown} cannot be opened: {first_line(error)} Check {URL_VARIABLE}.",
            field=URL_VARIABLE,
        ) from error


def _create(url: str) -> RDBStorage:
    for left in reversed(range(TRIES)):
        try:
            # An engine that fails at this is out of reach: what it opens must not stay open.
            creating = RDBStorage(url, engine_kwargs={**_options(url), "poolclass": sql.NullPool})
            Claims.create(creating.engine)
            Agreement.create(creating.engine)
        except (ArgumentError, NoSuchModuleError):
            raise
        except (SQLAlchemyError, OptunaError):
            # Two workers that make the same table at once: the second finds it made.
            if not left:
                raise
            time.sleep(PAUSE_SECONDS)
        else:
            return RDBStorage(url, engine_kwargs=_options(url), skip_table_creation=True)
    raise AssertionError("The last try returns or raises.")


def _options(url: str) -> dict[str, Any]:
    if url.startswith("sqlite"):
        return {"connect_args": {"timeout": LOCK_SECONDS}}
    return {"pool_pre_ping": True}


def _prepare(url: str) -> None:
    engine = sql.create_engine(url, **_options(url))
    try:
        file = engine.url.database
        if url.startswith("sqlite") and file and file != ":memory:":
            Path(file).parent.mkdir(parents=True, exist_ok=True)
            _keep_write_ahead_log(engine)
        _refuse_foreign(engine)
    finally:
        engine.dispose()


def _keep_write_ahead_log(engine: sql.Engine) -> None:
    # SQLite does not wait for this lock, however patient it is told to be.
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        except OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(PAUSE_SECONDS)
        else:
            return


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
