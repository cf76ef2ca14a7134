"""`sailau serve`: the board, the ballot box and the coordinator of one election."""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click
import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ballotbox.admission import Admission
from ballotbox.board import Board
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
from ballotbox.store import SqliteStore
from cli.common import home_option, passphrase, passphrase_option, say
from cli.homes import KEYSTORE, ROLE_KEY, TLS_KEY
from cli.new_election import (
    ARTIFACT,
    AUTHORITY,
    CERTIFICATE,
    DATABASE,
    LOG_KEY,
    SERVER_FILE,
)
from cli.parameters import warn_of_toys
from crypto.errors import Malformed
from identity.authority import certificate_key, parse_certificate
from identity.keystore import Keystore
from identity.tlskeys import TlsKey
from record.artifacts import Artifact, parse_artifact
from record.election import check_election
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
@click.option("--verbose", is_flag=True, help="Log every call (its method, role and status).")
def serve(home: Path, passphrase_file: Path | None, bind: str, workers: int, verbose: bool) -> None:
    """Serve one election until SIGTERM or Ctrl-C.

    Two listeners, both with TLS: the public one, where anybody reads the record, and
    the roles' one, where devices, trustees and the administrator show a certificate.
    Everything acknowledged is on disk; start it again after a crash and it goes on.
    """
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    config = _Config.read(home)
    with ExitStack() as stack:
        secrets = stack.enter_context(
            Keystore.open(home / KEYSTORE, passphrase(passphrase_file, "the server"))
        ).secrets
        # The workers start before anything of gRPC, which does not survive a fork.
        admission = Admission(config.election, workers=workers)
        stack.callback(admission.close)
        # Only opened here: a database that is lost is not silently begun anew.
        store = SqliteStore.open(home / DATABASE, check_election(config.election).base_hash)
        stack.callback(store.close)
        board = _open_board(store, config.election, secrets, admission)
        stack.callback(board.close)
        if board.transcript.phase is Phase.OPEN:
            admission.warm(board.transcript.state.need_keys())
        _serve(stack, board, store, config, config.tls_key(secrets), bind)


@dataclass(frozen=True, slots=True)
class _Config:
    election: Artifact
    certificate: bytes
    authority: bytes
    public_port: int
    roles_port: int

    @classmethod
    def read(cls, home: Path) -> _Config:
        """The public files of the server's home."""
        try:
            ports = json.loads((home / SERVER_FILE).read_text())
            public, roles = int(ports["public_port"]), int(ports["roles_port"])
        except (ValueError, KeyError, TypeError):
            raise Malformed(
                str(home / SERVER_FILE), "does not name public_port and roles_port"
            ) from None
        return cls(
            parse_artifact((home / ARTIFACT).read_bytes(), None),
            (home / CERTIFICATE).read_bytes(),
            (home / AUTHORITY).read_bytes(),
            public,
            roles,
        )

    def tls_key(self, secrets: Mapping[str, bytes]) -> TlsKey:
        """The server's TLS key, if the certificate is for it: gRPC would not say why not."""
        key = TlsKey.from_pem(secrets[TLS_KEY])
        parse_certificate(self.authority, AUTHORITY)
        certificate = parse_certificate(self.certificate, CERTIFICATE)
        if certificate_key(certificate, CERTIFICATE) != key.public_der:
            raise Malformed(CERTIFICATE, "is not for the key in this key store")
        return key


def _open_board(
    store: SqliteStore, election: Artifact, secrets: Mapping[str, bytes], admission: Admission
) -> Board:
    return Board.open(
        store,
        election,
        server_key=Ed25519PrivateKey.from_private_bytes(secrets[ROLE_KEY]),
        log_key=Ed25519PrivateKey.from_private_bytes(secrets[LOG_KEY]),
        admission=admission,
    )


def _serve(
    stack: ExitStack, board: Board, store: SqliteStore, config: _Config, key: TlsKey, bind: str
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
            notices=lambda: [*coordinator.notices(), *tabulator.notices()],
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
        AdministrationServicer(board, coordinator.start_decryption),
    )
    add_to(roles.grpc_server, CoordinatorServicer(board, coordinator))
    _run(stack, board, tabulator, (public, roles))


def _run(
    stack: ExitStack, board: Board, tabulator: Tabulator, servers: tuple[Server, Server]
) -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    tally = threading.Thread(target=tabulator.run, args=(stop,), name="tally")
    tally.start()
    stack.callback(tally.join)
    stack.callback(stop.set)
    for server in servers:
        server.start()
        stack.callback(server.stop)
    label = board.transcript.context.manifest.label
    say(f"serving {label}: public port {servers[0].port}, roles' port {servers[1].port}")
    while not stop.wait(1.0):
        pass
    board.close()
