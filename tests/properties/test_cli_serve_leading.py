"""A server that has just got the lead, and a database that goes away before it has the board."""

from __future__ import annotations

import threading
from typing import cast

import pytest

from ballotbox.board import Board
from ballotbox.errors import StoreDamaged, StoreError, StoreFailed, StoreNotLeading
from ballotbox.store import Store
from cli.serve_leading import open_board

BOARD = cast(Board, object())


class Stop(threading.Event):
    """Waits for nobody."""

    def wait(self, timeout: float | None = None) -> bool:
        """At once."""
        return self.is_set()


class Away:
    """A store whose lead is had again from the third question on."""

    def __init__(self) -> None:
        self.asked = 0

    def wait_for_leadership(self, _: float) -> bool:
        """As told above."""
        self.asked += 1
        if self.asked == 1:
            raise StoreFailed("the database is away")
        return self.asked >= 3


class Opening:
    """Fails with each of the errors, and then opens."""

    def __init__(self, *errors: StoreError) -> None:
        self._errors = list(errors)

    def __call__(self) -> Board:
        """The board, or the next error."""
        if self._errors:
            raise self._errors.pop(0)
        return BOARD


def test_who_has_waited_waits_again() -> None:
    """Until it leads again; then the board is opened once more."""
    store = Away()
    opening = Opening(StoreFailed("gone"), StoreNotLeading("gone"))
    assert open_board(cast(Store, store), opening, True, Stop()) is BOARD
    assert store.asked > 3


@pytest.mark.parametrize(
    ("error", "waited"), [(StoreFailed("gone"), False), (StoreDamaged("cut"), True)]
)
def test_what_is_said_at_once(error: StoreError, waited: bool) -> None:
    """A first start without a database, and one that was changed: nobody waits for that."""
    with pytest.raises(type(error)):
        open_board(cast(Store, Away()), Opening(error), waited, Stop())


def test_stopped_while_it_waits() -> None:
    """There is no board then."""
    stop = Stop()

    def make() -> Board:
        stop.set()
        raise StoreFailed("gone")

    assert open_board(cast(Store, Away()), make, True, stop) is None
