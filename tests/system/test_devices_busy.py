"""Devices that take every place of the server's streams, and what becomes of everybody else."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest

from ballotbox.service.streams import EACH
from cli.common import REFUSED, UNREACHABLE
from cli.homes import open_home
from crypto.errors import SailauError
from identity.roles import Role
from rpc.errors import Busy, explain
from rpc.interceptor import CALLS_PER_CALLER
from sailau.v1 import bulletin_board_pb2, bulletin_board_pb2_grpc
from tests.system.programs import Place, call, refused

pytestmark = pytest.mark.system

BUSY = "the server is too busy"
ORDER = {"unit": "hall", "selections": {"mayor": {"asel": 1}}, "then": "cast"}


@contextmanager
def connected(place: Place, role: str) -> Iterator[grpc.Channel]:
    """A channel with the certificate of a home, on which a server can send little ahead."""
    home = open_home(place.root / role, (place.root / "keys" / role).read_text().strip().encode())
    with home.keystore:
        invitation, key = home.invitation(), home.tls_key.private_pem()
    credentials = grpc.ssl_channel_credentials(invitation.authority, key, invitation.certificate)
    options = [
        ("grpc.ssl_target_name_override", invitation.server_name),
        ("grpc.enable_http_proxy", 0),
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", 1024),
    ]
    with grpc.secure_channel(invitation.roles_address, credentials, options) as channel:
        yield channel


@contextmanager
def holding(place: Place, role: str, *, follow: bool = False) -> Iterator[list[Any]]:
    """As many streams of this role as it gets, of which it reads one answer each."""
    held: list[Any] = []
    reasons: list[SailauError] = []
    request = bulletin_board_pb2.ReadArtifactsRequest(follow=follow)
    with connected(place, role) as channel:
        board = bulletin_board_pb2_grpc.BulletinBoardServiceStub(channel)
        for _ in range(CALLS_PER_CALLER[Role.DEVICE]):
            stream = board.ReadArtifacts(request)
            try:
                next(stream)
            except grpc.RpcError as error:
                reasons.append(explain(error))
            else:
                held.append(stream)
        assert len(held) == EACH
        assert all(isinstance(reason, Busy) for reason in reasons)
        yield held
        for stream in held:
            stream.cancel()


def test_others_go_on(at: Callable[[str], Place]) -> None:
    """One device reads nothing of what it asks for; another one and the administrator do."""
    place = at("voted")
    place.serve()
    with holding(place, "device-1") as held:
        done = call("device", "prepare", *place.home("device-2"))
        assert (done.code, done.err) == (0, "")
        (answer,) = place.vote(2, ORDER)
        assert "receipt" in answer
        closed = call("election", "close", *place.admin)  # it reads the record, and then refuses
        refused(closed, REFUSED, "box-1")
        assert all(stream.is_active() for stream in held)


def test_trustees_follow(at: Callable[[str], Place]) -> None:
    """All devices together follow as long as they like; a drill is answered meanwhile."""
    place = at("voted")
    place.serve()
    with (
        holding(place, "device-1", follow=True),
        holding(place, "device-2", follow=True),
        holding(place, "device-1") as one,
        holding(place, "device-2") as two,
    ):
        trustees = [place.trustee(i) for i in (1, 2, 3)]
        place.wait(lambda status: status.trustees_present == (1, 2, 3))
        asked = call("election", "drill", *place.admin, "--wait", "60")
        assert asked.code == 0, asked
        assert all(stream.is_active() for stream in (*one, *two))
        for trustee in trustees:
            trustee.kill()
            assert "as many" not in trustee.err.read_text()


def test_a_busy_server_is_no_missing_network(
    at: Callable[[str], Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device tries again for its deadline, and then says that the server is busy."""
    place = at("voted")
    place.serve()
    home = place.home("device-1")
    assert call("device", "prepare", *home).code == 0
    monkeypatch.setattr("cli.device_open.ANSWER", 2.0)
    with holding(place, "device-1"):
        again = call("device", "prepare", *home)
        assert again.code == UNREACHABLE
        assert again.err.splitlines()[-1] == f"sailau: {BUSY}; what was prepared before is kept"
        voted = call("device", "run", *home, stdin=json.dumps(ORDER).encode())
        first, *_ = voted.err.splitlines()
        assert first.startswith(f"{BUSY} (")
        assert "codes are provisional" in first
        assert "offline" not in voted.err
        assert json.loads(voted.out)["provisional"] is True
    uploaded = call("device", "upload", *home)
    assert uploaded.code == 0, uploaded


def test_a_place_in_time_is_taken(at: Callable[[str], Place]) -> None:
    """Nobody hears of a server that was busy for a moment."""
    place = at("voted")
    place.serve()
    home = place.home("device-1")
    assert call("device", "prepare", *home).code == 0
    with holding(place, "device-1") as held:
        timer = threading.Timer(2.0, lambda: [stream.cancel() for stream in held])
        timer.start()
        done = call("device", "prepare", *home)
        timer.join()
    assert (done.code, done.err) == (0, "")
