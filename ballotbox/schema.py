"""What a database of ours has in it: its tables, whose it is, and how an older one is brought up.

A table `meta` names the schema and the election. A database with an older schema goes
through the numbered steps of its layout, one transaction each; one with a newer schema,
or for something else, is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import (
    Column,
    Connection,
    LargeBinary,
    MetaData,
    String,
    Table,
    insert,
    inspect,
    select,
    update,
)

from ballotbox.errors import StoreDamaged, StoreForeign, StoreUnsupported

SCHEMA = "schema"


@dataclass(frozen=True)
class Migration:
    """One step from the schema `before` to the schema `after`."""

    before: bytes
    after: bytes
    apply: Callable[[Connection], None]


@dataclass(frozen=True)
class Layout:
    """The tables of one kind of database, its schema's name, and what to do if it is damaged.

    `migrations` lead from each older schema to this one, in order.
    """

    tables: MetaData
    schema: bytes
    advice: str
    migrations: tuple[Migration, ...] = ()

    def damaged(self, place: object, problem: str) -> StoreDamaged:
        """The error about the contents of the database at `place`."""
        return StoreDamaged(f"{place}: {problem}. Keep a copy of it. {self.advice}")


def meta_table(metadata: MetaData) -> Table:
    """The table that says what a database is for."""
    return Table(
        "meta",
        metadata,
        Column("name", String, primary_key=True),
        Column("value", LargeBinary, nullable=False),
    )


def is_empty(connection: Connection) -> bool:
    """Whether there are no tables at all."""
    return not inspect(connection).get_table_names()


def make_tables(connection: Connection, layout: Layout, meta: Mapping[str, bytes]) -> None:
    """Make the tables of a new database for what `meta` says."""
    layout.tables.create_all(connection)
    values = {SCHEMA: layout.schema, **meta}
    rows = [{"name": name, "value": value} for name, value in values.items()]
    connection.execute(insert(layout.tables.tables["meta"]), rows)


def steps_due(
    connection: Connection, place: object, layout: Layout, meta: Mapping[str, bytes]
) -> tuple[Migration, ...]:
    """The migrations that this database needs.

    Raises StoreUnsupported (not ours, or of a schema that is not known here),
    StoreForeign (another value of `meta`).
    """
    table = layout.tables.tables["meta"]
    if "meta" not in inspect(connection).get_table_names():
        raise StoreUnsupported(f"{place} is not one of our databases")
    found = {row.name: row.value for row in connection.execute(select(table))}
    steps = _steps(place, layout, found.get(SCHEMA, b"none"))
    for name, value in meta.items():
        if found.get(name) != value:
            raise StoreForeign(
                f"{place} belongs to another {name}. Use the one that was made for this {name}"
            )
    return steps


def apply_step(connection: Connection, layout: Layout, step: Migration) -> None:
    """One migration, and the name of the schema that it leads to; the caller commits."""
    table = layout.tables.tables["meta"]
    step.apply(connection)
    connection.execute(update(table).where(table.c.name == SCHEMA).values(value=step.after))


def check_tables(connection: Connection, place: object, layout: Layout) -> None:
    """Raise StoreDamaged unless every table is there."""
    if not set(layout.tables.tables) <= set(inspect(connection).get_table_names()):
        raise layout.damaged(place, "a table is missing")


def _steps(place: object, layout: Layout, schema: bytes) -> tuple[Migration, ...]:
    if schema == layout.schema:
        return ()
    for number, step in enumerate(layout.migrations):
        if step.before == schema:
            return layout.migrations[number:]
    raise StoreUnsupported(
        f"{place} has the schema {schema.decode(errors='replace')}, "
        f"this version knows {layout.schema.decode()}"
    )
