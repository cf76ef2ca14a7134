"""What the server must not lose: artifacts, checkpoints, shares of ballot nonces.

`Store` is all that the rest of this room asks of a database; `SqliteStore` is the one
there is. It knows bytes and hashes, and no rule of the record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    Table,
    func,
    insert,
    select,
)
from sqlalchemy.dialects.sqlite import insert as upsert

from ballotbox.database import Database, Layout, create_database, meta_table, open_database
from crypto.errors import Malformed
from record.entry import entry_for
from sailau.v1 import record_pb2

_CHUNK = 64

_METADATA = MetaData()
_META = meta_table(_METADATA)
_ARTIFACTS = Table(
    "artifacts",
    _METADATA,
    Column("idx", Integer, primary_key=True, autoincrement=False),
    Column("kind", Integer, nullable=False),
    Column("sha256", LargeBinary, nullable=False, unique=True),
    Column("data", LargeBinary, nullable=False),
)
_CHECKPOINTS = Table(
    "checkpoints",
    _METADATA,
    Column("size", Integer, primary_key=True, autoincrement=False),
    Column("last_idx", Integer, ForeignKey("artifacts.idx"), nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("note", LargeBinary, nullable=False),
)
_NONCE_SHARES = Table(
    "nonce_shares",
    _METADATA,
    Column("session", Integer, primary_key=True, autoincrement=False),
    Column("trustee", Integer, primary_key=True, autoincrement=False),
    Column("code", LargeBinary, primary_key=True),
    Column("element", LargeBinary, nullable=False),
)
_LAYOUT = Layout(
    _METADATA,
    b"sailau-board/1",
    "Restore the newest backup and compare it with the published record: a log must not fork",
)


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A signed checkpoint: tree size, root (32 bytes) and the note as published."""

    size: int
    root: bytes
    note: bytes


class Store(Protocol):
    """A durable, append-only list of artifacts and what goes with it.

    Every method may be called from several threads. Errors are `StoreError`s; a
    method that raises has changed nothing.
    """

    @property
    def base_hash(self) -> bytes:
        """H_B of the election whose store this is."""
        ...

    def size(self) -> int:
        """How many artifacts there are."""
        ...

    def append(self, index: int, data: bytes) -> None:
        """Store artifact `index`, which is `size()`; on the disk when this returns."""
        ...

    def find(self, sha256: bytes) -> int | None:
        """The index of the artifact with this hash."""
        ...

    def read(self, first: int, limit: int) -> Sequence[bytes]:
        """Up to `limit` artifacts from `first` on, each checked against its hash."""
        ...

    def add_checkpoint(self, checkpoint: StoredCheckpoint) -> None:
        """Keep a signed checkpoint, before anybody is shown it."""
        ...

    def checkpoints(self) -> Sequence[StoredCheckpoint]:
        """All checkpoints ever signed, by ascending size."""
        ...

    def save_nonce_shares(self, session: int, trustee: int, shares: Mapping[bytes, bytes]) -> None:
        """Keep m_i (spec 3.6.7, eq. 107) by confirmation code; a later one replaces it."""
        ...

    def nonce_shares(self, session: int) -> Mapping[bytes, Mapping[int, bytes]]:
        """m_i of a session by confirmation code and trustee."""
        ...

    def close(self) -> None:
        """Give everything back. Twice does nothing."""
        ...


class SqliteStore:
    """A `Store` in one SQLite file, open in one process at a time."""

    def __init__(self, database: Database, base_hash: bytes) -> None:
        """For `create` and `open` alone."""
        self._database = database
        self._base_hash = base_hash

    @classmethod
    def create(cls, path: Path | str, base_hash: bytes) -> Self:
        """Make the database of a new election. Raises StoreExists, StoreInUse, StoreFailed."""
        return cls(create_database(path, _LAYOUT, {"election": base_hash}), base_hash)

    @classmethod
    def open(cls, path: Path | str, base_hash: bytes) -> Self:
        """Open the database of this election.

        Raises StoreMissing, StoreInUse, StoreForeign (another election),
        StoreUnsupported (another schema), StoreDamaged.
        """
        return cls(open_database(path, _LAYOUT, {"election": base_hash}), base_hash)

    @property
    def base_hash(self) -> bytes:
        """H_B of the election whose store this is."""
        return self._base_hash

    def size(self) -> int:
        """How many artifacts there are."""
        with self._database.read() as connection:
            count, last = connection.execute(
                select(func.count(), func.max(_ARTIFACTS.c.idx)).select_from(_ARTIFACTS)
            ).one()
        if count and last != count - 1:
            raise self._database.damaged(f"{count} artifacts, of which the last is number {last}")
        return int(count)

    def append(self, index: int, data: bytes) -> None:
        """Store artifact `index`, which is `size()`; on the disk when this returns."""
        sha256 = hashlib.sha256(data).digest()
        row = {"idx": index, "kind": kind_of(data), "sha256": sha256, "data": data}
        with self._database.write() as connection:
            connection.execute(insert(_ARTIFACTS), row)

    def find(self, sha256: bytes) -> int | None:
        """The index of the artifact with this hash."""
        with self._database.read() as connection:
            return connection.execute(
                select(_ARTIFACTS.c.idx).where(_ARTIFACTS.c.sha256 == sha256)
            ).scalar_one_or_none()

    def read(self, first: int, limit: int) -> Sequence[bytes]:
        """Up to `limit` artifacts from `first` on, each checked against its hash."""
        query = (
            select(_ARTIFACTS)
            .where(_ARTIFACTS.c.idx >= first, _ARTIFACTS.c.idx < first + limit)
            .order_by(_ARTIFACTS.c.idx)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [self._checked(index, row) for index, row in enumerate(rows, start=first)]

    def add_checkpoint(self, checkpoint: StoredCheckpoint) -> None:
        """Keep a signed checkpoint, before anybody is shown it."""
        row = {
            "size": checkpoint.size,
            "last_idx": checkpoint.size - 1,
            "root": checkpoint.root,
            "note": checkpoint.note,
        }
        with self._database.write() as connection:
            connection.execute(insert(_CHECKPOINTS), row)

    def checkpoints(self) -> Sequence[StoredCheckpoint]:
        """All checkpoints ever signed, by ascending size."""
        with self._database.read() as connection:
            rows = connection.execute(select(_CHECKPOINTS).order_by(_CHECKPOINTS.c.size)).all()
        return [StoredCheckpoint(row.size, row.root, row.note) for row in rows]

    def save_nonce_shares(self, session: int, trustee: int, shares: Mapping[bytes, bytes]) -> None:
        """Keep m_i (spec 3.6.7, eq. 107) by confirmation code; a later one replaces it."""
        rows = [
            {"session": session, "trustee": trustee, "code": code, "element": element}
            for code, element in shares.items()
        ]
        statement = upsert(_NONCE_SHARES)
        statement = statement.on_conflict_do_update(
            index_elements=["session", "trustee", "code"],
            set_={"element": statement.excluded.element},
        )
        if rows:
            with self._database.write() as connection:
                connection.execute(statement, rows)

    def nonce_shares(self, session: int) -> Mapping[bytes, Mapping[int, bytes]]:
        """m_i of a session by confirmation code and trustee."""
        query = select(_NONCE_SHARES).where(_NONCE_SHARES.c.session == session)
        found: dict[bytes, dict[int, bytes]] = {}
        with self._database.read() as connection:
            for row in connection.execute(query):
                found.setdefault(row.code, {})[row.trustee] = row.element
        return found

    def close(self) -> None:
        """Close the file and release its lock. Twice does nothing."""
        self._database.close()

    def _checked(self, index: int, row: Row[Any]) -> bytes:
        data: bytes = row.data
        if row.idx != index:
            raise self._database.damaged(f"artifact {index} is missing")
        if hashlib.sha256(data).digest() != row.sha256:
            raise self._database.damaged(
                f"artifact {index} does not have the hash it was stored under"
            )
        return data


def read_all(store: Store, size: int) -> Iterator[bytes]:
    """The first `size` artifacts, a few at a time."""
    for first in range(0, size, _CHUNK):
        yield from store.read(first, min(_CHUNK, size - first))


def kind_of(data: bytes) -> int:
    """The field number of the artifact's statement. Raises Malformed."""
    entry = record_pb2.Entry.FromString(entry_for(data))
    if not entry.kind:
        raise Malformed("artifact", "has no statement")
    return entry.kind
