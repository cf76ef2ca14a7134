"""What the services have in common: a ballot by its code, places, and "come again"."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ballotbox.board import Board, Found
from ballotbox.errors import (
    AdmissionAbandoned,
    AdmissionBusy,
    AdmissionFailed,
    StoreNotLeading,
    StoreOutcomeUnknown,
)
from ballotbox.uploading import Stalled
from crypto.errors import Malformed
from rpc.errors import Busy, NotFound, Unavailable


def look_up(board: Board, code: bytes) -> Found:
    """The ballot with this code. Raises Malformed, NotFound."""
    if len(code) != 32:
        raise Malformed("confirmation_code", f"has {len(code)} bytes instead of 32")
    with available():
        found = board.look_up(code)
    if found is None:
        raise NotFound("no ballot with this confirmation code was submitted")
    return found


@contextmanager
def available() -> Iterator[None]:
    """A board that another server writes to, or that cannot tell yet, is asked again."""
    try:
        yield
    except (StoreNotLeading, StoreOutcomeUnknown) as error:
        raise Unavailable(str(error), "Try again in a second.") from None


@contextmanager
def translated() -> Iterator[None]:
    """What keeps an artifact out without being its fault, as an error of calls."""
    try:
        with available():
            yield
    except AdmissionBusy as error:
        raise Busy(str(error), "Try again.", error.retry_after) from None
    except (AdmissionFailed, AdmissionAbandoned) as error:
        raise Unavailable(str(error)) from None
    except Stalled:
        raise Unavailable("nothing was sent for too long", "Call again to go on.") from None


@contextmanager
def held(places: threading.BoundedSemaphore) -> Iterator[None]:
    """One of so many places while the block lasts; raises Busy if none is free."""
    if not places.acquire(blocking=False):
        raise Busy("as many calls run as this server serves", "Try again.")
    try:
        yield
    finally:
        places.release()
