"""Epochs of leaders: a lock that says who leads, and rows that say how far each came.

The lock is advisory and belongs to a session: PostgreSQL gives it back when the session
ends. Who is given it begins an epoch, a row of the table `leaders`, and ends all epochs
before it. Each transaction counts itself in the row of its epoch:

    epoch | writes | ended
        1 |    207 | true       until its server was stopped
        2 |     31 | false      the leader's; with its next write, 32

So a transaction of an epoch that has ended changes no row, which stops a leader that was
paused and wakes up: the lock on the row settles who came first.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Integer,
    MetaData,
    Table,
    func,
    insert,
    select,
    update,
)

_CONTEXT = b"sailau.v1.Leader\x00"

LEADERS = Table(
    "leaders",
    MetaData(),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("writes", BigInteger, nullable=False),
    Column("ended", Boolean, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Epoch:
    """How many transactions of an epoch were committed, and whether it has ended."""

    writes: int
    ended: bool


def lock_key(base_hash: bytes) -> int:
    """The number of an election's lock (64 bits, signed)."""
    digest = hashlib.sha256(_CONTEXT + base_hash).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def try_lock(session: Connection, key: int) -> bool:
    """Take the lock for as long as the session lives, if it is free."""
    taken = bool(session.execute(select(func.pg_try_advisory_lock(key))).scalar_one())
    session.commit()
    return taken


def begin_epoch(session: Connection) -> int:
    """End every epoch and begin the next, by whoever has the lock; its number."""
    LEADERS.create(session, checkfirst=True)
    last = session.execute(select(func.max(LEADERS.c.epoch))).scalar_one()
    epoch = 1 if last is None else int(last) + 1
    session.execute(update(LEADERS).where(LEADERS.c.ended.is_(False)).values(ended=True))
    session.execute(insert(LEADERS), {"epoch": epoch, "writes": 0, "ended": False})
    session.commit()
    return epoch


def count_write(session: Connection, epoch: int) -> int | None:
    """Count the transaction that begins with this; None if the epoch has ended."""
    return session.execute(
        update(LEADERS)
        .where(LEADERS.c.epoch == epoch, LEADERS.c.ended.is_(False))
        .values(writes=LEADERS.c.writes + 1)
        .returning(LEADERS.c.writes)
    ).scalar_one_or_none()


def read_epoch(session: Connection, epoch: int) -> Epoch | None:
    """An epoch as committed; None if there is no such row."""
    query = select(LEADERS.c.writes, LEADERS.c.ended).where(LEADERS.c.epoch == epoch)
    row = session.execute(query).one_or_none()
    return None if row is None else Epoch(row.writes, row.ended)


def touch_epoch(session: Connection, epoch: int) -> Epoch | None:
    """`read_epoch` with a change that changes nothing.

    Its commit waits for the standbys, and what was committed before it is then on their
    disks, too.
    """
    found = session.execute(
        update(LEADERS)
        .where(LEADERS.c.epoch == epoch)
        .values(writes=LEADERS.c.writes)
        .returning(LEADERS.c.writes, LEADERS.c.ended)
    ).one_or_none()
    return None if found is None else Epoch(found.writes, found.ended)
