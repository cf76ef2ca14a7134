"""The store as rows of `tables`, by the same statements in SQLite and PostgreSQL."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Connection, Row, Table, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from ballotbox.errors import StoreConflict, StoreDamaged
from ballotbox.tables import ARTIFACTS, CHECKPOINTS, COSIGNATURES, HINTS, NONCE_SHARES
from crypto.errors import Malformed
from record.entry import entry_for
from sailau.v1 import record_pb2


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A signed checkpoint: tree size, root (32 bytes) and the note as published."""

    size: int
    root: bytes
    note: bytes


class Database(Protocol):
    """What a `SqlStore` stands on."""

    def read(self) -> AbstractContextManager[Connection]:
        """A consistent view of what is committed."""
        ...

    def write(self) -> AbstractContextManager[Connection]:
        """One transaction; durable when the block ends, or nothing has changed."""
        ...

    def damaged(self, problem: str) -> StoreDamaged:
        """The error about contents of this database."""
        ...

    def leads(self) -> bool:
        """See `Store.leads`."""
        ...

    def wait_for_leadership(self, timeout: float) -> bool:
        """See `Store.wait_for_leadership`."""
        ...

    def close(self) -> None:
        """Give everything back. Twice does nothing."""
        ...


class SqlStore:
    """A `ballotbox.store.Store` on a database with the tables of `tables`."""

    def __init__(self, database: Database, base_hash: bytes) -> None:
        """For `open_store` and `create_store` alone."""
        self._database = database
        self._base_hash = base_hash

    @property
    def base_hash(self) -> bytes:
        """H_B of the election whose store this is."""
        return self._base_hash

    # --- artifacts

    def size(self) -> int:
        """How many artifacts there are."""
        with self._database.read() as connection:
            count, last = connection.execute(
                select(func.count(), func.max(ARTIFACTS.c.idx)).select_from(ARTIFACTS)
            ).one()
        if count and last != count - 1:
            raise self._database.damaged(f"{count} artifacts, of which the last is number {last}")
        return int(count)

    def append(
        self,
        first: int,
        artifacts: bytes | Sequence[bytes],
        checkpoint: StoredCheckpoint | None = None,
        hints: Mapping[int, bytes] | None = None,
    ) -> None:
        """Store a group of artifacts, its checkpoint and hints; see `Store.append`."""
        group = (artifacts,) if isinstance(artifacts, bytes) else tuple(artifacts)
        rows = [_artifact_row(index, data) for index, data in enumerate(group, first)]
        if checkpoint is not None and checkpoint.size != first + len(group):
            raise ValueError("a checkpoint of another size than the log has after this group")
        with self._database.write() as connection:
            _expect_size(connection, first)
            if rows:
                connection.execute(insert(ARTIFACTS), rows)
            if hints:
                said = [{"idx": index, "data": data} for index, data in hints.items()]
                connection.execute(insert(HINTS), said)
            if checkpoint is not None:
                _keep_checkpoint(connection, checkpoint)

    def find(self, sha256: bytes) -> int | None:
        """The index of the artifact with this hash."""
        with self._database.read() as connection:
            return connection.execute(
                select(ARTIFACTS.c.idx).where(ARTIFACTS.c.sha256 == sha256)
            ).scalar_one_or_none()

    def read(self, first: int, limit: int) -> Sequence[bytes]:
        """Up to `limit` artifacts from `first` on, each checked against its hash."""
        query = (
            select(ARTIFACTS)
            .where(ARTIFACTS.c.idx >= first, ARTIFACTS.c.idx < first + limit)
            .order_by(ARTIFACTS.c.idx)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [self._checked(index, row) for index, row in enumerate(rows, start=first)]

    def hints(self, first: int, limit: int) -> Mapping[int, bytes]:
        """The hints that are kept of up to `limit` artifacts from `first` on, by index."""
        query = select(HINTS).where(HINTS.c.idx >= first, HINTS.c.idx < first + limit)
        with self._database.read() as connection:
            return {row.idx: row.data for row in connection.execute(query.order_by(HINTS.c.idx))}

    # --- checkpoints

    def add_checkpoint(self, checkpoint: StoredCheckpoint) -> None:
        """Keep a signed checkpoint of what is stored already, before anybody is shown it."""
        with self._database.write() as connection:
            _keep_checkpoint(connection, checkpoint)

    def newest_checkpoint(self) -> StoredCheckpoint | None:
        """The largest checkpoint ever signed."""
        query = select(CHECKPOINTS).order_by(CHECKPOINTS.c.size.desc()).limit(1)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _checkpoint(row)

    def checkpoints(self, first: int = 0, limit: int | None = None) -> Sequence[StoredCheckpoint]:
        """The checkpoints of at least `first` artifacts, by ascending size."""
        query = select(CHECKPOINTS).where(CHECKPOINTS.c.size >= first)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(CHECKPOINTS.c.size).limit(limit)).all()
        return [_checkpoint(row) for row in rows]

    def add_cosignatures(self, size: int, lines: Sequence[bytes]) -> None:
        """Keep witnesses' signature lines of the checkpoint of `size`; known ones are skipped."""
        rows = [
            {"size": size, "sha256": hashlib.sha256(line).digest(), "line": line}
            for line in dict.fromkeys(lines)
        ]
        if not rows:
            return
        with self._database.write() as connection:
            connection.execute(_upsert(connection, COSIGNATURES).on_conflict_do_nothing(), rows)

    def cosignatures(self, size: int) -> Sequence[bytes]:
        """The lines that are kept with the checkpoint of `size`, in the order of their bytes."""
        query = select(COSIGNATURES.c.line).where(COSIGNATURES.c.size == size)
        with self._database.read() as connection:
            return sorted(connection.execute(query).scalars())

    def cosigned(self, first: int = 0, limit: int | None = None) -> Sequence[int]:
        """The sizes from `first` on that any witness has signed, ascending."""
        column = COSIGNATURES.c.size
        query = select(column).where(column >= first).distinct().order_by(column).limit(limit)
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())

    # --- nonces of challenged ballots

    def save_nonce_shares(self, session: int, trustee: int, shares: Mapping[bytes, bytes]) -> None:
        """Keep m_i (spec 3.6.7, eq. 107) by confirmation code; a later one replaces it."""
        rows = [
            {"session": session, "trustee": trustee, "code": code, "element": element}
            for code, element in shares.items()
        ]
        if not rows:
            return
        with self._database.write() as connection:
            statement = _upsert(connection, NONCE_SHARES)
            statement = statement.on_conflict_do_update(
                index_elements=["session", "trustee", "code"],
                set_={"element": statement.excluded.element},
            )
            connection.execute(statement, rows)

    def nonce_shares(self, session: int) -> Mapping[bytes, Mapping[int, bytes]]:
        """m_i of a session by confirmation code and trustee."""
        query = select(NONCE_SHARES).where(NONCE_SHARES.c.session == session)
        found: dict[bytes, dict[int, bytes]] = {}
        with self._database.read() as connection:
            for row in connection.execute(query):
                found.setdefault(row.code, {})[row.trustee] = row.element
        return found

    # --- who may write

    def leads(self) -> bool:
        """Whether this store may write; see `Store.leads`."""
        return self._database.leads()

    def wait_for_leadership(self, timeout: float) -> bool:
        """Become the one that writes; see `Store.wait_for_leadership`."""
        return self._database.wait_for_leadership(timeout)

    def close(self) -> None:
        """Give everything back. Twice does nothing."""
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


def kind_of(data: bytes) -> int:
    """The field number of the artifact's statement. Raises Malformed."""
    entry = record_pb2.Entry.FromString(entry_for(data))
    if not entry.kind:
        raise Malformed("artifact", "has no statement")
    return entry.kind


def _artifact_row(index: int, data: bytes) -> dict[str, Any]:
    sha256 = hashlib.sha256(data).digest()
    return {"idx": index, "kind": kind_of(data), "sha256": sha256, "data": data}


def _expect_size(connection: Connection, first: int) -> None:
    """In the transaction that appends: whoever has written meanwhile is not overlooked."""
    last = connection.execute(select(func.max(ARTIFACTS.c.idx))).scalar_one()
    size = 0 if last is None else last + 1
    if size != first:
        raise StoreConflict(
            f"the database has {size} artifacts and is not to be given number {first}"
        )


def _keep_checkpoint(connection: Connection, checkpoint: StoredCheckpoint) -> None:
    row = {
        "size": checkpoint.size,
        "last_idx": checkpoint.size - 1 if checkpoint.size else None,
        "root": checkpoint.root,
        "note": checkpoint.note,
    }
    connection.execute(insert(CHECKPOINTS), row)


def _upsert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An insertion that may say what to do about rows that are there."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def _checkpoint(row: Row[Any]) -> StoredCheckpoint:
    return StoredCheckpoint(row.size, row.root, row.note)
