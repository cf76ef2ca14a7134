"""Clients that want to keep the others out: connections, calls and ballots without end."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]
from grpc_reflection.v1alpha import reflection_pb2_grpc  # type: ignore[import-untyped]

import rpc.credentials
import rpc.server
from ballotbox import workers
from ballotbox.admission import Admission
from ballotbox.board import Board
from ballotbox.client import BoardClient, DeviceClient
from ballotbox.errors import StoreFailed
from ballotbox.store import SqliteStore
from crypto.parameters import TOY
from identity.roles import Role
from record.artifacts import MAX_BALLOT
from record.artifacts import Role as SigningRole
from record.proofs import verify_ballots
from rpc.credentials import public_server_credentials
from rpc.errors import Busy, Unavailable, explain
from rpc.interceptor import CALLS_PER_CALLER, STREAMS_IN
from sailau.v1 import ballot_box_pb2, ballot_box_pb2_grpc
from tests.ballots import Plain, device_statement, encrypt
from tests.listening import Listening, Network
from tests.ports import HOST
from tests.system.programs import PATIENCE, wait_until
from tests.world import World, manifest_bytes, manifest_document

pytestmark = pytest.mark.system

CODE = grpc.StatusCode
TIMEOUT = PATIENCE
ONE, TWO = "ballot-box-1", "ballot-box-2"


class Polls:
    """Open polls in which two devices have begun; no chaining, so that they may hurry."""

    def __init__(self, directory: Path) -> None:
        manifest = manifest_bytes(manifest_document("none"))
        self.world = World.create(TOY[-1], manifest=manifest)
        for device in (ONE, TWO):
            self.world.append(device_statement(self.world, device))
        self.store = SqliteStore.create(directory / "board.db", self.world.context.base_hash)
        for index, data in enumerate(self.world.data()):
            self.store.append(index, data)
        self.board = Board.open(
            self.store,
            self.world.artifacts[0],
            server_key=self.world.role_key(SigningRole.SERVER),
            log_key=self.world.secrets.log,
            admission=Admission(self.world.artifacts[0], workers=0, queue=4),
        )
        self.listening = Listening(self.board)

    def ballot(self, device: str) -> bytes:
        """A good ballot of a device."""
        plain = Plain({"president": (0, 1, 0)}, device=device, unit="village", style="short")
        return self.world.sign(encrypt(self.world, plain).ballot).data

    def client(self, device: str, deadline: float = TIMEOUT) -> DeviceClient:
        channel = self.listening.role_channel(Role.DEVICE, device)
        return DeviceClient(channel, self.world.context, deadline=deadline)


@pytest.fixture
def polls(tmp_path: Path) -> Iterator[Polls]:
    """Polls behind two listeners."""
    polls = Polls(tmp_path)
    with polls.listening:
        yield polls
    polls.store.close()


class Silent:
    """A stream of requests that never come, until it is let go."""

    def __init__(self) -> None:
        self._over = threading.Event()

    def requests(self) -> Iterator[bytes]:
        self._over.wait(TIMEOUT)
        yield from ()

    def let_go(self) -> None:
        self._over.set()


def _ended(calls: Sequence[Any], count: int) -> set[grpc.StatusCode]:
    """Wait until so many calls have ended, and say how."""
    ended = threading.Semaphore(0)
    for call in calls:
        call.add_done_callback(lambda _: ended.release())
    for _ in range(count):
        assert ended.acquire(timeout=TIMEOUT)
    return {call.code() for call in calls if call.done()}


def _healthy(channel: grpc.Channel) -> bool:
    answer = health_pb2_grpc.HealthStub(channel).Check(
        health_pb2.HealthCheckRequest(), timeout=TIMEOUT, wait_for_ready=True
    )
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def test_one_caller_does_not_take_all_threads(polls: Polls) -> None:
    """Calls whose message never comes are refused beyond a few; another device votes."""
    channel = polls.listening.role_channel(Role.DEVICE, ONE)
    silent = Silent()
    call: Any = channel.stream_unary("/sailau.v1.BallotBoxService/Submit")
    calls = [call.future(silent.requests()) for _ in range(60)]
    assert _ended(calls, 60 - CALLS_PER_CALLER[Role.DEVICE]) == {CODE.RESOURCE_EXHAUSTED}
    assert _healthy(polls.listening.role_channel(Role.DEVICE, TWO))
    polls.client(TWO).submit(polls.ballot(TWO))
    silent.let_go()
    held = [c.code() for c in calls if c.code() is not CODE.RESOURCE_EXHAUSTED]
    assert held == [CODE.INVALID_ARGUMENT] * CALLS_PER_CALLER[Role.DEVICE]  # no message came at all


def test_all_trustees_together_leave_room(polls: Polls) -> None:
    """A trustee's program needs few calls, and each certificate has no more than a few."""
    silent = Silent()
    most = CALLS_PER_CALLER[Role.TRUSTEE]
    calls = []
    for i in range(1, polls.world.context.trustees + 1):
        name = polls.world.context.trustee_key(i).name
        channel = polls.listening.role_channel(Role.TRUSTEE, name)
        call: Any = channel.stream_unary("/sailau.v1.BulletinBoardService/GetStatus")
        own = [call.future(silent.requests()) for _ in range(20)]
        assert _ended(own, 20 - most) == {CODE.RESOURCE_EXHAUSTED}
        calls += own
    assert _healthy(polls.listening.role_channel(Role.DEVICE, TWO))
    polls.client(TWO).submit(polls.ballot(TWO))
    silent.let_go()
    held = [c.code() for c in calls if c.code() is not CODE.RESOURCE_EXHAUSTED]
    assert held == [CODE.INVALID_ARGUMENT] * (most * polls.world.context.trustees)


def test_reflection_does_not_take_all_threads(polls: Polls) -> None:
    """Streams without a certificate, too, have their number."""
    channel = polls.listening.public_channel()
    silent = Silent()
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    calls = [stub.ServerReflectionInfo(silent.requests()) for _ in range(40)]
    assert _ended(calls, 40 - STREAMS_IN) == {CODE.RESOURCE_EXHAUSTED}
    assert _healthy(polls.listening.public_channel())
    silent.let_go()


def test_connections_have_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who holds a hundred connections to one listener holds no more than its share of files."""
    monkeypatch.setattr(rpc.server, "MOST_CONNECTIONS", 8)
    # Those that are kept are not to end because their handshake takes too long.
    monkeypatch.setattr(rpc.credentials, "HANDSHAKE_TIMEOUT_MS", 3_600_000)
    network = Network()
    credentials = public_server_credentials(network.certificate, network.key)
    with rpc.server.Server(f"{HOST}:0", credentials, []) as server, ExitStack() as stack:
        assert _healthy(stack.enter_context(network.public_channel(server.port)))
        held = {
            stack.enter_context(socket.create_connection((HOST, server.port), TIMEOUT))
            for _ in range(100)
        }

        def few() -> bool:
            held.difference_update([one for one in held if _is_over(one)])
            return len(held) <= 8

        wait_until(few)


def _is_over(connection: socket.socket) -> bool:
    """Whether the other side has ended it."""
    connection.setblocking(False)
    try:
        return not connection.recv(1)
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def test_worthless_ballots_of_one_device_leave_room_for_another(
    polls: Polls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device has two ballots under way; the queue goes on taking those of others."""
    entered, leave = threading.Semaphore(0), threading.Event()

    def slowly(*arguments: Any) -> Any:
        entered.release()
        assert leave.wait(TIMEOUT)
        return verify_ballots(*arguments)

    monkeypatch.setattr(workers, "verify_ballots", slowly)
    channel = polls.listening.role_channel(Role.DEVICE, ONE)
    box = ballot_box_pb2_grpc.BallotBoxServiceStub(channel)
    requests = [ballot_box_pb2.SubmitRequest(artifact=polls.ballot(ONE)) for _ in range(6)]
    calls = [box.Submit.future(request) for request in requests[:2]]
    for _ in calls:
        assert entered.acquire(timeout=TIMEOUT)
    for request in requests[2:]:
        with pytest.raises(grpc.RpcError) as caught:
            box.Submit(request, timeout=TIMEOUT)
        assert isinstance(explain(caught.value), Busy)
    other = threading.Thread(target=polls.client(TWO).submit, args=(polls.ballot(TWO),))
    other.start()
    assert entered.acquire(timeout=TIMEOUT)
    leave.set()
    other.join(TIMEOUT)
    assert not other.is_alive()
    for call in calls:
        call.result(TIMEOUT)
    # With room again the device goes on.
    box.Submit(requests[2], timeout=TIMEOUT)


def test_a_busy_server_is_asked_again(polls: Polls, monkeypatch: pytest.MonkeyPatch) -> None:
    """Devices that come all at once get their turns."""
    turned_away = iter((True, True, False))
    accept = polls.board.accept

    def busy(*arguments: Any) -> Any:
        if next(turned_away, False):
            raise Busy("the queue is full")
        return accept(*arguments)

    monkeypatch.setattr(polls.board, "accept", busy)
    polls.client(ONE).submit(polls.ballot(ONE))
    assert list(turned_away) == []  # it was asked so often


def test_a_large_artifact_is_not_even_parsed(polls: Polls, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of a device's has more than 1 MiB, and a decoder may take forty times that."""
    parsed: list[bytes] = []
    monkeypatch.setattr(polls.board.transcript, "parse", parsed.append)
    channel = polls.listening.role_channel(Role.DEVICE, ONE)
    request = ballot_box_pb2.SubmitRequest(artifact=bytes(MAX_BALLOT + 1))
    with pytest.raises(grpc.RpcError) as caught:
        ballot_box_pb2_grpc.BallotBoxServiceStub(channel).Submit(request, timeout=TIMEOUT)
    assert caught.value.code() is CODE.INVALID_ARGUMENT
    assert parsed == []


@pytest.mark.slow
def test_a_full_disk_is_told_to_the_operator_alone(
    polls: Polls, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says what is wrong, the caller to try again; the board goes on afterwards."""

    def full(*_: Any) -> None:
        raise StoreFailed("board.db: database or disk is full")

    ballot, size = polls.ballot(ONE), polls.board.size()
    with monkeypatch.context() as patched, caplog.at_level(logging.INFO):
        patched.setattr(polls.store, "append", full)
        with pytest.raises(Unavailable) as caught:
            polls.client(ONE, deadline=30.0).submit(ballot)
    assert "disk is full" in caplog.text
    assert "disk" not in str(caught.value)
    assert len(list(BoardClient(polls.listening.public_channel()).read())) == size
    assert polls.client(ONE).submit(ballot).index == size
