"""The tables of the board's database, the same in SQLite and PostgreSQL.

They have no times, on purpose: what is stored together was sequenced together, and
nothing here tells more of the order in which ballots came than their index does.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, LargeBinary, MetaData, Table

from ballotbox.migrations import MIGRATIONS
from ballotbox.schema import Layout, meta_table

_METADATA = MetaData()
meta_table(_METADATA)
ARTIFACTS = Table(
    "artifacts",
    _METADATA,
    Column("idx", Integer, primary_key=True, autoincrement=False),
    Column("kind", Integer, nullable=False),
    Column("sha256", LargeBinary, nullable=False, unique=True),
    Column("data", LargeBinary, nullable=False),
)
CHECKPOINTS = Table(
    "checkpoints",
    _METADATA,
    Column("size", Integer, primary_key=True, autoincrement=False),
    # Null for the checkpoint of the empty log.
    Column("last_idx", Integer, ForeignKey("artifacts.idx")),
    Column("root", LargeBinary, nullable=False),
    Column("note", LargeBinary, nullable=False),
)
COSIGNATURES = Table(
    "cosignatures",
    _METADATA,
    Column("size", Integer, ForeignKey("checkpoints.size"), primary_key=True),
    # A line may be too long to be a key by itself.
    Column("sha256", LargeBinary, primary_key=True),
    Column("line", LargeBinary, nullable=False),
)
# What came with a ballot and was right: it makes verifying faster, and is no part of the record.
HINTS = Table(
    "hints",
    _METADATA,
    Column("idx", Integer, ForeignKey("artifacts.idx"), primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)
NONCE_SHARES = Table(
    "nonce_shares",
    _METADATA,
    Column("session", Integer, primary_key=True, autoincrement=False),
    Column("trustee", Integer, primary_key=True, autoincrement=False),
    Column("code", LargeBinary, primary_key=True),
    Column("element", LargeBinary, nullable=False),
)
LAYOUT = Layout(
    _METADATA,
    b"sailau-board/3",
    "Restore the newest backup and compare it with the published record: a log must not fork",
    MIGRATIONS,
)
