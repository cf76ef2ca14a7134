"""A small SQLite file that one witness has open, and that survives its sudden end.

A change is on the disk when `write` ends without an error: write-ahead log, synced at
every commit. The table `meta` says whose file it is.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    LargeBinary,
    MetaData,
    String,
    Table,
    insert,
    inspect,
    select,
)
from sqlalchemy.exc import DBAPIError

from observers.errors import WitnessFailed
from storage.sqlite import damage, make_file, open_engine, writing

SCHEMA = b"sailau-witness/1"

_TABLES = MetaData()
_META = Table(
    "meta",
    _TABLES,
    Column("name", String, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
HEADS = Table(
    "heads",
    _TABLES,
    Column("origin_hash", LargeBinary, primary_key=True),
    Column("origin", String, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("note", LargeBinary, nullable=False),
)


class Database:
    """An open file. Safe to use from several threads."""

    def __init__(self, path: Path, engine: Engine) -> None:
        """For `create_database` and `open_database` alone."""
        self._path, self._engine = path, engine
        self._writing = threading.Lock()
        with reporting(path):
            self._writer = writing(engine)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction, alone; durable when the block ends. Raises WitnessFailed."""
        with self._writing, reporting(self._path), self._writer.begin():
            yield self._writer

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """What is committed. Raises WitnessFailed."""
        with reporting(self._path), self._engine.connect() as connection:
            yield connection

    def close(self) -> None:
        """Close the file. Twice does nothing."""
        with suppress(DBAPIError):
            self._writer.close()
        self._engine.dispose()


def create_database(path: Path, owner: bytes) -> None:
    """Make the file of the witness whose verifier key is `owner`; never replaces one."""
    try:
        make_file(path, new=True)
    except OSError as error:
        raise WitnessFailed(f"{path}: {error.strerror}") from None
    database = Database(path, open_engine(path))
    with database.write() as connection:
        _TABLES.create_all(connection)
        rows = [{"name": "schema", "value": SCHEMA}, {"name": "owner", "value": owner}]
        connection.execute(insert(_META), rows)
    database.close()


def open_database(path: Path, owner: bytes) -> Database:
    """Open the file and check it, page by page, and whose it is. Raises WitnessFailed."""
    if not path.is_file():
        raise WitnessFailed(
            f"there is no database at {path}. A witness that forgot what it signed must not "
            "sign again: make a new one"
        )
    engine = open_engine(path)
    try:
        _check(path, engine, owner)
        return Database(path, engine)
    except BaseException:
        engine.dispose()
        raise


def _check(path: Path, engine: Engine, owner: bytes) -> None:
    with reporting(path), engine.connect() as connection:
        if found := damage(connection):
            raise WitnessFailed(f"{path} is damaged: {found}")
        if not set(_TABLES.tables) <= set(inspect(connection).get_table_names()):
            raise WitnessFailed(f"{path} is not a witness's database")
        meta = {row.name: row.value for row in connection.execute(select(_META))}
    if meta.get("schema") != SCHEMA:
        raise WitnessFailed(f"{path} has a schema that this version does not know")
    if meta.get("owner") != owner:
        raise WitnessFailed(f"{path} belongs to another witness")


@contextmanager
def reporting(path: Path) -> Iterator[None]:
    """Within this block SQLite's errors become ours. None of them quotes a value."""
    try:
        yield
    except DBAPIError as error:
        raise WitnessFailed(f"{path}: {error.orig}") from None
