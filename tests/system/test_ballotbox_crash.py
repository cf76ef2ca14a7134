"""SIGKILL in the middle of things: what was promised is there, once, and all goes on."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ballotbox.admission import Admission
from ballotbox.board import Board
from ballotbox.client import DeviceClient
from ballotbox.device import DeviceMachine
from ballotbox.errors import StoreInUse
from ballotbox.high_water import HighWater
from ballotbox.journal import Journal
from ballotbox.line import Line
from ballotbox.publishing import Publisher
from ballotbox.receipts import Receipt, ReceiptKind
from ballotbox.sequencer import Timing
from ballotbox.store import SqliteStore
from ballotbox.terminal import Terminal
from crypto.parameters import TOY
from identity.roles import Role
from identity.tlskeys import TlsKey
from record.archive import read_archive
from record.artifacts import Ballot, parse_artifact
from record.artifacts import Role as SigningRole
from record.checkpoint import parse_verifier_key, verify_checkpoint
from record.election import check_election
from record.state import Status
from record.transcript import Transcript
from tests.listening import Network
from tests.ports import free_port
from tests.system.programs import PATIENCE, wait_until
from tests.world import World

pytestmark = pytest.mark.system

DEVICE = "ballot-box-1"
KEY = bytes(32)
SPAWN = multiprocessing.get_context("spawn")


# --- the server


def serve(
    path: Path,
    election: bytes,
    server_key: bytes,
    log_key: bytes,
    certificate: bytes,
    tls_key: bytes,
    authority: bytes,
    port: int,
    ready: Connection,
) -> None:
    """A server process; tells the process id of its worker, then serves."""
    from ballotbox.service import (
        BALLOT_BOX_SERVICE,
        BOARD_SERVICE,
        AdministrationServicer,
        BallotBoxServicer,
        BoardServicer,
        add_public,
        add_roles,
    )
    from rpc.credentials import roles_server_credentials
    from rpc.server import Server
    from tests.listening import no_decryption
    from tests.ports import HOST

    first = parse_artifact(election, None)
    admission = Admission(first, workers=1)
    store = SqliteStore.open(path, check_election(first).base_hash)
    log = parse_verifier_key(check_election(first).election.log_key)
    board = Board.open(
        store,
        first,
        server_key=Ed25519PrivateKey.from_private_bytes(server_key),
        log_key=Ed25519PrivateKey.from_private_bytes(log_key),
        admission=admission,
        timing=Timing(0.02),
        high_water=HighWater(path.with_name("high-water"), log, path.with_name("record")),
    )
    publisher = Publisher(board, path.with_name("record"), interval=0.05)
    board.subscribe(publisher.poke)
    threading.Thread(target=publisher.run, args=(threading.Event(),), daemon=True).start()
    credentials = roles_server_credentials(certificate, TlsKey.from_pem(tls_key), authority)
    server = Server(f"{HOST}:{port}", credentials, [BOARD_SERVICE, BALLOT_BOX_SERVICE])
    add_public(server.grpc_server, BoardServicer(board))
    add_roles(
        server.grpc_server,
        BallotBoxServicer(board),
        AdministrationServicer(board, no_decryption),
    )
    server.start()
    (worker,) = multiprocessing.active_children()
    ready.send(worker.pid)
    server.grpc_server.wait_for_termination()


class Servers:
    """Starts the same server again and again, and kills it."""

    def __init__(self, directory: Path) -> None:
        self.world = World.create(TOY[-1])
        self.path = directory / "board.db"
        self.network = Network()
        self.port = free_port()
        self.worker = 0
        self.process: SpawnProcess | None = None
        store = SqliteStore.create(self.path, self.world.context.base_hash)
        for index, data in enumerate(self.world.data()):
            store.append(index, data)
        store.close()

    def start(self) -> None:
        ours, theirs = SPAWN.Pipe()
        world, network = self.world, self.network
        self.process = SPAWN.Process(
            target=serve,
            args=(
                self.path,
                world.artifacts[0].data,
                world.role_key(SigningRole.SERVER).private_bytes_raw(),
                world.secrets.log.private_bytes_raw(),
                network.certificate,
                network.key.private_pem(),
                network.authority.certificate_pem,
                self.port,
                theirs,
            ),
        )
        self.process.start()
        theirs.close()
        assert ours.poll(PATIENCE), "the server did not start"
        self.worker = ours.recv()

    def kill(self) -> None:
        assert self.process is not None
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.join()


def _gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    # A process whose parent was killed is a zombie until somebody asks for it.
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):  # which has happened just now
        return True


class Voters:
    """One device whose voters submit and cast, in a thread, until there are enough."""

    def __init__(self, servers: Servers, directory: Path) -> None:
        world, base_hash = servers.world, servers.world.context.base_hash
        journal = Journal.create(directory / "journal.db", base_hash, DEVICE, KEY)
        key = world.device_key(DEVICE)
        self.machine = DeviceMachine(world.context, world.keys, DEVICE, key, journal)
        self.channel = servers.network.role_channel(servers.port, Role.DEVICE, DEVICE)
        # A server that is started again may take long: nobody is to be offline meanwhile.
        client = DeviceClient(self.channel, world.context, deadline=2 * PATIENCE)
        self.terminal = Terminal(Line(self.machine, client))
        self.receipts: list[Receipt] = []
        self.failures: list[BaseException] = []
        self.enough = threading.Event()
        self.thread = threading.Thread(target=self._vote)

    def _vote(self) -> None:
        try:
            self.terminal.begin()
            while not self.enough.is_set():
                code, receipt = self.terminal.submit("centre", "full", {"council": {"no": 1}})
                assert receipt is not None
                self.receipts.append(receipt)
                cast = self.terminal.cast(code)
                if cast is not None:
                    self.receipts.append(cast)
            self.terminal.close()
        except BaseException as error:
            self.failures.append(error)
            raise

    def wait_for_some(self) -> None:
        """Until a few more receipts have come, or something has gone wrong."""
        before = len(self.receipts)
        wait_until(lambda: len(self.receipts) > before + 4 or bool(self.failures))
        assert not self.failures

    def finish(self) -> None:
        """Let the device close its chain."""
        self.enough.set()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()
        self.channel.close()
        assert not self.failures
        assert self.machine.outgoing() == ()


def test_every_receipted_ballot_is_there_once_after_kills(tmp_path: Path) -> None:
    """A device submits and casts while its server is killed three times and started again."""
    servers = Servers(tmp_path)
    servers.start()
    voters = Voters(servers, tmp_path)
    voters.thread.start()
    for _ in range(3):
        voters.wait_for_some()
        threading.Event().wait(random.random() / 10)
        servers.kill()
        wait_until(lambda: _gone(servers.worker))  # no worker outlives its server
        _check_files(servers)
        servers.start()
    voters.wait_for_some()
    voters.finish()
    servers.kill()

    store = SqliteStore.open(servers.path, servers.world.context.base_hash)
    data = list(store.read(0, 10**6))
    store.close()
    transcript = Transcript(servers.world.artifacts[0])
    for artifact in data[1:]:
        transcript.append(transcript.parse(artifact))
    state = transcript.state
    assert state.devices[DEVICE].closed
    assert len(set(data)) == len(data)
    submitted = [r for r in voters.receipts if r.kind is ReceiptKind.SUBMITTED]
    assert len(submitted) == len(state.ballots) == state.cast
    for receipt in voters.receipts:
        entry = state.ballots[receipt.confirmation_code]
        assert entry.status is Status.CAST
        place = entry.index if receipt.kind is ReceiptKind.SUBMITTED else entry.decided
        assert place == receipt.index


def _check_files(servers: Servers) -> None:
    """What is published is stored, all of it is there, and the mark is not above the database."""
    world, record = servers.world, servers.path.with_name("record")
    store = SqliteStore.open(servers.path, world.context.base_hash)
    data = list(store.read(0, 10**6))
    notes = [checkpoint.note for checkpoint in store.checkpoints()]
    store.close()
    assert servers.path.with_name("high-water").read_bytes() in notes
    if (record / "checkpoint").exists():
        note = (record / "checkpoint").read_bytes()
        assert note in notes
        if size := verify_checkpoint(note, world.log_key).size:
            with read_archive(record) as archive:
                assert list(archive.artifacts(world.log_key)) == data[:size]


def test_a_killed_server_leaves_no_lock_and_a_running_one_does(tmp_path: Path) -> None:
    """The database can be opened at once after a SIGKILL, and not before."""
    servers = Servers(tmp_path)
    servers.start()
    base_hash = servers.world.context.base_hash
    with pytest.raises(StoreInUse):
        SqliteStore.open(servers.path, base_hash)
    servers.kill()
    SqliteStore.open(servers.path, base_hash).close()


# --- the device


def encrypt_for_ever(world: World, path: Path, begun: bool, told: Connection) -> None:
    """A device process: every artifact it would send goes into the pipe instead."""
    base_hash = world.context.base_hash
    journal = (Journal.open if begun else Journal.create)(path, base_hash, DEVICE, KEY)
    machine = DeviceMachine(world.context, world.keys, DEVICE, world.device_key(DEVICE), journal)
    told.send_bytes(machine.begin().data)
    while True:
        artifact = machine.encrypt("centre", "full", {"council": {"yes": 1}})
        told.send_bytes(artifact.data)
        assert isinstance(artifact.statement, Ballot)
        if random.random() < 0.5:
            told.send_bytes(machine.cast(artifact.statement.confirmation_code).data)


def encrypt_from_bytes(artifacts: list[bytes], key: bytes, *rest: object) -> None:
    """The same, in a new process."""
    world = _copy_of(artifacts, key)
    encrypt_for_ever(world, *rest)  # type: ignore[arg-type]


def _copy_of(artifacts: list[bytes], key: bytes) -> World:
    from tests.world import Secrets

    first = parse_artifact(artifacts[0], None)
    private = Ed25519PrivateKey.from_private_bytes(key)
    secrets = Secrets({(SigningRole.DEVICE, DEVICE): private}, private)
    world = World(secrets, [first], Transcript(first))
    for data in artifacts[1:]:
        world.append_artifact(world.transcript.parse(data))
    return world


def test_a_killed_device_forgets_nothing_that_left_it(tmp_path: Path) -> None:
    """Three times; then everything it ever let out is one chain in its journal."""
    world = World.create(TOY[-1])
    path = tmp_path / "journal.db"
    left: list[bytes] = []
    for round_ in range(3):
        ours, theirs = SPAWN.Pipe()
        process = SPAWN.Process(
            target=encrypt_from_bytes,
            args=(
                world.data(),
                world.device_key(DEVICE).private_bytes_raw(),
                path,
                round_ > 0,
                theirs,
            ),
        )
        process.start()
        theirs.close()
        for _ in range(random.randint(5, 30)):
            assert ours.poll(PATIENCE)
            left.append(ours.recv_bytes())
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        try:
            while ours.poll():
                left.append(ours.recv_bytes())
        except (EOFError, OSError):
            pass  # killed within a message: that one did not get out
    journal = Journal.open(path, world.context.base_hash, DEVICE, KEY)
    machine = DeviceMachine(world.context, world.keys, DEVICE, world.device_key(DEVICE), journal)
    machine.close()
    kept = [message.data for message in journal.outgoing(limit=10**6)]
    assert set(left) <= set(kept)
    for data in kept:
        world.append_artifact(world.transcript.parse(data))
    assert world.state.devices[DEVICE].closed
    journal.close()
