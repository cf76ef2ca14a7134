"""The bulletin board over gRPC: reading, following, looking up, and its status."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import grpc
import pytest

from ballotbox.board import Board
from ballotbox.client import BoardClient
from ballotbox.store import SqliteStore
from crypto.errors import Malformed
from identity.roles import Role
from record.artifacts import Role as SigningRole
from rpc.errors import Busy, NotFound, Unavailable, explain
from sailau.v1 import bulletin_board_pb2, bulletin_board_pb2_grpc
from tests.ballots import device_statement
from tests.listening import Listening
from tests.ports import free_port
from tests.system.polls import DEVICE, Polls, failure, hold_proofs
from tests.system.programs import PATIENCE, wait_until

pytestmark = pytest.mark.system

CODE = grpc.StatusCode


# --- reading


def test_reading_in_ranges(shared: Polls) -> None:
    """First and limit; beyond the end there is nothing; limit and follow exclude each other."""
    board, data = shared.board_client(), list(shared.board.read_bytes(0, 10**6))
    assert list(board.read()) == data
    assert list(board.read(4, 3)) == data[4:7]
    assert list(board.read(len(data), 3)) == []
    assert list(board.read(2**62)) == []
    stub = bulletin_board_pb2_grpc.BulletinBoardServiceStub(shared.listening.public_channel())
    request = bulletin_board_pb2.ReadArtifactsRequest(limit=1, follow=True)
    assert failure(lambda: list(stub.ReadArtifacts(request)))[0] is CODE.INVALID_ARGUMENT


def test_reading_goes_on_while_a_ballot_is_checked(
    shared: Polls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proofs are checked outside of every lock that readers need."""
    entered, leave = hold_proofs(monkeypatch)
    submitting = threading.Thread(target=shared.submit, args=(shared.device_client(),))
    submitting.start()
    assert entered.wait(PATIENCE)
    board = shared.board_client()
    size = board.status().size
    assert len(list(board.read())) == size
    leave.set()
    submitting.join()


def test_codes_that_are_not_there(shared: Polls) -> None:
    """NOT_FOUND; what is no code is invalid."""
    board = shared.board_client()
    with pytest.raises(NotFound):
        board.look_up(shared.world.context, bytes(32))
    with pytest.raises(Malformed) as caught:
        board.look_up(shared.world.context, bytes(31))
    assert caught.value.field == "confirmation_code"


# --- following


def test_followers_get_what_comes(shared: Polls) -> None:
    """What is there first, then each new artifact, until they cancel."""
    first = shared.board.size() - 1
    stream = shared.board_client().follow(first)
    items = iter(stream)
    assert next(items) == (first, shared.board.read(first).data)
    client = shared.device_client()
    for index in range(first + 1, first + 4):
        shared.submit(client)
        assert next(items) == (index, shared.board.read(index).data)
    threading.Timer(0.1, stream.cancel).start()
    assert list(items) == []


def test_followers_do_not_starve_the_server(polls: Polls) -> None:
    """Four may follow here; the fifth is told to come later; a place becomes free again."""
    board = polls.board_client()
    streams = [board.follow() for _ in range(4)]
    followers = [iter(stream) for stream in streams]
    for follower in followers:
        assert next(follower)[0] == 0
    with pytest.raises(Busy):
        next(iter(board.follow()))
    polls.begin()
    polls.submit(polls.device_client())
    assert board.status().size == polls.board.size()
    for stream in streams:
        stream.cancel()
    followers.clear()

    def free() -> bool:
        stream = board.follow()
        try:
            return next(iter(stream))[0] == 0
        except Busy:
            return False
        finally:
            stream.cancel()

    wait_until(free)


def test_a_follower_survives_a_restart(tmp_path: Path) -> None:
    """It goes on where it was, on the same address."""
    port = free_port()
    polls = Polls(tmp_path, port=port)
    network = polls.listening.network
    channel = network.role_channel(port, Role.TRUSTEE, "trustee-1")
    with polls.listening:
        last = polls.world.state.size - 1
        stream = BoardClient(channel, deadline=PATIENCE).follow(last)
        items = iter(stream)
        assert next(items)[0] == last
    polls.store.close()
    polls.store = SqliteStore.open(tmp_path / "board.db", polls.world.context.base_hash)
    board = Board.open(
        polls.store,
        polls.world.artifacts[0],
        server_key=polls.world.role_key(SigningRole.SERVER),
        log_key=polls.world.secrets.log,
    )
    with Listening(board, network=network, port=port):
        index = board.append(polls.world.append(device_statement(polls.world, DEVICE)).data)
        assert next(items)[0] == index
        stream.cancel()
    channel.close()
    polls.store.close()


def test_a_server_that_stops_lets_followers_go(tmp_path: Path) -> None:
    """They get UNAVAILABLE, at once."""
    polls = Polls(tmp_path)
    with polls.listening:
        stub = bulletin_board_pb2_grpc.BulletinBoardServiceStub(polls.listening.public_channel())
        call = stub.ReadArtifacts(bulletin_board_pb2.ReadArtifactsRequest(follow=True))
        for _ in range(polls.board.size()):
            next(call)
        polls.board.close()
        with pytest.raises(grpc.RpcError) as caught:
            next(call)
        assert isinstance(explain(caught.value), Unavailable)
    polls.store.close()


# --- the status


def test_the_status_tells_who_is_there(tmp_path: Path) -> None:
    """What the coordinator says is passed on; a session is started through the door it gave."""
    asked: list[tuple[int, ...]] = []

    def start(trustees: Any) -> tuple[int, tuple[int, ...]]:
        asked.append(tuple(trustees))
        return 7, (1, 3)

    polls = Polls(
        tmp_path, start_decryption=start, present=lambda: (1, 3), notices=lambda: ["waiting"]
    )
    with polls.listening:
        status = polls.board_client().status()
        assert (status.trustees_present, status.notices) == ((1, 3), ("waiting",))
        assert polls.administration_client().start_decryption((3, 1)) == (7, (1, 3))
    assert asked == [(3, 1)]
    polls.store.close()
