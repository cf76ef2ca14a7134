"""SQLite files that one process has open at a time and that survive its sudden end.

A change is on the disk when `write` ends without an error (write-ahead log, synced at
every commit). What the file is for stands in its table `meta`, and a file that is for
something else is refused.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    LargeBinary,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    insert,
    inspect,
    select,
)
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError

from ballotbox.errors import (
    StoreDamaged,
    StoreExists,
    StoreFailed,
    StoreForeign,
    StoreInUse,
    StoreMissing,
    StoreUnsupported,
)
from identity.errors import KeystoreInUse, KeystoreWriteFailed
from identity.files import FileLock

BUSY_MS = 10_000
SCHEMA = "schema"

_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    f"PRAGMA busy_timeout = {BUSY_MS}",
    # What is erased is overwritten, too.
    "PRAGMA secure_delete = ON",
    "PRAGMA trusted_schema = OFF",
)


@dataclass(frozen=True)
class Layout:
    """The tables of one kind of database, its schema's name, and what to do if it is damaged."""

    tables: MetaData
    schema: bytes
    advice: str


def meta_table(metadata: MetaData) -> Table:
    """The table that says what a database is for."""
    return Table(
        "meta",
        metadata,
        Column("name", String, primary_key=True),
        Column("value", LargeBinary, nullable=False),
    )


class Database:
    """An open database. Safe to use from several threads; holds the lock until `close`."""

    def __init__(self, path: Path, layout: Layout, lock: FileLock, engine: Engine) -> None:
        """For `create_database` and `open_database` alone."""
        self.path = path
        self._layout = layout
        self._lock = lock
        self._engine = engine
        self._writing = threading.RLock()
        with self._reporting():
            self._writer = engine.connect().execution_options(sailau_writes=True)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that changes something; durable when the block ends.

        Raises StoreFailed or StoreDamaged, and then nothing has changed.
        """
        with self._writing, self._reporting(), self._writer.begin():
            yield self._writer

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view of what is committed."""
        with self._reporting(), self._engine.connect() as connection:
            yield connection

    def forget(self) -> None:
        """Empty the write-ahead log, in which erased values would otherwise live on."""
        with self._writing, self._reporting(), self._engine.connect() as connection:
            connection.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def damaged(self, problem: str) -> StoreDamaged:
        """The error about contents of this file."""
        return _damaged(self.path, self._layout, problem)

    def _reporting(self) -> AbstractContextManager[None]:
        return reporting(self.path, self._layout)

    def close(self) -> None:
        """Close the file and release its lock. Twice does nothing."""
        with self._writing:
            with suppress(DatabaseError):
                self._writer.close()
            self._engine.dispose()
            self._lock.release()


def create_database(path: Path | str, layout: Layout, meta: Mapping[str, bytes]) -> Database:
    """Make a database for what `meta` says.

    Raises StoreExists if there is one, StoreInUse, StoreFailed.
    """
    path = Path(os.path.realpath(path))
    lock = _take_lock(path)
    try:
        _make_file(path)
        engine = _engine(path)
        with reporting(path, layout), engine.connect() as connection:
            # What a crash in the middle of this leaves is an empty file.
            if inspect(connection).get_table_names():
                raise StoreExists(f"{path} exists already and is not overwritten")
        database = Database(path, layout, lock, engine)
        with database.write() as connection:
            layout.tables.create_all(connection)
            values = {SCHEMA: layout.schema, **meta}
            rows = [{"name": name, "value": value} for name, value in values.items()]
            connection.execute(insert(layout.tables.tables["meta"]), rows)
    except BaseException:
        lock.release()
        raise
    return database


def open_database(path: Path | str, layout: Layout, meta: Mapping[str, bytes]) -> Database:
    """Open an existing database and check it, page by page, and what it is for.

    Raises StoreMissing, StoreInUse, StoreDamaged, StoreUnsupported (another schema),
    StoreForeign (another value of `meta`).
    """
    path = Path(os.path.realpath(path))
    if not path.is_file():
        raise StoreMissing(
            f"there is no database at {path}. If there was one, restore it: "
            "never begin one anew in its place"
        )
    lock = _take_lock(path)
    try:
        engine = _engine(path)
        _check_pages(path, layout, engine)
        _check_meta(path, layout, engine, meta)
        return Database(path, layout, lock, engine)
    except BaseException:
        lock.release()
        raise


@contextmanager
def reporting(path: Path, layout: Layout) -> Iterator[None]:
    """Within this block SQLite's errors become ours. None of them quotes a value."""
    try:
        yield
    except IntegrityError:
        raise  # a mistake of ours
    except OperationalError as error:
        raise StoreFailed(f"{path}: {error.orig}. Is the disk full or read-only?") from None
    except DatabaseError as error:
        raise _damaged(path, layout, str(error.orig)) from None


def _damaged(path: Path, layout: Layout, problem: str) -> StoreDamaged:
    return StoreDamaged(f"{path}: {problem}. Keep a copy of the file. {layout.advice}")


def _take_lock(path: Path) -> FileLock:
    try:
        return FileLock(path)
    except KeystoreInUse:
        raise StoreInUse(
            f"{path} is in use by another process. Two would fork the record: stop that one first"
        ) from None
    except KeystoreWriteFailed as error:
        raise StoreFailed(str(error)) from None


def _make_file(path: Path) -> None:
    """SQLite gives its other files the mode of this one."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreFailed(f"{path}: {error.strerror}") from None


def _engine(path: Path) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": BUSY_MS / 1000, "check_same_thread": False},
        max_overflow=-1,
        hide_parameters=True,
    )
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def _on_connect(connection: Any, _: object) -> None:
    # The driver must not begin transactions by itself: see `_on_begin`.
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(pragma)


def _on_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("sailau_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _check_pages(path: Path, layout: Layout, engine: Engine) -> None:
    with reporting(path, layout), engine.connect() as connection:
        found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
    if found != "ok":
        raise _damaged(path, layout, found)


def _check_meta(path: Path, layout: Layout, engine: Engine, meta: Mapping[str, bytes]) -> None:
    table = layout.tables.tables["meta"]
    with reporting(path, layout), engine.connect() as connection:
        names = set(inspect(connection).get_table_names())
        if "meta" not in names:
            raise StoreUnsupported(f"{path} is not one of our databases")
        found = {row.name: row.value for row in connection.execute(select(table))}
    if found.get(SCHEMA) != layout.schema:
        theirs = found.get(SCHEMA, b"none").decode(errors="replace")
        raise StoreUnsupported(
            f"{path} has the schema {theirs}, this version knows {layout.schema.decode()}"
        )
    for name, value in meta.items():
        if found.get(name) != value:
            raise StoreForeign(
                f"{path} belongs to another {name}. Use the file that was made for this one"
            )
    if not set(layout.tables.tables) <= names:
        raise _damaged(path, layout, "a table is missing")
