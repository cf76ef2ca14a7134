"""Whoever reads the board as a stream: places, and the end of streams that nobody reads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from ballotbox.client import BoardClient
from ballotbox.service import board as service
from ballotbox.service.streams import EACH, Unread, shared_by_devices
from identity.roles import Role
from rpc.errors import Busy, explain
from sailau.v1 import bulletin_board_pb2, bulletin_board_pb2_grpc
from tests.system.polls import DEVICE, Polls
from tests.system.programs import PATIENCE, wait_until

pytestmark = pytest.mark.system

OTHER = "ballot-box-2"
UNREAD = 1.0
SMALL = [("grpc.http2.lookahead_bytes", 1024), ("grpc.http2.bdp_probe", 0)]
"""Options of a client that lets a server send little before it has read."""


@contextmanager
def opened(directory: Path, **options: Any) -> Iterator[Polls]:
    """Open polls whose listeners have these options, with a record larger than a window."""
    polls = Polls(directory, **options)
    with polls.listening:
        polls.begin()
        client = polls.device_client()
        for _ in range(10):
            polls.submit(client)
        yield polls
    polls.store.close()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Channels that are opened in this test let a server send little ahead."""
    make = grpc.secure_channel

    def secure_channel(address: str, credentials: Any, options: list[Any]) -> grpc.Channel:
        return make(address, credentials, options=[*options, *SMALL])

    monkeypatch.setattr(grpc, "secure_channel", secure_channel)


Stub = bulletin_board_pb2_grpc.BulletinBoardServiceStub
Who = tuple[Role, str]
ONE, TWO = (Role.DEVICE, DEVICE), (Role.DEVICE, OTHER)
TRUSTEE, ADMINISTRATOR = (Role.TRUSTEE, "trustee-1"), (Role.ADMINISTRATOR, "administrator")


def stub(polls: Polls, who: Who | None) -> Stub:
    """A connection of its own."""
    listening = polls.listening
    return Stub(listening.public_channel() if who is None else listening.role_channel(*who))


def hold(board: Stub, *, follow: bool = False) -> Any:
    """A stream of which one answer is read and no more; raises Busy."""
    call = board.ReadArtifacts(bulletin_board_pb2.ReadArtifactsRequest(follow=follow))
    try:
        next(call)
    except grpc.RpcError as error:
        raise explain(error) from error
    return call


def refused(board: Stub, *, follow: bool = False) -> bool:
    """Whether there is no place."""
    try:
        hold(board, follow=follow).cancel()
    except Busy:
        return True
    return False


# --- places


@pytest.mark.parametrize("follow", [False, True])
@pytest.mark.usefixtures("small")
def test_one_device_does_not_keep_the_others_out(tmp_path: Path, follow: bool) -> None:
    """It has two places of each kind, whatever it does with them; a place is given back."""
    with opened(tmp_path, followers=4, readers=4) as polls:
        one = stub(polls, ONE)
        calls = [hold(one, follow=follow) for _ in range(EACH)]
        with pytest.raises(Busy, match="are open with this certificate"):
            hold(stub(polls, ONE), follow=follow)
        others = polls.listening.role_channel(*TWO)
        assert len(list(BoardClient(others, deadline=PATIENCE).read())) == polls.board.size()
        assert not refused(stub(polls, TWO), follow=follow)
        calls.pop().cancel()
        wait_until(lambda: not refused(one, follow=follow))


@pytest.mark.parametrize("follow", [False, True])
@pytest.mark.usefixtures("small")
def test_devices_do_not_keep_trustees_out(tmp_path: Path, follow: bool) -> None:
    """With every place of the devices taken, trustees and the administrator have their own."""
    with opened(tmp_path, followers=EACH, readers=EACH) as polls:
        held = [hold(stub(polls, ONE), follow=follow) for _ in range(EACH)]
        assert refused(stub(polls, TWO), follow=follow)
        for who in (TRUSTEE, ADMINISTRATOR, (Role.TRUSTEE, "trustee-2")):
            held += [hold(stub(polls, who), follow=follow) for _ in range(EACH)]
            assert refused(stub(polls, who), follow=follow)
        assert all(call.is_active() for call in held)


def test_the_pool_has_places_for_all_devices(shared: Polls) -> None:
    """Each of the election's two devices has its own."""
    assert shared_by_devices(shared.world.context) == 2 * EACH


# --- streams that nobody reads


@pytest.mark.parametrize("who", [None, ONE])
@pytest.mark.parametrize("follow", [False, True])
@pytest.mark.usefixtures("small")
def test_a_stream_that_nobody_reads_ends(tmp_path: Path, who: Who | None, follow: bool) -> None:
    """And its place is somebody else's, on either listener."""
    with opened(tmp_path, followers=1, readers=1, unread=UNREAD) as polls:
        call = hold(stub(polls, who), follow=follow)
        other = stub(polls, who and TWO)
        assert refused(other, follow=follow)
        wait_until(lambda: not refused(other, follow=follow))
        with pytest.raises(grpc.RpcError) as caught:
            list(call)
        assert caught.value.code() is grpc.StatusCode.CANCELLED


def test_a_follower_may_wait(tmp_path: Path) -> None:
    """What does not come does not count: the stream has nothing that could be taken."""
    with opened(tmp_path, unread=0.2) as polls:
        size = polls.board.size()
        call = hold(stub(polls, None), follow=True)
        for _ in range(size - 1):
            next(call)
        time.sleep(1.0)
        polls.submit(polls.device_client())
        assert next(call).index == size


@pytest.mark.usefixtures("small")
def test_a_slow_reader_goes_on_where_it_was(tmp_path: Path) -> None:
    """A client that has computed for too long asks for the rest."""
    with opened(tmp_path, readers=1, unread=0.3) as polls:
        channel = polls.listening.role_channel(*ONE)
        items = BoardClient(channel, deadline=PATIENCE).read()
        read = [next(items)]
        wait_until(lambda: not refused(stub(polls, TWO)))
        assert read + list(items) == list(polls.board.read_bytes(0, 10**6))


def test_nobody_is_looked_after_for_nothing() -> None:
    """The thread that looks after streams ends when there are none, and comes again."""

    before = set(threading.enumerate())

    def watching() -> bool:
        return any(thread.name == "unread" for thread in {*threading.enumerate()} - before)

    unread = Unread(0.1)
    for _ in range(2):
        stream = unread.watched(iter("ab"), lambda: None)
        assert next(stream) == "a"
        assert watching()
        assert list(stream) == ["b"]
        wait_until(lambda: not watching())


# --- what a stream keeps


def test_a_stream_keeps_little(shared: Polls, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of large artifacts it has one in memory, and all are sent, in order."""
    data = list(shared.board.read_bytes(0, 10**6))
    for most in (1, max(map(len, data)) + 1, sum(map(len, data))):
        monkeypatch.setattr(service, "BATCH_BYTES", most)
        kept = service._beginning(data)
        assert len(kept) == 1 or sum(map(len, kept)) <= most
        assert list(shared.board_client().read()) == data
        assert list(shared.board_client().read(2, 3)) == data[2:5]
