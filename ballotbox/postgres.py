"""PostgreSQL databases, of which several servers may have one open and one may write.

What `write` has done is on the disk of the server when it returns, and on those of its
synchronous standbys. A server that restarts or fails over is waited for; see
`leadership` for who may write, and for what becomes of a commit that is interrupted.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from sqlalchemy import Connection, Engine, NullPool, QueuePool, create_engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ballotbox.dsn import Dsn
from ballotbox.epochs import LEADERS, lock_key, try_lock
from ballotbox.errors import (
    StoreConflict,
    StoreDamaged,
    StoreError,
    StoreExists,
    StoreFailed,
    StoreInUse,
    StoreMissing,
    StoreUnsupported,
)
from ballotbox.leadership import Leadership
from ballotbox.schema import (
    Layout,
    apply_step,
    check_tables,
    is_empty,
    make_tables,
    steps_due,
)

PATIENCE = 10.0
"""Seconds that a call waits for a database that restarts or fails over."""

_OLDEST = 15
_READERS = 16
_POLL_SECONDS = 0.25
_STUCK_SECONDS = 1.0
# SQLSTATEs (PostgreSQL's documentation, appendix A): corrupted data, then tables or
# columns that are not there.
_DAMAGED = ("XX001", "XX002", "42P01", "42703")
_HINTS = {
    "25006": "Is it a standby or read-only?",
    "53100": "Is the disk full?",
    "58030": "Is the disk full or failing?",
}


class PostgresDatabase:
    """An open database: reads at once, writes while it leads. Safe to use from several threads."""

    def __init__(
        self, dsn: Dsn, layout: Layout, meta: Mapping[str, bytes], base_hash: bytes
    ) -> None:
        """For `create_postgres` and `open_postgres` alone."""
        self._dsn = dsn
        self._layout = layout
        self._meta = meta
        self._patience = PATIENCE
        self._readers = _engine(dsn)
        self._leaders = _engine(dsn, pooled=False)
        self._writing = threading.RLock()
        self._leadership = Leadership(self._leaders, base_hash, dsn, PATIENCE, self._check)

    def __repr__(self) -> str:
        return f"PostgresDatabase({self._dsn!r})"

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that changes something; durable when the block ends.

        Raises StoreNotLeading, StoreConflict, StoreFailed or StoreDamaged, and then
        nothing has changed, or StoreOutcomeUnknown.
        """
        with self._writing, self._reporting():
            connection = self._leadership.begin()
            try:
                yield connection
            except BaseException:
                self._leadership.roll_back()
                raise
            self._leadership.commit(connection)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view of what is committed."""
        with self._reporting(), self._reader() as connection:
            yield connection

    def damaged(self, problem: str) -> StoreDamaged:
        """The error about contents of this database."""
        return self._layout.damaged(self._dsn, problem)

    def leads(self) -> bool:
        """Whether this server leads; see `Store.leads`."""
        if not self._writing.acquire(timeout=_STUCK_SECONDS):
            return False  # a write waits for the database, and will find out
        try:
            with self._reporting():
                return self._leadership.remains()
        finally:
            self._writing.release()

    def wait_for_leadership(self, timeout: float) -> bool:
        """Try to lead for `timeout` seconds; see `Store.wait_for_leadership`."""
        deadline = time.monotonic() + timeout
        while True:
            with self._writing, self._reporting():
                try:
                    if self._leadership.take():
                        return True
                except OperationalError:
                    if time.monotonic() >= deadline:
                        raise
            if time.monotonic() >= deadline:
                return False
            time.sleep(min(_POLL_SECONDS, max(deadline - time.monotonic(), 0)))

    def close(self) -> None:
        """Give the lead and all connections back. Twice does nothing."""
        with self._writing:
            self._leadership.close()
            self._leaders.dispose()
            self._readers.dispose()

    def _reporting(self) -> AbstractContextManager[None]:
        return reporting(self._dsn, self._layout)

    def _reader(self) -> Connection:
        """A pooled session; a database that is gone is waited for."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                connection = self._readers.connect()
            except OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_POLL_SECONDS)
            else:
                return connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )

    def _check(self, connection: Connection) -> None:
        """Before leading: does this server keep what it acknowledges, is the schema ours?"""
        _check_server(connection, self._dsn)
        if steps_due(connection, self._dsn, self._layout, self._meta):
            raise StoreUnsupported(f"{self._dsn} has an older schema. Start this server anew")
        connection.rollback()


def create_postgres(
    text: str, layout: Layout, meta: Mapping[str, bytes], base_hash: bytes
) -> PostgresDatabase:
    """Make the tables of a new election in an empty database, and lead.

    Raises Malformed (no connection string), StoreExists, StoreInUse, StoreFailed,
    StoreUnsupported (an older or careless server).
    """
    dsn = Dsn(text)
    with _alone(dsn, layout, base_hash) as connection:
        if not is_empty(connection):
            raise StoreExists(f"{dsn} has tables already and is not overwritten")
        make_tables(connection, layout, meta)
        LEADERS.create(connection)
        connection.commit()
    database = PostgresDatabase(dsn, layout, meta, base_hash)
    if not database.wait_for_leadership(PATIENCE):
        database.close()
        raise _in_use(dsn)
    return database


def open_postgres(
    text: str, layout: Layout, meta: Mapping[str, bytes], base_hash: bytes
) -> PostgresDatabase:
    """Open an existing database for reading, and for writing after `wait_for_leadership`.

    One with an older schema is brought up to this one, if no server has it open for
    writing. Raises Malformed (no connection string), StoreMissing, StoreInUse,
    StoreUnsupported, StoreForeign, StoreDamaged, StoreFailed.
    """
    dsn = Dsn(text)
    database = PostgresDatabase(dsn, layout, meta, base_hash)
    try:
        with database.read() as connection:
            if is_empty(connection):
                raise StoreMissing(
                    f"there is nothing in {dsn}. For the first start of a new election give "
                    "--new-database; if there was something, restore it, and never begin anew"
                )
            due = bool(steps_due(connection, dsn, layout, meta))
        if due:
            _migrate(dsn, layout, meta, base_hash)
        with database.read() as connection:
            check_tables(connection, dsn, layout)
    except BaseException:
        database.close()
        raise
    return database


@contextmanager
def reporting(dsn: Dsn, layout: Layout) -> Iterator[None]:
    """Within this block the database's errors become ours. None of them quotes a value."""
    try:
        yield
    except PoolTimeoutError:
        raise StoreFailed(f"{dsn}: all connections are in use") from None
    except DBAPIError as error:
        raise _translated(error, dsn, layout) from None


def _translated(error: DBAPIError, dsn: Dsn, layout: Layout) -> StoreError:
    diagnostic = getattr(error.orig, "diag", None)
    # Not the details, which quote values.
    message = dsn.scrub(getattr(diagnostic, "message_primary", None) or str(error.orig))
    if isinstance(error, IntegrityError):
        return StoreConflict(f"{dsn}: {message}")
    state = getattr(error.orig, "sqlstate", None) or ""
    if state in _DAMAGED:
        return layout.damaged(dsn, message)
    hint = _HINTS.get(state, "")
    return StoreFailed(f"{dsn}: {message}. {hint}".strip())


def _engine(dsn: Dsn, *, pooled: bool = True) -> Engine:
    if not pooled:
        # Whoever closes such a connection ends its session, and with it the lock.
        return create_engine(
            "postgresql+psycopg://",
            creator=dsn.connect,
            poolclass=NullPool,
            hide_parameters=True,
            use_native_hstore=False,
        )
    return create_engine(
        "postgresql+psycopg://",
        creator=dsn.connect,
        poolclass=QueuePool,
        pool_size=_READERS // 2,
        max_overflow=_READERS // 2,
        pool_pre_ping=True,
        hide_parameters=True,
        use_native_hstore=False,
    )


@contextmanager
def _alone(dsn: Dsn, layout: Layout, base_hash: bytes) -> Iterator[Connection]:
    """A session with the leader's lock. Raises StoreInUse at once if another has it."""
    engine = _engine(dsn, pooled=False)
    try:
        with reporting(dsn, layout), engine.connect() as connection:
            _check_server(connection, dsn)
            if not try_lock(connection, lock_key(base_hash)):
                raise _in_use(dsn)
            yield connection
    finally:
        engine.dispose()


def _migrate(dsn: Dsn, layout: Layout, meta: Mapping[str, bytes], base_hash: bytes) -> None:
    with _alone(dsn, layout, base_hash) as connection:
        for step in steps_due(connection, dsn, layout, meta):
            apply_step(connection, layout, step)
            connection.commit()


def _check_server(connection: Connection, dsn: Dsn) -> None:
    version, fsync, pages = connection.execute(
        text(
            "SELECT current_setting('server_version_num')::int / 10000,"
            " current_setting('fsync'), current_setting('full_page_writes')"
        )
    ).one()
    if version < _OLDEST:
        raise StoreUnsupported(f"{dsn} is PostgreSQL {version}; {_OLDEST} or newer is needed")
    if "off" in (fsync, pages):
        raise StoreUnsupported(
            f"{dsn} has fsync or full_page_writes off: what it acknowledges is not on its disk"
        )


def _in_use(dsn: Dsn) -> StoreInUse:
    return StoreInUse(f"another server writes to {dsn}. Stop that one first")
