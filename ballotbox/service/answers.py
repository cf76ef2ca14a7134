"""What the services have in common: a ballot by its code, places, and "come again"."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ballotbox.board import Board, Found
from ballotbox.errors import (
    AdmissionAbandoned,
    AdmissionBusy,
    AdmissionFailed,
    StoreError,
    StoreNotLeading,
)
from ballotbox.once import error_once
from ballotbox.uploading import Stalled
from crypto.errors import Malformed
from rpc.errors import Busy, NotFound, Unavailable

LOGGER = logging.getLogger(__name__)


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
    """What is wrong with the database is told in words for clients, and logged once.

    Raises Unavailable then: whoever asks comes again, and keeps what it has.
    """
    try:
        yield
    except StoreError as error:
        if not isinstance(error, StoreNotLeading):
            error_once(LOGGER, "a call failed", error)
        raise Unavailable(error.told) from None


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
