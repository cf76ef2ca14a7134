"""What a voting device must not forget, and what it must.

The journal is a database in the device's home. Every message is in it before it leaves
the device, so that after a sudden end the same bytes are sent again and the chain of
codes goes on from where it was. With each ballot stand its secrets, encrypted under a
key from the device's key store, until the voter casts it.

Erasing overwrites: in the database, and by emptying the write-ahead log. What a disk
keeps of blocks that were overwritten is out of our hands; that is why it is encrypted.

A device may be without a network for a day, so nothing here grows with the number of
messages but the file: what waits is read in pages, and found by indices.
"""

from __future__ import annotations

import secrets as randomness
import time
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects import sqlite

from ballotbox.database import Database, Layout, create_database, meta_table, open_database
from ballotbox.errors import StoreFailed
from ballotbox.schema import Migration
from identity.keystore import Keystore

KEY_NAME = "journal"
KEY_WIDTH = 32
NONCE_WIDTH = 12
PAGE = 32
"""Messages that are in memory at once while what waits is sent; each has at most 1 MiB."""

_CONTACT = "contact"
_CONTEXT = b"sailau.v1.Journal\x00"
_METADATA = MetaData()
meta_table(_METADATA)
_MESSAGES = Table(
    "messages",
    _METADATA,
    Column("position", Integer, primary_key=True),
    Column("kind", Integer, nullable=False),
    Column("code", LargeBinary),
    Column("data", LargeBinary, nullable=False),
    # The index in the record, once the server has told it.
    Column("accepted", Integer),
    # A ballot's hints, until then.
    Column("hints", LargeBinary),
)
Index("messages_waiting", _MESSAGES.c.position, sqlite_where=_MESSAGES.c.accepted.is_(None))
Index("messages_of_the_device", _MESSAGES.c.kind, sqlite_where=_MESSAGES.c.code.is_(None))
_BALLOTS = Table(
    "ballots",
    _METADATA,
    Column("code", LargeBinary, primary_key=True),
    Column("position", Integer, ForeignKey("messages.position"), nullable=False, unique=True),
    Column("decision", Integer, ForeignKey("messages.position"), unique=True),
    Column("secrets", LargeBinary),
)
Index("ballots_undecided", _BALLOTS.c.position, sqlite_where=_BALLOTS.c.decision.is_(None))
# `contact`: when the server was last heard of, in seconds since 1970.
_FACTS = Table(
    "facts",
    _METADATA,
    Column("name", String, primary_key=True),
    Column("value", Integer, nullable=False),
)


def _hints_indices_and_contact(connection: Connection) -> None:
    """2: hints wait with their ballots, what waits is found without reading all."""
    for statement in (
        "ALTER TABLE messages ADD COLUMN hints BLOB",
        "CREATE INDEX messages_waiting ON messages (position) WHERE accepted IS NULL",
        "CREATE INDEX messages_of_the_device ON messages (kind) WHERE code IS NULL",
        "CREATE INDEX ballots_undecided ON ballots (position) WHERE decision IS NULL",
        "CREATE TABLE facts (name VARCHAR NOT NULL PRIMARY KEY, value INTEGER NOT NULL)",
    ):
        connection.execute(text(statement))


LAYOUT = Layout(
    _METADATA,
    b"sailau-journal/2",
    "Never go on from an older copy, which would fork the chain: "
    "the administrator declares the device missing",
    (Migration(b"sailau-journal/1", b"sailau-journal/2", _hints_indices_and_contact),),
)


class Kind(IntEnum):
    """What a message is: the field number of its statement in `Artifact`."""

    BEGIN = 6
    BALLOT = 7
    CAST = 8
    CHALLENGE = 9
    CLOSE = 10


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message, its place in the order of sending, and its ballot's code if it has one.

    `hints` are a ballot's, empty if there are none; `accepted` is the index in the record.
    """

    position: int
    kind: Kind
    code: bytes | None
    data: bytes
    hints: bytes = b""
    accepted: int | None = None


class Journal:
    """The state of one device in one election. Safe to use from several threads."""

    def __init__(self, database: Database, base_hash: bytes, key: bytes) -> None:
        """For `create` and `open` alone."""
        self._database = database
        self._base_hash = base_hash
        self._cipher = AESGCM(key)

    def __repr__(self) -> str:
        return f"Journal({str(self._database.path)!r}, <redacted>)"

    @classmethod
    def create(cls, path: Path | str, base_hash: bytes, device: str, key: bytes) -> Self:
        """Begin a device's journal; `key` is that of `journal_key`.

        Raises StoreExists, StoreInUse, StoreFailed.
        """
        meta = _meta(base_hash, device)
        return cls(create_database(path, LAYOUT, meta), base_hash, key)

    @classmethod
    def open(cls, path: Path | str, base_hash: bytes, device: str, key: bytes) -> Self:
        """Go on with a journal.

        Raises StoreMissing, StoreInUse, StoreForeign (another election or device),
        StoreUnsupported, StoreDamaged.
        """
        return cls(open_database(path, LAYOUT, _meta(base_hash, device)), base_hash, key)

    # --- writing

    def add(self, kind: Kind, data: bytes) -> None:
        """Keep a message about the device itself."""
        with self._database.write() as connection:
            connection.execute(insert(_MESSAGES), {"kind": kind, "data": data})

    def add_ballot(self, code: bytes, data: bytes, secrets: bytes, hints: bytes = b"") -> None:
        """Keep a ballot as it will be submitted, its hints, and its secrets, encrypted."""
        sealed = self._seal(code, secrets)
        with self._database.write() as connection:
            row = {"kind": Kind.BALLOT, "code": code, "data": data, "hints": hints or None}
            position = _inserted(connection, row)
            row = {"code": code, "position": position, "secrets": sealed}
            connection.execute(insert(_BALLOTS), row)

    def add_decision(self, kind: Kind, code: bytes, data: bytes) -> None:
        """Keep a cast, and erase the ballot's secrets with the same stroke, or a challenge."""
        with self._database.write() as connection:
            row = {"kind": kind, "code": code, "data": data}
            position = _inserted(connection, row)
            changes: dict[str, Any] = {"decision": position}
            if kind is Kind.CAST:
                changes["secrets"] = None
            connection.execute(update(_BALLOTS).where(_BALLOTS.c.code == code).values(**changes))
        if kind is Kind.CAST:
            # The decision stands by now. If the disk is full the next cast empties the log,
            # or the end of the program.
            with suppress(StoreFailed):
                self._database.forget()

    def erase_undecided(self) -> None:
        """Erase the secrets of ballots that are neither cast nor challenged."""
        with self._database.write() as connection:
            connection.execute(
                update(_BALLOTS).where(_BALLOTS.c.decision.is_(None)).values(secrets=None)
            )
        self._database.forget()

    def acknowledge(self, position: int, index: int) -> None:
        """The message is in the record, at `index`; its hints have done their work."""
        with self._database.write() as connection:
            connection.execute(
                update(_MESSAGES)
                .where(_MESSAGES.c.position == position)
                .values(accepted=index, hints=None)
            )
            _heard(connection)

    def contacted(self) -> None:
        """The server has been heard of, just now."""
        with self._database.write() as connection:
            _heard(connection)

    # --- reading

    def find(self, kind: Kind) -> Outgoing | None:
        """The message about the device itself of this kind: BEGIN or CLOSE."""
        query = (
            select(_MESSAGES)
            .where(_MESSAGES.c.kind == kind, _MESSAGES.c.code.is_(None))
            .order_by(_MESSAGES.c.position)
        )
        with self._database.read() as connection:
            row = connection.execute(query.limit(1)).one_or_none()
        return None if row is None else _outgoing(row)

    def outgoing(self, after: int = 0, limit: int = PAGE) -> tuple[Outgoing, ...]:
        """What is not acknowledged, in order: the first `limit` behind a position."""
        query = (
            select(_MESSAGES)
            .where(_MESSAGES.c.accepted.is_(None), _MESSAGES.c.position > after)
            .order_by(_MESSAGES.c.position)
            .limit(limit)
        )
        with self._database.read() as connection:
            return tuple(_outgoing(row) for row in connection.execute(query))

    def waiting(self) -> int:
        """How many messages are not acknowledged."""
        with self._database.read() as connection:
            return _waiting(connection)

    def acknowledged(self) -> Outgoing | None:
        """The newest message about a ballot that the server has acknowledged."""
        query = (
            select(_MESSAGES)
            .where(_MESSAGES.c.accepted.is_not(None), _MESSAGES.c.code.is_not(None))
            .order_by(_MESSAGES.c.position.desc())
        )
        with self._database.read() as connection:
            row = connection.execute(query.limit(1)).one_or_none()
        return None if row is None else _outgoing(row)

    def ballots(self) -> int:
        """How many ballots the device has made."""
        with self._database.read() as connection:
            return connection.execute(select(func.count()).select_from(_BALLOTS)).scalar_one()

    def has_ballot(self, code: bytes) -> bool:
        """Whether a ballot of this device has this code."""
        return self._ballot_row(code) is not None

    def last_code(self) -> bytes | None:
        """The code of the newest ballot."""
        query = select(_BALLOTS.c.code).order_by(_BALLOTS.c.position.desc()).limit(1)
        with self._database.read() as connection:
            return connection.execute(query).scalar_one_or_none()

    def ballot(self, code: bytes) -> bytes:
        """The ballot artifact with this code, which there is."""
        return self.submission(code).data

    def submission(self, code: bytes) -> Outgoing:
        """The message with the ballot with this code, which there is."""
        query = select(_MESSAGES).join(_BALLOTS, _BALLOTS.c.position == _MESSAGES.c.position)
        with self._database.read() as connection:
            return _outgoing(connection.execute(query.where(_BALLOTS.c.code == code)).one())

    def decision(self, code: bytes) -> Outgoing | None:
        """The cast or challenge of a ballot."""
        query = select(_MESSAGES).join(_BALLOTS, _BALLOTS.c.decision == _MESSAGES.c.position)
        with self._database.read() as connection:
            row = connection.execute(query.where(_BALLOTS.c.code == code)).one_or_none()
        return None if row is None else _outgoing(row)

    def undecided(self) -> tuple[bytes, ...]:
        """The codes of ballots without a decision, oldest first."""
        query = (
            select(_BALLOTS.c.code)
            .where(_BALLOTS.c.decision.is_(None))
            .order_by(_BALLOTS.c.position)
        )
        with self._database.read() as connection:
            return tuple(connection.execute(query).scalars())

    def secrets(self, code: bytes) -> bytes | None:
        """The secrets of a ballot; None if they are erased or there is no such ballot.

        Raises StoreDamaged if they were changed or encrypted under another key.
        """
        row = self._ballot_row(code)
        if row is None or row.secrets is None:
            return None
        nonce, sealed = row.secrets[:NONCE_WIDTH], row.secrets[NONCE_WIDTH:]
        try:
            return self._cipher.decrypt(nonce, sealed, self._bound(code))
        except InvalidTag:
            raise self._database.damaged(
                "a ballot's secrets were changed or belong to another key store"
            ) from None

    def close(self) -> None:
        """Close the file and release its lock. Twice does nothing."""
        self._database.close()

    def _ballot_row(self, code: bytes) -> Row[Any] | None:
        with self._database.read() as connection:
            return connection.execute(select(_BALLOTS).where(_BALLOTS.c.code == code)).one_or_none()

    def _seal(self, code: bytes, secrets: bytes) -> bytes:
        nonce = randomness.token_bytes(NONCE_WIDTH)
        return nonce + self._cipher.encrypt(nonce, secrets, self._bound(code))

    def _bound(self, code: bytes) -> bytes:
        """Associated data: secrets cannot be moved to another ballot or election."""
        return _CONTEXT + self._base_hash + code


def journal_key(store: Keystore) -> bytes:
    """The key that encrypts a journal, from the device's key store; made at the first call."""
    if KEY_NAME not in store.secrets:
        store.update({KEY_NAME: randomness.token_bytes(KEY_WIDTH)})
    return store.secrets[KEY_NAME]


def _inserted(connection: Connection, row: dict[str, Any]) -> int:
    statement = insert(_MESSAGES).returning(_MESSAGES.c.position)
    return int(connection.execute(statement, row).scalar_one())


def _outgoing(row: Row[Any]) -> Outgoing:
    return Outgoing(
        row.position, Kind(row.kind), row.code, row.data, row.hints or b"", row.accepted
    )


def _waiting(connection: Connection) -> int:
    query = select(func.count()).select_from(_MESSAGES).where(_MESSAGES.c.accepted.is_(None))
    return connection.execute(query).scalar_one()


def _heard(connection: Connection) -> None:
    now = int(time.time())
    row = sqlite.insert(_FACTS).values(name=_CONTACT, value=now)
    connection.execute(row.on_conflict_do_update(["name"], set_={"value": now}))


def _meta(base_hash: bytes, device: str) -> dict[str, bytes]:
    return {"election": base_hash, "device": device.encode()}
