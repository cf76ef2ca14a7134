"""Who may write to a PostgreSQL database: one server at a time.

The leader has one session, with the lock of `epochs`, and everything that it writes goes
through that session. When it is lost, even in the middle of a commit, the leader reads
off its epoch's count whether the transaction was committed. The answer is final once the
lock could be had, or the epoch has ended: both say that the old session is gone. If
nobody else led meanwhile, nothing can have changed, and the leader goes on. A count that
is too small says that the database has lost what was acknowledged.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import DBAPIError, OperationalError

from ballotbox.epochs import (
    Epoch,
    begin_epoch,
    count_write,
    lock_key,
    read_epoch,
    touch_epoch,
    try_lock,
)
from ballotbox.errors import (
    StoreDamaged,
    StoreError,
    StoreFailed,
    StoreNotLeading,
    StoreOutcomeUnknown,
)

_POLL_SECONDS = 0.1


class _NotReplicated(StoreFailed):
    """A commit that a synchronous standby may not have."""


class Leadership:
    """The right to write, and the session that has it. One thread at a time."""

    def __init__(
        self,
        engine: Engine,
        base_hash: bytes,
        place: object,
        patience: float,
        check: Callable[[Connection], None],
    ) -> None:
        """`patience`: seconds to wait for a lost database; `check` looks at a new session."""
        self._engine = engine
        self._key = lock_key(base_hash)
        self._place = place
        self._patience = patience
        self._check = check
        self._session: Connection | None = None
        self._epoch: int | None = None
        self._writes = 0
        self._warnings: list[str] = []

    # --- the lead

    def remains(self) -> bool:
        """Whether we lead, as the database says now; a lost lock is taken back if it can be.

        Raises StoreDamaged if the database has lost what it acknowledged.
        """
        if self._epoch is None:
            return False
        try:
            if self._session is not None:
                self._session.execute(select(1))
                self._session.rollback()
                return True
            epoch = self._rejoin()
        except OperationalError:
            self._drop()
            return False
        if epoch is None:
            return False
        self._expect(epoch)
        return not epoch.ended

    def take(self) -> bool:
        """One attempt to lead: with our epoch if it goes on, else with a new one."""
        if self.remains():
            return True
        if self._epoch is not None:
            return False
        session = self._new_session()
        try:
            if not try_lock(session, self._key):
                session.close()
                return False
            self._check(session)
            self._epoch = begin_epoch(session)
        except BaseException:
            session.close()
            raise
        self._session, self._writes = session, 0
        return True

    # --- one transaction

    def begin(self) -> Connection:
        """A transaction of the leader, counted and fenced.

        Waits for a lost database. Raises StoreNotLeading, StoreFailed, StoreDamaged or
        an error of the database.
        """
        deadline = time.monotonic() + self._patience
        while True:
            if self._epoch is None:
                raise self._not_leading()
            session = self._session or self._resume(deadline)
            try:
                self._count(session, self._epoch)
            except DBAPIError as error:
                lost = error.connection_invalidated
                self.roll_back()
                if not lost or time.monotonic() > deadline:
                    raise
            else:
                return session

    def roll_back(self) -> None:
        """End the transaction without a change."""
        if self._session is None:
            return
        with suppress(DBAPIError):
            self._session.rollback()
        if self._session.invalidated:
            # It would connect again by itself, and without the lock.
            self._drop()

    def commit(self, session: Connection) -> None:
        """End the transaction of `begin`; durable when this returns.

        If the session is lost meanwhile, the outcome is read back. Raises the error of
        the database or StoreNotLeading if nothing was stored, StoreOutcomeUnknown if the
        database does not come back in time.
        """
        try:
            self._commit(session)
        except (DBAPIError, _NotReplicated):
            self._drop()
            if not self._was_committed():
                raise
        except BaseException:
            self.close()
            raise
        self._writes += 1

    def close(self) -> None:
        """Give the lock back."""
        self._drop()
        self._epoch = None

    # --- inside

    def _count(self, session: Connection, epoch: int) -> None:
        """The first statement of each transaction."""
        writes = count_write(session, epoch)
        if writes is None:
            self.close()
            raise self._not_leading()
        if writes != self._writes + 1:
            self.roll_back()
            raise self._gone_back(writes - 1)

    def _resume(self, deadline: float) -> Connection:
        epoch = self._settle(deadline)
        if epoch is None:
            raise StoreFailed(
                f"{self._place}: another session has the leader's lock. Nothing was stored"
            )
        self._expect(epoch)
        if self._session is None:
            raise self._not_leading()
        return self._session

    def _was_committed(self) -> bool:
        try:
            epoch = self._settle(time.monotonic() + self._patience)
        except StoreDamaged:
            raise
        except (DBAPIError, StoreError):
            epoch = None
        if epoch is None:
            self.close()
            raise StoreOutcomeUnknown(
                f"{self._place} was lost during a commit, and whether it holds is not known yet"
            ) from None
        if epoch.writes == self._writes + 1:
            return True
        self._expect(epoch)
        if epoch.ended:
            raise self._not_leading() from None
        return False

    def _settle(self, deadline: float) -> Epoch | None:
        """`_rejoin` until it knows, or until the deadline: None or the last error."""
        while True:
            try:
                epoch = self._rejoin()
                if epoch is not None or time.monotonic() > deadline:
                    return epoch
            except OperationalError:
                self._drop()
                if time.monotonic() > deadline:
                    raise
            time.sleep(_POLL_SECONDS)

    def _rejoin(self) -> Epoch | None:
        """Connect anew, and learn how our epoch stands; None if it cannot be known yet."""
        if self._epoch is None:
            raise self._not_leading()
        session = self._new_session()
        try:
            epoch = self._look(session, self._epoch)
            if epoch is not None and not epoch.ended:
                self._check(session)
                self._session = session
                return epoch
        except _NotReplicated:
            epoch = None
        except BaseException:
            session.close()
            raise
        session.close()
        if epoch is not None:
            self._epoch = None
        return epoch

    def _look(self, session: Connection, number: int) -> Epoch | None:
        locked = try_lock(session, self._key)
        if locked:
            epoch = touch_epoch(session, number)
            self._commit(session)
        else:
            epoch = read_epoch(session, number)
            session.rollback()
        if epoch is None:
            raise self._gone_back(None)
        return epoch if locked or epoch.ended else None

    def _new_session(self) -> Connection:
        session = self._engine.connect()
        driver: Any = session.connection.driver_connection
        driver.add_notice_handler(self._notice)
        return session

    def _notice(self, diagnostic: Any) -> None:
        if diagnostic.severity_nonlocalized == "WARNING":
            self._warnings.append(diagnostic.message_primary)

    def _commit(self, session: Connection) -> None:
        """A wait for the synchronous standby that is cut short gives a warning, no error."""
        self._warnings.clear()
        session.commit()
        if self._warnings:
            raise _NotReplicated(f"{self._place}: {self._warnings[0]}")

    def _drop(self) -> None:
        if self._session is not None:
            with suppress(DBAPIError):
                self._session.invalidate()
            with suppress(DBAPIError):
                self._session.close()
        self._session = None

    def _expect(self, epoch: Epoch) -> None:
        if epoch.writes != self._writes:
            self._drop()
            raise self._gone_back(epoch.writes)

    def _not_leading(self) -> StoreNotLeading:
        return StoreNotLeading(f"{self._place}: another server may write, not this one")

    def _gone_back(self, writes: int | None) -> StoreDamaged:
        found = "nothing" if writes is None else f"{writes}"
        return StoreDamaged(
            f"{self._place} has lost what it had acknowledged: of {self._writes} transactions "
            f"{found} is left. A log must not fork: find the server that has all of them, and "
            "compare it with the published record"
        )
