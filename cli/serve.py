"""`sailau serve`: the board, the ballot box and the coordinator of one election."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import click
import grpc

from ballotbox.board import Board
from ballotbox.high_water import HighWater
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
    calls_at_once,
    shared_by_devices,
)
from ballotbox.store import Store
from cli.common import counted, home_option, json_option, passphrase, passphrase_option, say
from cli.homes import KEYSTORE
from cli.new_election import CERTIFICATE
from cli.parameters import warn_of_toys
from cli.serve_acts import KEYS, Acts, Start
from cli.serve_config import ServerConfig
from cli.serve_leading import board_of, lead, open_board, open_leading
from cli.serve_live import LiveBoard
from cli.serve_logs import CONSOLE, JSON, configure_logs
from cli.serve_metrics import (
    CountedAdmission,
    MetricsServer,
    ServerMetrics,
    board_gauges,
    place_gauges,
)
from cli.serve_recovery import recover
from crypto.errors import Malformed
from identity.authority import parse_certificate
from identity.keystore import Keystore
from identity.roles import Role
from identity.tlskeys import TlsKey
from record.state import Phase
from record.wire import MAX_TEXT
from rpc.credentials import MAX_REQUEST, public_server_credentials, roles_server_credentials
from rpc.interceptor import CALLS_PER_CALLER
from rpc.server import Server
from tally.tabulator import Tabulator
from trustees.coordinator import Coordinator
from trustees.service import SERVICE_NAME as COORDINATOR_SERVICE
from trustees.service import CoordinatorServicer, add_to

_ROLES = (BALLOT_BOX_SERVICE, COORDINATOR_SERVICE, ADMINISTRATION_SERVICE)
_SPARE_THREADS = 16
_PUBLIC_REQUEST = 64 << 10
"""Bytes of a request on the public listener, where nobody has anything to send."""
_DIRECTORY = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)


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
@click.option("--reason", metavar="TEXT", help="Why it is started now; it goes on the record.")
@click.option("--metrics", metavar="[HOST:]PORT", help="Answer Prometheus there, at /metrics.")
@click.option(
    "--log-format",
    type=click.Choice([JSON, CONSOLE]),
    help="How to log; JSON lines, unless standard error is a terminal.",
)
@click.option("--verbose", is_flag=True, help="Log every call (its method, role and status).")
@click.option("--check", is_flag=True, help="Do not serve: look whether all is ready.")
@click.option("--protocol", type=_FILE, help="With --check: write a protocol to be signed.")
@click.option("--record", is_flag=True, help="With --check: put the outcome on the record.")
@json_option
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
    reason: str | None,
    metrics: str | None,
    log_format: str | None,
    verbose: bool,
    check: bool,
    protocol: Path | None,
    record: bool,
    as_json: bool,
) -> None:
    """Serve one election until SIGTERM or Ctrl-C.

    Two listeners, both with TLS: the public one, where anybody reads the record, and
    the roles' one, where devices, trustees and the administrator show a certificate.
    Everything acknowledged is on disk; start it again after a crash and it goes on.

    HOME/server.json has the settings: the ports, and `publish`, `http`, `policy`, `metrics`,
    `database`, `database_file`, which docs/operations.md explains. A second server on the
    same PostgreSQL database waits until the first is gone.

    Each start and each orderly end is on the record, with its reason.

    With --check it serves nothing and looks at keys, certificate, clock, disks, database,
    witnesses, devices, trustees and settings, also while a server runs. Exit code 0: ready;
    1: something must be mended; 2: it could not look.
    """
    configure_logs(verbose=verbose, form=log_format)
    config = ServerConfig.read(home).with_options(
        publish=publish, http=http, policy=policy, metrics=metrics
    )
    if check:
        from cli.checking import check_server

        secret = passphrase(passphrase_file, "the server")
        check_server(config, secret, workers, protocol=protocol, on_record=record, as_json=as_json)
        return
    if protocol or record or as_json:
        raise click.UsageError("--protocol, --record and --json go with --check")
    settings = config.public(workers)  # what is wrong there is said before anybody waits
    start = Start(settings, _checked_reason(reason), KEYS)
    with ExitStack() as stack:
        secrets = stack.enter_context(
            Keystore.open(home / KEYSTORE, passphrase(passphrase_file, "the server"))
        ).secrets
        numbers = ServerMetrics()
        # The workers start before anything of gRPC, which does not survive a fork.
        admission = CountedAdmission(config.election, workers=workers, numbers=numbers)
        stack.callback(admission.close)
        stop = _Stop()
        opened = open_leading(stack, config, stop.asked, new=new_database)
        if opened is None:
            return
        store, took_over = opened
        recovered = _recover(store, recover_from, config) if recover_from else None
        start = replace(start, took_over=took_over, recovered=recovered)
        high_water = HighWater(config.high_water, config.log_key, config.publish)
        make = partial(board_of, store, config, secrets, admission, high_water)
        board = open_board(store, make, took_over, stop.asked)
        if board is None:
            return
        stack.callback(board.close)
        live = LiveBoard(stack, board, config, high_water)
        if board.transcript.phase is Phase.OPEN:
            admission.warm(board.transcript.state.need_keys())
        _measure(stack, numbers, board, live, config, high_water)
        key, acts = config.tls_key(secrets), Acts(board, start)
        _serve(stack, board, store, config, key, bind, live, numbers, acts, stop)


def _checked_reason(reason: str | None) -> str:
    """The operator's reason, which the record takes; empty without one."""
    reason = " ".join((reason or "").split())
    if len(reason.encode()) > MAX_TEXT or not reason.isprintable():
        raise Malformed("--reason", f"is not a text of at most {MAX_TEXT} bytes")
    return reason


class _Stop:
    """Set by the first SIGTERM or Ctrl-C, which is kept for the record."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.reason = ""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _: object) -> None:
        self.reason = self.reason or f"stopped by {signal.Signals(number).name}"
        self.asked.set()


def _recover(store: Store, directory: Path, config: ServerConfig) -> int | None:
    """How much was filled up; None if nothing was missing."""
    count = recover(store, directory, config.log_key)
    say(f"filled up the database with {counted(count, 'artifact')} of {directory}")
    return count or None


def _measure(
    stack: ExitStack,
    numbers: ServerMetrics,
    board: Board,
    live: LiveBoard,
    config: ServerConfig,
    high_water: HighWater,
) -> None:
    """Have everything counted, and told to Prometheus if the settings say so."""
    numbers.begins_at(board.transcript.state.size)
    board.subscribe(lambda: numbers.grown(board.transcript.state.size))
    numbers.add(board_gauges(board, high_water))
    numbers.add(live.metrics)
    certificate = parse_certificate(config.certificate, CERTIFICATE)
    numbers.add(place_gauges(config.places(), certificate.not_valid_after_utc.timestamp()))
    if config.metrics:
        stack.callback(MetricsServer(config.metrics, numbers).stop)


def _serve(
    stack: ExitStack,
    board: Board,
    store: Store,
    config: ServerConfig,
    key: TlsKey,
    bind: str,
    live: LiveBoard,
    numbers: ServerMetrics,
    acts: Acts,
    stop: _Stop,
) -> None:
    context = board.transcript.context
    warn_of_toys(context.group.parameters)
    coordinator = Coordinator(board, store)
    tabulator = Tabulator(board, store, board.sign_checkpoint)

    def listen(
        port: int,
        credentials: grpc.ServerCredentials,
        services: Sequence[str],
        streams: tuple[int, int],
        max_request: int,
        more: int = 0,
    ) -> Server:
        """A listener with the board; each stream, following or not, takes a thread."""
        followers, readers = streams
        threads = followers + readers + _SPARE_THREADS + more
        server = Server(
            f"{bind}:{port}",
            credentials,
            [BOARD_SERVICE, *services],
            workers=threads,
            max_request=max_request,
            observe=numbers.called,
        )
        servicer = BoardServicer(
            board,
            present=coordinator.present,
            notices=lambda: [*coordinator.notices(), *tabulator.notices(), *live.notices()],
            followers=followers,
            readers=readers,
        )
        add_public(server.grpc_server, servicer)
        return server

    credentials = public_server_credentials(config.certificate, key)
    streams = FOLLOWERS, READERS
    public = listen(config.public_port, credentials, (), streams, _PUBLIC_REQUEST)
    credentials = roles_server_credentials(config.certificate, key, config.authority)
    # Every trustee follows the board for as long as it runs. There are threads for every call
    # that trustees and the administrator may make, besides those for what devices do.
    followers = readers = shared_by_devices(context)
    trustees = context.trustees * CALLS_PER_CALLER[Role.TRUSTEE]
    more = trustees + CALLS_PER_CALLER[Role.ADMINISTRATOR] + calls_at_once(board)
    streams = followers, readers
    roles = listen(config.roles_port, credentials, _ROLES, streams, MAX_REQUEST, more)

    add_roles(
        roles.grpc_server,
        BallotBoxServicer(board),
        AdministrationServicer(board, coordinator.start_decryption, coordinator.start_drill),
    )
    add_to(roles.grpc_server, CoordinatorServicer(board, coordinator))
    live.start()
    orderly = threading.Event()
    # After everything that writes has ended, and before the last group is published.
    stack.callback(lambda: acts.stopped(stop.reason) if orderly.is_set() else None)
    acts.started()
    _run(stack, board, tabulator, (public, roles))
    live.announce()
    lead(board, store, acts, numbers, stop.asked)
    orderly.set()
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
