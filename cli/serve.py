"""`sailau serve`: the board, the ballot box and the coordinator of one election."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import click
import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ballotbox.admission import Admission
from ballotbox.board import Board
from ballotbox.errors import StoreDamaged, StoreError
from ballotbox.high_water import HighWater
from ballotbox.sequencer import Timing
from ballotbox.service import (
    ADMINISTRATION_SERVICE,
    BALLOT_BOX_SERVICE,
    BOARD_SERVICE,
    FOLLOWERS,
    READERS,
    AdministrationServicer,
    BallotBoxServicer,
    BoardServicer,
    add_public,
    add_roles,
)
from ballotbox.store import Store, create_store, open_store
from cli.common import home_option, passphrase, passphrase_option, say
from cli.homes import KEYSTORE, ROLE_KEY
from cli.new_election import LOG_KEY
from cli.parameters import warn_of_toys
from cli.serve_config import ServerConfig
from cli.serve_live import LiveBoard
from cli.serve_recovery import recover
from identity.keystore import Keystore
from identity.tlskeys import TlsKey
from record.state import Phase
from rpc.credentials import MAX_REQUEST, public_server_credentials, roles_server_credentials
from rpc.server import Server
from tally.tabulator import Tabulator
from trustees.coordinator import Coordinator
from trustees.service import SERVICE_NAME as COORDINATOR_SERVICE
from trustees.service import CoordinatorServicer, add_to

_ROLES = (BALLOT_BOX_SERVICE, COORDINATOR_SERVICE, ADMINISTRATION_SERVICE)
_SPARE_THREADS = 16
_PUBLIC_REQUEST = 64 << 10
"""Bytes of a request on the public listener, where nobody has anything to send."""
_GROUP_SECONDS = 0.1
"""How long a ballot waits for others that come with it onto the board."""
_DIRECTORY = click.Path(file_okay=False, path_type=Path)


@click.command()
@home_option("the server, made by `sailau election new`")
@passphrase_option
@click.option("--bind", default="0.0.0.0", show_default=True, help="Address to listen on.")  # noqa: S104
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=os.cpu_count() or 1,
    help="Processes that check ballots; by default one for each core.",
)
@click.option("--publish", type=_DIRECTORY, help="Keep the published record in this directory.")
@click.option("--http", metavar="HOST:PORT", help="Serve the published files over plain HTTP.")
@click.option(
    "--policy",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Ask the witnesses of this policy for cosignatures.",
)
@click.option("--new-database", is_flag=True, help="Make the database of a new election first.")
@click.option(
    "--recover",
    "recover_from",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Fill up an older copy of the database from this published record first.",
)
@click.option("--verbose", is_flag=True, help="Log every call (its method, role and status).")
def serve(
    home: Path,
    passphrase_file: Path | None,
    bind: str,
    workers: int,
    publish: Path | None,
    http: str | None,
    policy: Path | None,
    new_database: bool,
    recover_from: Path | None,
    verbose: bool,
) -> None:
    """Serve one election until SIGTERM or Ctrl-C.

    Two listeners, both with TLS: the public one, where anybody reads the record, and
    the roles' one, where devices, trustees and the administrator show a certificate.
    Everything acknowledged is on disk; start it again after a crash and it goes on.

    HOME/server.json has the settings: the ports, and `publish`, `http`, `policy`,
    `database`, `database_file`, which docs/operations.md explains. A second server on the
    same PostgreSQL database waits until the first is gone.
    """
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    config = ServerConfig.read(home).with_options(publish=publish, http=http, policy=policy)
    config.policy()  # what is wrong there is said before anybody waits
    with ExitStack() as stack:
        secrets = stack.enter_context(
            Keystore.open(home / KEYSTORE, passphrase(passphrase_file, "the server"))
        ).secrets
        # The workers start before anything of gRPC, which does not survive a fork.
        admission = Admission(config.election, workers=workers)
        stack.callback(admission.close)
        stop = _stopping()
        store = _open_store(stack, config, stop, new=new_database)
        if store is None:
            return
        if recover_from is not None:
            count = recover(store, recover_from, config.log_key)
            say(f"{count} artifacts of {recover_from} were not in the database, and are now")
        high_water = HighWater(config.high_water, config.log_key, config.publish)
        board = _open_board(store, config, secrets, admission, high_water)
        stack.callback(board.close)
        live = LiveBoard(stack, board, config, high_water)
        if board.transcript.phase is Phase.OPEN:
            admission.warm(board.transcript.state.need_keys())
        _serve(stack, board, store, config, config.tls_key(secrets), bind, live, stop)


def _stopping() -> threading.Event:
    """Set by the first SIGTERM or Ctrl-C."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _open_store(
    stack: ExitStack, config: ServerConfig, stop: threading.Event, *, new: bool
) -> Store | None:
    """The database, once this server may write; None if it was stopped while it waited."""
    location = config.database()
    if new:
        create_store(location, config.base_hash).close()
    # Only opened here: a database that is lost is not silently begun anew.
    store = open_store(location, config.base_hash)
    stack.callback(store.close)
    waiting = False
    while not store.wait_for_leadership(1.0):
        if stop.is_set():
            return None
        if not waiting:
            say("another server leads: waiting to take over")
            waiting = True
    return store


def _open_board(
    store: Store,
    config: ServerConfig,
    secrets: Mapping[str, bytes],
    admission: Admission,
    high_water: HighWater,
) -> Board:
    return Board.open(
        store,
        config.election,
        server_key=Ed25519PrivateKey.from_private_bytes(secrets[ROLE_KEY]),
        log_key=Ed25519PrivateKey.from_private_bytes(secrets[LOG_KEY]),
        admission=admission,
        timing=Timing(_GROUP_SECONDS),
        high_water=high_water,
    )


def _serve(
    stack: ExitStack,
    board: Board,
    store: Store,
    config: ServerConfig,
    key: TlsKey,
    bind: str,
    live: LiveBoard,
    stop: threading.Event,
) -> None:
    context = board.transcript.context
    warn_of_toys(context.group.parameters)
    coordinator = Coordinator(board, store)
    tabulator = Tabulator(board, store, board.sign_checkpoint)

    def listen(
        port: int,
        credentials: grpc.ServerCredentials,
        services: Sequence[str],
        followers: int,
        max_request: int,
    ) -> Server:
        """A listener with the board; each stream that follows takes a thread."""
        threads = followers + READERS + _SPARE_THREADS
        server = Server(
            f"{bind}:{port}",
            credentials,
            [BOARD_SERVICE, *services],
            workers=threads,
            max_request=max_request,
        )
        servicer = BoardServicer(
            board,
            present=coordinator.present,
            notices=lambda: [*coordinator.notices(), *tabulator.notices(), *live.notices()],
            followers=followers,
        )
        add_public(server.grpc_server, servicer)
        return server

    credentials = public_server_credentials(config.certificate, key)
    public = listen(config.public_port, credentials, (), FOLLOWERS, _PUBLIC_REQUEST)
    credentials = roles_server_credentials(config.certificate, key, config.authority)
    # Every trustee follows the board for as long as it runs.
    roles = listen(
        config.roles_port, credentials, _ROLES, FOLLOWERS + context.trustees, MAX_REQUEST
    )

    add_roles(
        roles.grpc_server,
        BallotBoxServicer(board),
        AdministrationServicer(board, coordinator.start_decryption, coordinator.start_drill),
    )
    add_to(roles.grpc_server, CoordinatorServicer(board, coordinator))
    live.start()
    _run(stack, board, tabulator, (public, roles))
    live.announce()
    _lead(board, store, stop)
    board.close()


def _run(
    stack: ExitStack, board: Board, tabulator: Tabulator, servers: tuple[Server, Server]
) -> None:
    ended = threading.Event()
    tally = threading.Thread(target=tabulator.run, args=(ended,), name="tally")
    tally.start()
    stack.callback(tally.join)
    stack.callback(board.close)
    stack.callback(ended.set)
    for server in servers:
        server.start()
        stack.callback(server.stop)
    label = board.transcript.context.manifest.label
    say(f"serving {label}: public port {servers[0].port}, roles' port {servers[1].port}")


def _lead(board: Board, store: Store, stop: threading.Event) -> None:
    """Until `stop`: look once a second whether this server may write, or wait until it may.

    Raises StoreDamaged if the database has lost what it had acknowledged.
    """
    while not stop.wait(1.0):
        if board.paused or not _leads(store):
            board.pause()
            say("this server does not write now: another one leads, or the database is away")
            if _lead_again(board, store, stop):
                say("this server leads again")


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
            logging.getLogger(__name__).warning("%s", error)
            stop.wait(1.0)
    return False
