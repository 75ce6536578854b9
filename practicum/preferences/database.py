"""Connections to a preference database, its migrations, and its errors in plain words."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DataError,
    IntegrityError,
    NoSuchModuleError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from practicum.errors import InputError
from practicum.preferences.schema import HEAD

# Any fixed number, the same in every process: PostgreSQL's name for the lock around migrations.
MIGRATION_LOCK = 7_243_561
BUSY_SECONDS = 30
# What SQLite and PostgreSQL say where this user may not write.
FORBIDDEN = ("readonly", "read-only transaction", "unable to open", "permission denied")


def open_engine(place: str | Path, *, create: bool = True) -> Engine:
    """An engine on a database at today's schema: created when missing, upgraded when older.

    `place` is a path to an SQLite file or a URL (`sqlite:///...`, `postgresql://...`). Says on stderr when
    it upgrades. Raises InputError for a place that cannot be opened, a missing one with create=False, a
    database of something else, and a schema newer than this program's.
    """
    url = database_url(place)
    shown = shown_place(url)
    if url.get_backend_name() == "sqlite":
        path = Path(url.database or "")
        if not create and not path.exists():
            raise InputError(f"{path}: no such database; `practicum preferences import` makes one")
        if not path.parent.is_dir():
            raise InputError(f"{path}: cannot make the database: folder {path.parent} does not exist")
    engine = _engine(url)
    with plain_errors(shown):
        found = schema_version(engine, shown)
        if found != HEAD:
            migrate(engine)
            if found is not None:
                print(f"practicum: {shown}: upgraded from schema {found} to {HEAD}", file=sys.stderr)
    return engine


def database_url(place: str | Path) -> URL:
    """The URL of a path or URL, with the driver chosen. Raises InputError for one that is neither."""
    if isinstance(place, Path) or "://" not in place:
        return URL.create("sqlite", database=str(place))
    try:
        url = make_url(place)
    except ArgumentError as error:
        raise InputError(f"database {place!r}: not a path or URL ({error})") from error
    if url.get_backend_name() == "sqlite":
        if not url.database or url.database == ":memory:":
            raise InputError(
                f"database {place!r}: give the path of a file, rankings must outlive the program"
            )
        return url
    if url.get_backend_name() != "postgresql":
        raise InputError(f"database {url.drivername!r}: expected an SQLite path or a postgresql:// URL")
    return url.set(drivername="postgresql+psycopg")


def shown_place(url: URL) -> str:
    """A database's name for messages: the path of a file, or its URL without the password."""
    return str(url.database) if url.get_backend_name() == "sqlite" else url.render_as_string()


def _engine(url: URL) -> Engine:
    try:
        if url.get_backend_name() == "postgresql":
            return create_engine(url, pool_size=10, max_overflow=10, pool_pre_ping=True)
        engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise InputError(
            f"no driver for PostgreSQL ({error}): pip install 'practicum[postgresql]'"
        ) from error
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _: object) -> None:
    # Python's driver would begin transactions on its own and late; `_begin_sqlite` does it instead.
    connection.isolation_level = None
    _write_ahead(connection)
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _write_ahead(connection: sqlite3.Connection) -> None:
    # SQLite does not wait for its busy timeout where two programs turn a new file to WAL at once
    # (each holds the lock that the other needs), so the waiting is done here.
    last = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > last:
                raise
        time.sleep(0.02)


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that will write takes the write lock at once: one that has read cannot wait for it later.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def schema_version(engine: Engine, shown: str) -> str | None:
    """The schema a database is at, None when it is empty.

    Raises InputError for a database of something else and for a schema newer than HEAD.
    """
    with engine.connect() as connection:
        tables = inspect(connection).get_table_names()
        if not tables:
            return None
        version = None
        if "alembic_version" in tables and "rankings" in tables:
            version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if version is None:
        raise InputError(f"{shown}: a database, but not of Practicum's preferences: choose another place")
    if str(version) > HEAD:
        raise InputError(
            f"{shown}: made by a newer Practicum (schema {version}, this one knows {HEAD}): update Practicum"
        )
    return str(version)


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring a database to `revision` in one transaction, so that it is either old or new."""
    from alembic import command
    from alembic.config import Config

    with engine.execution_options(writes=True).begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
        settings = Config(attributes={"connection": connection})
        settings.set_main_option("script_location", "practicum.preferences:migrations")
        command.upgrade(settings, revision)


@contextlib.contextmanager
def session(engine: Engine, shown: str, *, writes: bool) -> Iterator[Session]:
    """One transaction, committed at the end; database errors come out as InputError, nothing half-written.

    One that only reads sees one moment, however many questions it asks and whatever is added meanwhile.
    """
    options: dict[str, Any] = {"writes": writes}
    if not writes and engine.dialect.name == "postgresql":
        # Where every question would see what is newest; SQLite's transactions see one moment of themselves.
        options["isolation_level"] = "REPEATABLE READ"
    with plain_errors(shown), Session(engine.execution_options(**options)) as opened, opened.begin():
        yield opened


@contextlib.contextmanager
def plain_errors(shown: str) -> Iterator[None]:
    """Turn what a database says when it cannot go on into one line that says what to do."""
    try:
        yield
    except PoolTimeoutError as error:
        raise InputError(f"{shown}: too many users at once, try again") from error
    except OperationalError as error:
        raise InputError(f"{shown}: {_advice(error)}; nothing was lost or half-written") from error
    except IntegrityError as error:
        if not any(word in str(error.orig) for word in ("UNIQUE", "duplicate key")):
            raise
        raise InputError(
            f"{shown}: another program made the same change at the same moment: try again"
        ) from error
    except DataError as error:
        raise InputError(f"{shown}: holds a value that the database cannot keep") from error
    except DatabaseError as error:
        if "file is not a database" in str(error.orig) or "malformed" in str(error.orig):
            raise InputError(f"{shown}: not an SQLite database, or a damaged one") from error
        if any(words in str(error.orig) for words in FORBIDDEN):
            raise InputError(f"{shown}: {_advice(error)}; nothing was lost or half-written") from error
        raise


def _advice(error: DatabaseError) -> str:
    said: Any = " ".join(str(error.orig).split())
    if "full" in said or "No space left" in said:
        return "the disk is full: free some space and submit again"
    if "deadlock" in said:
        return "two programs waited for each other: try again"
    if "locked" in said:
        return f"another program has held the database for {BUSY_SECONDS} s: try again"
    if any(words in said for words in FORBIDDEN):
        return f"cannot be written ({said}): check the permissions"
    return f"the database cannot be reached ({said})"
