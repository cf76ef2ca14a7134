"""How far a device is, from its journal alone: also beside the program that has it open.

standing = read_standing(home / "journal.sqlite")
standing.waiting            # messages that the server has not acknowledged
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, text

from ballotbox.database import reporting
from ballotbox.errors import StoreMissing
from ballotbox.journal import LAYOUT, Kind
from ballotbox.schema import steps_due
from storage.sqlite import open_reading


@dataclass(frozen=True, slots=True)
class DeviceStanding:
    """Counts of ballots and messages. `last_contact` is in seconds since 1970, or None.

    `waiting` are all messages that the server has not acknowledged, `waiting_ballots` the
    ballots among them.
    """

    device: str
    begun: bool
    ballots: int
    cast: int
    challenged: int
    waiting: int
    waiting_ballots: int
    closed: bool
    last_contact: int | None

    @property
    def undecided(self) -> int:
        """Ballots that are neither cast nor challenged."""
        return self.ballots - self.cast - self.challenged


def read_standing(path: Path) -> DeviceStanding:
    """What the journal at `path` holds now. Changes nothing and needs no key.

    Raises StoreMissing, StoreUnsupported, StoreFailed, StoreDamaged.
    """
    if not path.is_file():
        raise StoreMissing(f"there is no journal at {path}: the device has not begun")
    engine = open_reading(path)
    try:
        with reporting(path, LAYOUT), engine.connect() as connection:
            steps = steps_due(connection, path, LAYOUT, {})
            return _standing(connection, older=bool(steps))
    finally:
        engine.dispose()


def _standing(connection: Connection, *, older: bool) -> DeviceStanding:
    def number(query: str) -> int | None:
        found: int | None = connection.execute(text(query)).scalar_one_or_none()
        return found

    def decided(kind: Kind) -> int:
        return (
            number(
                "SELECT count(*) FROM ballots JOIN messages ON decision = messages.position "
                f"WHERE messages.kind = {int(kind)}"
            )
            or 0
        )

    def said(kind: Kind) -> bool:
        query = f"SELECT count(*) FROM messages WHERE code IS NULL AND kind = {int(kind)}"
        return bool(number(query))

    waiting = "SELECT count(*) FROM messages WHERE accepted IS NULL"
    device = connection.execute(text("SELECT value FROM meta WHERE name = 'device'")).scalar_one()
    return DeviceStanding(
        device=bytes(device).decode(),
        begun=said(Kind.BEGIN),
        ballots=number("SELECT count(*) FROM ballots") or 0,
        cast=decided(Kind.CAST),
        challenged=decided(Kind.CHALLENGE),
        waiting=number(waiting) or 0,
        waiting_ballots=number(f"{waiting} AND kind = {int(Kind.BALLOT)}") or 0,
        closed=said(Kind.CLOSE),
        last_contact=(None if older else number("SELECT value FROM facts WHERE name = 'contact'")),
    )
