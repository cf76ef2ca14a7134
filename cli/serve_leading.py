"""The one server that writes: waiting for the lead, losing it, and having it again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ballotbox.admission import Admission
from ballotbox.arrivals import timing_of
from ballotbox.board import Board
from ballotbox.errors import StoreDamaged, StoreError
from ballotbox.high_water import HighWater
from ballotbox.store import Store, create_store, open_store
from cli.common import say
from cli.homes import ROLE_KEY
from cli.new_election import LOG_KEY
from cli.serve_acts import Acts
from cli.serve_config import ServerConfig
from cli.serve_metrics import ServerMetrics
from crypto.errors import NotNow
from record.election import check_election

LOGGER = logging.getLogger(__name__)


def open_leading(
    stack: ExitStack, config: ServerConfig, stop: threading.Event, *, new: bool
) -> tuple[Store, bool] | None:
    """The database, once this server may write; and whether another one led before.

    None if it was stopped while it waited.
    """
    location = config.database()
    if new:
        create_store(location, config.base_hash).close()
    # Only opened here: a database that is lost is not silently begun anew.
    store = open_store(location, config.base_hash)
    stack.callback(store.close)
    waited = False
    while not _takes_the_lead(store, waited, stop):
        if stop.is_set():
            return None
        if not waited:
            say("another server leads: waiting to take over")
            waited = True
    return store, waited


def _takes_the_lead(store: Store, waited: bool, stop: threading.Event) -> bool:
    """Who waits for the other server to end also waits for the database to come back."""
    try:
        return store.wait_for_leadership(1.0)
    except StoreDamaged:
        raise
    except StoreError as error:
        if not waited:
            raise
        LOGGER.warning("%s", error)
        stop.wait(1.0)
        return False


def board_of(
    store: Store,
    config: ServerConfig,
    secrets: Mapping[str, bytes],
    admission: Admission,
    high_water: HighWater,
) -> Board:
    """The board of this server, with the keys in its key store; raises as `Board.open`."""
    return Board.open(
        store,
        config.election,
        server_key=Ed25519PrivateKey.from_private_bytes(secrets[ROLE_KEY]),
        log_key=Ed25519PrivateKey.from_private_bytes(secrets[LOG_KEY]),
        admission=admission,
        timing=timing_of(check_election(config.election).manifest),
        high_water=high_water,
    )


def open_board(
    store: Store, make: Callable[[], Board], waited: bool, stop: threading.Event
) -> Board | None:
    """The board that `make` opens; None if the server was stopped while it waited.

    Who has waited for the lead waits for it again if the database goes away meanwhile.
    """
    while not stop.is_set():
        try:
            return make()
        except NotNow as error:
            if not waited:
                raise
            LOGGER.warning("%s", error)
        while not stop.wait(1.0) and not _takes_the_lead(store, waited, stop):
            pass
    return None


def lead(
    board: Board, store: Store, acts: Acts, numbers: ServerMetrics, stop: threading.Event
) -> None:
    """Until `stop`: look once a second whether this server may write, or wait until it may.

    Raises StoreDamaged if the database has lost what it had acknowledged.
    """
    while not stop.wait(1.0):
        if board.paused or not _leads(store):
            board.pause()
            acts.lost()
            _tell("this server does not write now: another one leads, or the database is away")
            if _lead_again(board, store, stop):
                _tell("this server leads again")
                numbers.begins_at(board.transcript.state.size)
                acts.leads_again()
        else:
            acts.write()


def _leads(store: Store) -> bool:
    try:
        return store.leads()
    except StoreDamaged:
        raise
    except StoreError:
        return False


def _lead_again(board: Board, store: Store, stop: threading.Event) -> bool:
    while not stop.is_set():
        try:
            if store.wait_for_leadership(1.0):
                board.resume()
                return True
        except StoreDamaged:
            raise
        except StoreError as error:
            LOGGER.warning("%s", error)
            stop.wait(1.0)
    return False


def _tell(what: str) -> None:
    say(what)
    LOGGER.warning(what)
