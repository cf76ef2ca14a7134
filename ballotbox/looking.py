"""Looking at a database without changing it, also while a server has it open.

    with look_at("board.db", base_hash) as look:
        look.led                # whether a server has it
        look.store.size()

Nothing is created, brought up to a newer schema, or locked.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, text

from ballotbox.database import reporting
from ballotbox.epochs import lock_key
from ballotbox.errors import StoreDamaged, StoreMissing, StoreNotLeading
from ballotbox.schema import check_tables, is_empty, steps_due
from ballotbox.sql_store import SqlStore
from ballotbox.store import is_dsn
from ballotbox.tables import LAYOUT
from identity.errors import KeystoreInUse
from identity.files import FileLock
from storage.sqlite import damage, open_reading

_SETTINGS = (
    "server_version",
    "fsync",
    "full_page_writes",
    "data_checksums",
    "synchronous_standby_names",
)


@dataclass(frozen=True, slots=True)
class Look:
    """A database as it is found.

    `led` says that a server has it open and may write, `older` that its schema is to be
    brought up first: then `store` cannot be read. `clock` is how far the database server's
    clock is ahead of ours, in seconds; None for SQLite, which has none. `settings` are those
    that durability depends on.
    """

    kind: str
    store: SqlStore
    led: bool
    older: bool
    clock: float | None
    settings: Mapping[str, str]


@contextmanager
def look_at(location: str | Path, base_hash: bytes) -> Iterator[Look]:
    """Open the database of an election to read it. Raises as `open_store`, but StoreInUse."""
    if is_dsn(location):
        with _postgres(str(location), base_hash) as look:
            yield look
    else:
        with _sqlite(Path(location), base_hash) as look:
            yield look


@contextmanager
def _postgres(location: str, base_hash: bytes) -> Iterator[Look]:
    from ballotbox.dsn import Dsn
    from ballotbox.postgres import PostgresDatabase

    dsn, meta = Dsn(location), {"election": base_hash}
    database = PostgresDatabase(dsn, LAYOUT, meta, base_hash)
    try:
        with database.read() as connection:
            if is_empty(connection):
                raise StoreMissing(f"there is nothing in {dsn}: has the server started once?")
            older = bool(steps_due(connection, dsn, LAYOUT, meta))
            if not older:
                check_tables(connection, dsn, LAYOUT)
            led, clock = _led(connection, base_hash), _clock(connection)
            names = ", ".join(f"current_setting('{name}')" for name in _SETTINGS)
            values = connection.execute(text(f"SELECT {names}")).one()
        settings = dict(zip(_SETTINGS, values, strict=True))
        store = SqlStore(database, base_hash)
        yield Look("PostgreSQL", store, led, older, clock, settings)
    finally:
        database.close()


def _led(connection: Connection, base_hash: bytes) -> bool:
    """Whether anybody has the leader's lock (`epochs`), without trying to take it."""
    key = lock_key(base_hash)
    query = (
        "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
        " WHERE l.locktype = 'advisory' AND l.granted AND d.datname = current_database()"
        " AND l.classid::bigint = :high AND l.objid::bigint = :low AND l.objsubid = 1"
    )
    numbers = {"high": (key >> 32) & 0xFFFFFFFF, "low": key & 0xFFFFFFFF}
    return bool(connection.execute(text(query), numbers).scalar_one())


def _clock(connection: Connection) -> float:
    begin = time.time()
    query = text("SELECT extract(epoch FROM clock_timestamp())::float8")
    found = float(connection.execute(query).scalar_one())
    return found - (begin + time.time()) / 2


class _ReadOnly:
    """A SQLite file, for reading alone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._engine = open_reading(path)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with reporting(self._path, LAYOUT), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        raise StoreNotLeading(f"{self._path} is open for reading alone")
        yield

    def damaged(self, problem: str) -> StoreDamaged:
        return LAYOUT.damaged(self._path, problem)

    def leads(self) -> bool:
        return False

    def wait_for_leadership(self, timeout: float) -> bool:
        del timeout
        return False

    def close(self) -> None:
        self._engine.dispose()


@contextmanager
def _sqlite(path: Path, base_hash: bytes) -> Iterator[Look]:
    path = path.resolve()
    if not path.is_file():
        raise StoreMissing(f"there is no database at {path}. If there was one, restore it")
    database = _ReadOnly(path)
    try:
        with database.read() as connection:
            if found := damage(connection):
                raise database.damaged(found)
            older = bool(steps_due(connection, path, LAYOUT, {"election": base_hash}))
            if not older:
                check_tables(connection, path, LAYOUT)
            mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
        store = SqlStore(database, base_hash)
        yield Look("SQLite", store, _locked(path), older, None, {"journal_mode": str(mode)})
    finally:
        database.close()


def _locked(path: Path) -> bool:
    """Whether another process has it open (`database`)."""
    try:
        FileLock(path).release()
    except KeystoreInUse:
        return True
    return False
