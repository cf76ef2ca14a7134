"""Open polls behind real listeners, for tests of the services."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo  # type: ignore[import-untyped]
from grpc_status import rpc_status  # type: ignore[import-untyped]

from ballotbox import workers
from ballotbox.admission import Admission
from ballotbox.board import Board
from ballotbox.client import AdministrationClient, BoardClient, DeviceClient
from ballotbox.device import DeviceMachine
from ballotbox.journal import Journal
from ballotbox.store import SqliteStore
from crypto.parameters import TOY
from identity.roles import Role
from record.artifacts import Ballot
from record.artifacts import Role as SigningRole
from record.proofs import verify_ballots
from record.state import Phase
from sailau.v1 import ballot_box_pb2_grpc
from tests.ballots import Plain, device_statement, encrypt
from tests.listening import Listening
from tests.system.programs import PATIENCE
from tests.world import World

DEVICE = "ballot-box-1"
FULL = Plain({"president": (0, 0, 1), "council": (1, 2)})


class Polls:
    """Open polls behind two listeners; `world` follows what the tests submit through it."""

    def __init__(self, directory: Path, until: Phase = Phase.OPEN, **options: Any) -> None:
        self.directory = directory
        self.world = World.create(TOY[-1], until=until)
        self.store = SqliteStore.create(directory / "board.db", self.world.context.base_hash)
        self.board = Board.open(
            self.store,
            self.world.artifacts[0],
            server_key=self.world.role_key(SigningRole.SERVER),
            log_key=self.world.secrets.log,
            admission=Admission(self.world.artifacts[0], workers=0, queue=1),
        )
        for data in self.world.data():
            self.board.append(data)
        self.listening = Listening(self.board, **options)

    @property
    def ballot_box(self) -> ballot_box_pb2_grpc.BallotBoxServiceStub:
        """The first device's raw stub."""
        return ballot_box_pb2_grpc.BallotBoxServiceStub(
            self.listening.role_channel(Role.DEVICE, DEVICE)
        )

    def device_client(self, label: str = DEVICE) -> DeviceClient:
        channel = self.listening.role_channel(Role.DEVICE, label)
        return DeviceClient(channel, self.world.context, deadline=PATIENCE)

    def board_client(self) -> BoardClient:
        return BoardClient(self.listening.public_channel(), deadline=PATIENCE)

    def administration_client(self) -> AdministrationClient:
        channel = self.listening.role_channel(Role.ADMINISTRATOR, "administrator")
        return AdministrationClient(channel, deadline=PATIENCE)

    def machine(self, label: str = DEVICE) -> DeviceMachine:
        world, base_hash = self.world, self.world.context.base_hash
        journal = Journal.create(self.directory / f"{label}.db", base_hash, label, bytes(32))
        return DeviceMachine(world.context, world.keys, label, world.device_key(label), journal)

    def begin(self) -> None:
        data = self.world.append(device_statement(self.world, DEVICE)).data
        self.device_client().register(data)

    def submit(self, client: DeviceClient) -> Ballot:
        artifact = self.world.append(encrypt(self.world, FULL).ballot)
        client.submit(artifact.data)
        assert isinstance(artifact.statement, Ballot)
        return artifact.statement


def hold_proofs(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """Let the check of proofs wait: set when one has been entered, and to be set to go on."""
    entered, leave = threading.Event(), threading.Event()

    def slowly(*arguments: Any) -> Any:
        entered.set()
        assert leave.wait(PATIENCE)
        return verify_ballots(*arguments)

    monkeypatch.setattr(workers, "verify_ballots", slowly)
    return entered, leave


def failure(call: Callable[[], object]) -> tuple[grpc.StatusCode, ErrorInfo]:
    """The status code with which a call fails, and its details."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    error: Any = caught.value
    info = ErrorInfo()
    status = rpc_status.from_call(error)
    found = [d.Unpack(info) for d in (status.details if status else ()) if d.Is(info.DESCRIPTOR)]
    assert all(found)
    return error.code(), info
