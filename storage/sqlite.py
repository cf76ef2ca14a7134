"""SQLite files whose commits are on the disk: write-ahead log, synced at every commit.

    engine = open_engine(path)
    writer = writing(engine)             # the one connection that writes
    with writer.begin(): ...             # BEGIN IMMEDIATE
    with engine.connect() as reader: ...

    engine = open_reading(path)          # changes nothing, also beside a program that writes

What the errors mean is for the caller to say.
"""

from __future__ import annotations

import os
import sqlite3
import urllib.parse
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

BUSY_MS = 10_000
"""Milliseconds for which a connection waits for another one's lock."""

_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    f"PRAGMA busy_timeout = {BUSY_MS}",
    # What is erased is overwritten, too.
    "PRAGMA secure_delete = ON",
    "PRAGMA trusted_schema = OFF",
)


def make_file(path: Path, *, new: bool) -> None:
    """An empty file with mode 0600, which SQLite gives its other files, too.

    With `new` there may be none yet. Raises OSError.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    os.close(os.open(path, flags | (os.O_EXCL if new else 0), 0o600))


def open_engine(path: Path) -> Engine:
    """Connections to a file, set up as above; no error of theirs quotes a value."""
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"timeout": BUSY_MS / 1000, "check_same_thread": False},
        max_overflow=-1,
        hide_parameters=True,
    )
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def open_reading(path: Path) -> Engine:
    """Connections to a file that change nothing; no error of theirs quotes a value."""
    place = f"file:{urllib.parse.quote(str(path))}?mode=ro"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(place, uri=True, timeout=BUSY_MS / 1000, check_same_thread=False)

    return create_engine("sqlite://", creator=connect, hide_parameters=True)


def writing(engine: Engine) -> Connection:
    """The connection that writes: what its transactions read first still holds when they write."""
    return engine.connect().execution_options(sailau_writes=True)


def damage(connection: Connection) -> str:
    """What is wrong with the pages of the file; empty if nothing is. Reads all of them."""
    found = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one())
    return "" if found == "ok" else found


def _on_connect(connection: Any, _: object) -> None:
    # The driver must not begin transactions by itself: see `_on_begin`.
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(pragma)


def _on_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("sailau_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
