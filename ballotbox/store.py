"""What the server must not lose: artifacts, checkpoints, shares of ballot nonces.

`Store` is all that the rest of this room asks of a database. It knows bytes and hashes,
and no rule of the record. There are two, with the same tables:

    create_store("board.db", base_hash)                   # SQLite, one file, one server
    open_store("postgresql://board@db1,db2/election", base_hash)
    open_store("service=election", base_hash)             # the same, from pg_service.conf

A SQLite file is open in one process at a time. A PostgreSQL database may be open in
several: one of them leads and may write, the others read and wait to take over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, Self

from ballotbox.database import create_database, open_database
from ballotbox.errors import StoreUnsupported
from ballotbox.sql_store import SqlStore, StoredCheckpoint, kind_of
from ballotbox.tables import LAYOUT

__all__ = [
    "SqliteStore",
    "Store",
    "StoredCheckpoint",
    "create_store",
    "is_dsn",
    "kind_of",
    "open_store",
    "read_all",
]

_CHUNK = 64
_DSN = ("postgresql://", "postgres://", "service=")


class Store(Protocol):
    """A durable, append-only list of artifacts and what goes with it.

    Every method may be called from several threads. Errors are `StoreError`s; a
    method that raises has changed nothing, unless it raises StoreOutcomeUnknown.
    """

    @property
    def base_hash(self) -> bytes:
        """H_B of the election whose store this is."""
        ...

    def size(self) -> int:
        """How many artifacts there are."""
        ...

    def append(
        self,
        first: int,
        artifacts: bytes | Sequence[bytes],
        checkpoint: StoredCheckpoint | None = None,
        hints: Mapping[int, bytes] | None = None,
    ) -> None:
        """Store a group of artifacts (one as `bytes`) from index `first`, which is `size()`.

        With it the checkpoint that is signed over the log with the group, and hints by the
        index of their ballot. All or nothing, and on the disk when this returns. Raises
        StoreConflict (another has written, or an artifact is stored already),
        StoreNotLeading, StoreOutcomeUnknown.
        """
        ...

    def find(self, sha256: bytes) -> int | None:
        """The index of the artifact with this hash."""
        ...

    def read(self, first: int, limit: int) -> Sequence[bytes]:
        """Up to `limit` artifacts from `first` on, each checked against its hash."""
        ...

    def hints(self, first: int, limit: int) -> Mapping[int, bytes]:
        """The hints that are kept of up to `limit` artifacts from `first` on, by index."""
        ...

    def add_checkpoint(self, checkpoint: StoredCheckpoint) -> None:
        """Keep a signed checkpoint of what is stored already, before anybody is shown it."""
        ...

    def newest_checkpoint(self) -> StoredCheckpoint | None:
        """The largest checkpoint ever signed."""
        ...

    def checkpoints(self, first: int = 0, limit: int | None = None) -> Sequence[StoredCheckpoint]:
        """The checkpoints of at least `first` artifacts, by ascending size."""
        ...

    def add_cosignatures(self, size: int, lines: Sequence[bytes]) -> None:
        """Keep witnesses' signature lines of the checkpoint of `size`; known ones are skipped."""
        ...

    def cosignatures(self, size: int) -> Sequence[bytes]:
        """The lines that are kept with the checkpoint of `size`, in the order of their bytes."""
        ...

    def cosigned(self, first: int = 0, limit: int | None = None) -> Sequence[int]:
        """The sizes from `first` on that any witness has signed, ascending."""
        ...

    def save_nonce_shares(self, session: int, trustee: int, shares: Mapping[bytes, bytes]) -> None:
        """Keep m_i (spec 3.6.7, eq. 107) by confirmation code; a later one replaces it."""
        ...

    def nonce_shares(self, session: int) -> Mapping[bytes, Mapping[int, bytes]]:
        """m_i of a session by confirmation code and trustee."""
        ...

    def leads(self) -> bool:
        """Whether this store may write, as the database says now.

        Ask about once a second: it is how a lost connection is noticed while nothing is
        written, and the lead is taken back at once if nobody else had it meanwhile.
        """
        ...

    def wait_for_leadership(self, timeout: float) -> bool:
        """Become the one store that may write; False if `timeout` seconds were not enough.

        Another may have written before: read the state anew after True, unless `leads`
        was true all along. Raises StoreFailed if the database cannot be reached and never
        could.
        """
        ...

    def close(self) -> None:
        """Give everything back. Twice does nothing."""
        ...


def is_dsn(location: str | Path) -> bool:
    """Whether a location names a PostgreSQL database rather than a file."""
    return isinstance(location, str) and location.startswith(_DSN)


def create_store(location: str | Path, base_hash: bytes) -> SqlStore:
    """Make the database of a new election at a path or a PostgreSQL DSN; it leads.

    Raises StoreExists, StoreInUse, StoreFailed, or Malformed for a DSN that is none.
    """
    if is_dsn(location):
        _need_psycopg()
        from ballotbox.postgres import create_postgres

        database = create_postgres(str(location), LAYOUT, _meta(base_hash), base_hash)
        return SqlStore(database, base_hash)
    return SqliteStore.create(location, base_hash)


def open_store(location: str | Path, base_hash: bytes) -> SqlStore:
    """Open the database of this election at a path or a PostgreSQL DSN.

    It may be written after `wait_for_leadership`, and read at once. An older schema is
    brought up to this one. Raises StoreMissing, StoreInUse, StoreForeign (another
    election), StoreUnsupported (a schema not known here), StoreDamaged, StoreFailed.
    """
    if is_dsn(location):
        _need_psycopg()
        from ballotbox.postgres import open_postgres

        database = open_postgres(str(location), LAYOUT, _meta(base_hash), base_hash)
        return SqlStore(database, base_hash)
    return SqliteStore.open(location, base_hash)


class SqliteStore(SqlStore):
    """A `Store` in one SQLite file, open in one process at a time."""

    @classmethod
    def create(cls, path: Path | str, base_hash: bytes) -> Self:
        """Make the database of a new election. Raises StoreExists, StoreInUse, StoreFailed."""
        return cls(create_database(path, LAYOUT, _meta(base_hash)), base_hash)

    @classmethod
    def open(cls, path: Path | str, base_hash: bytes) -> Self:
        """Open the database of this election; errors as with `open_store`."""
        return cls(open_database(path, LAYOUT, _meta(base_hash)), base_hash)


def read_all(store: Store, size: int) -> Iterator[bytes]:
    """The first `size` artifacts, a few at a time."""
    for first in range(0, size, _CHUNK):
        yield from store.read(first, min(_CHUNK, size - first))


def _meta(base_hash: bytes) -> dict[str, bytes]:
    return {"election": base_hash}


def _need_psycopg() -> None:
    """The driver is an extra: an election on SQLite does without."""
    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise StoreUnsupported(
            "a PostgreSQL database needs psycopg, which is not here. "
            "Try: pip install 'sailau[postgresql]'"
        ) from None
