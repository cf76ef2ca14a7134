"""How the board's database came from each schema to the next.

A step is history: it names the tables as they were then, and is never changed after a
release. A new one is added below, with its test.
"""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    insert,
    select,
    text,
)

from ballotbox.schema import Migration


def _checkpoints_of_nothing_and_cosignatures(connection: Connection) -> None:
    """2: a checkpoint may cover no artifacts at all; witnesses' signatures are kept.

    SQLite cannot change a column, so the table is made anew.
    """
    tables = MetaData()
    Table("artifacts", tables, Column("idx", Integer, primary_key=True))
    old = _checkpoints("checkpoints", tables, empty=False)
    new = _checkpoints("checkpoints_2", tables, empty=True)
    new.create(connection)
    connection.execute(insert(new).from_select([column.name for column in old.c], select(old)))
    connection.execute(text("DROP TABLE checkpoints"))
    connection.execute(text("ALTER TABLE checkpoints_2 RENAME TO checkpoints"))
    Table(
        "cosignatures",
        tables,
        Column("size", Integer, ForeignKey("checkpoints.size"), primary_key=True),
        Column("sha256", LargeBinary, primary_key=True),
        Column("line", LargeBinary, nullable=False),
    ).create(connection)


def _checkpoints(name: str, tables: MetaData, *, empty: bool) -> Table:
    return Table(
        name,
        tables,
        Column("size", Integer, primary_key=True, autoincrement=False),
        Column("last_idx", Integer, ForeignKey("artifacts.idx"), nullable=empty),
        Column("root", LargeBinary, nullable=False),
        Column("note", LargeBinary, nullable=False),
    )


def _hints(connection: Connection) -> None:
    """3: the hints of ballots are kept."""
    tables = MetaData()
    Table("artifacts", tables, Column("idx", Integer, primary_key=True))
    Table(
        "hints",
        tables,
        Column("idx", Integer, ForeignKey("artifacts.idx"), primary_key=True, autoincrement=False),
        Column("data", LargeBinary, nullable=False),
    ).create(connection)


MIGRATIONS = (
    Migration(b"sailau-board/1", b"sailau-board/2", _checkpoints_of_nothing_and_cosignatures),
    Migration(b"sailau-board/2", b"sailau-board/3", _hints),
)
