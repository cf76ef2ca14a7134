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
from pathlib import Path

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError

from ballotbox.errors import (
    StoreConflict,
    StoreDamaged,
    StoreExists,
    StoreFailed,
    StoreInUse,
    StoreMissing,
)
from ballotbox.schema import (
    Layout,
    apply_step,
    check_tables,
    is_empty,
    make_tables,
    meta_table,
    steps_due,
)
from identity.errors import KeystoreInUse, KeystoreWriteFailed
from identity.files import FileLock
from storage.sqlite import damage, make_file, open_engine, writing

__all__ = [
    "Database",
    "Layout",
    "create_database",
    "meta_table",
    "open_database",
    "reporting",
]


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
            self._writer = writing(engine)

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
        return self._layout.damaged(self.path, problem)

    def leads(self) -> bool:
        """Whoever has the file open is the only one."""
        return True

    def wait_for_leadership(self, timeout: float) -> bool:
        """The same: there is nothing to wait for."""
        del timeout
        return True

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
        engine = open_engine(path)
        with reporting(path, layout), engine.connect() as connection:
            # What a crash in the middle of this leaves is an empty file.
            if not is_empty(connection):
                raise StoreExists(f"{path} exists already and is not overwritten")
        database = Database(path, layout, lock, engine)
        with database.write() as connection:
            make_tables(connection, layout, meta)
    except BaseException:
        lock.release()
        raise
    return database


def open_database(path: Path | str, layout: Layout, meta: Mapping[str, bytes]) -> Database:
    """Open an existing database and check it, page by page, and what it is for.

    One with an older schema is brought up to this one. Raises StoreMissing, StoreInUse,
    StoreDamaged, StoreUnsupported (a schema not known here), StoreForeign (another value
    of `meta`).
    """
    path = Path(os.path.realpath(path))
    if not path.is_file():
        raise StoreMissing(
            f"there is no database at {path}. If there was one, restore it: "
            "never begin one anew in its place"
        )
    lock = _take_lock(path)
    try:
        engine = open_engine(path)
        _check_pages(path, layout, engine)
        with reporting(path, layout), engine.connect() as connection:
            steps = steps_due(connection, path, layout, meta)
        database = Database(path, layout, lock, engine)
    except BaseException:
        lock.release()
        raise
    try:
        for step in steps:
            with database.write() as connection:
                apply_step(connection, layout, step)
        with database.read() as connection:
            check_tables(connection, path, layout)
    except BaseException:
        database.close()
        raise
    return database


@contextmanager
def reporting(path: Path, layout: Layout) -> Iterator[None]:
    """Within this block SQLite's errors become ours. None of them quotes a value."""
    try:
        yield
    except IntegrityError as error:
        raise StoreConflict(f"{path}: {error.orig}") from None
    except OperationalError as error:
        raise StoreFailed(f"{path}: {error.orig}. Is the disk full or read-only?") from None
    except DatabaseError as error:
        raise layout.damaged(path, str(error.orig)) from None


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
    try:
        make_file(path, new=False)
    except OSError as error:
        raise StoreFailed(f"{path}: {error.strerror}") from None


def _check_pages(path: Path, layout: Layout, engine: Engine) -> None:
    with reporting(path, layout), engine.connect() as connection:
        found = damage(connection)
    if found:
        raise layout.damaged(path, found)
