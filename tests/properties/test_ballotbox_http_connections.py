"""Connections that do nothing: they take neither the process's files nor others' places."""

from __future__ import annotations

import asyncio
import errno
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import urllib3
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ballotbox import http_connections, web
from ballotbox.http_connections import Connection, Limits, Places, network_of
from ballotbox.web import HttpServer, WebServer, listener_at

HALF = b"GET /checkpoint HTTP/1.1\r\nHost: x\r\n"
GET = HALF + b"\r\n"
BUNDLE = 64 << 20
REQUESTS = {
    "a long answer": GET.replace(b"checkpoint", b"artifacts/000"),
    "many short ones": 100_000 * GET,
}
PATIENT = Limits(request_seconds=300, idle_seconds=300, taking_seconds=300)


@contextmanager
def serving(directory: Path, limits: Limits) -> Iterator[WebServer]:
    """A record with a checkpoint and a bundle that no socket's buffer has room for."""
    (directory / "artifacts").mkdir()
    (directory / "checkpoint").write_text("note\n")
    with (directory / "artifacts" / "000").open("wb") as file:
        file.truncate(BUNDLE)
    server = WebServer(directory, "127.0.0.1:0", limits)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def connected(server: HttpServer, count: int, data: bytes = b"") -> Iterator[list[socket.socket]]:
    """So many connections, each of which has sent this."""
    with ExitStack() as stack:
        opened = []
        for _ in range(count):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 30))
            opened.append(one)
            if data:
                try:
                    one.sendall(data)
                except OSError:  # closed already
                    continue
        yield opened


def closed(one: socket.socket) -> bool:
    """Whether the server has ended it; what it sent before is thrown away."""
    one.settimeout(0)
    try:
        while one.recv(1 << 20):
            pass
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def seconds_until_closed(one: socket.socket) -> float:
    begin = time.monotonic()
    one.settimeout(60)
    try:
        while one.recv(1 << 20):
            pass
    except ConnectionError:
        pass
    return time.monotonic() - begin


def received(one: socket.socket, until: bytes) -> bytes:
    """What comes, as far as this."""
    got = b""
    while not got.endswith(until):
        part = one.recv(1000)
        assert part, got
        got += part
    return got


def wait_until(found: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not found():
        assert time.monotonic() < end
        time.sleep(0.01)


def status(server: HttpServer) -> int:
    with urllib3.PoolManager(retries=False, timeout=30) as pool:
        return pool.request("GET", f"{server.url}/checkpoint").status


# --- places


@pytest.mark.parametrize("data", [b"", HALF, GET])
def test_idle_connections_take_no_more_than_their_places(tmp_path: Path, data: bytes) -> None:
    """However patient the server is; the newest are kept, and requests are answered."""
    with serving(tmp_path, PATIENT) as server, connected(server, 400, data) as opened:
        wait_until(lambda: sum(not closed(one) for one in opened) <= 256)
        assert status(server) == 200
        assert not closed(opened[-1])
        wait_until(lambda: sum(not closed(one) for one in opened) == 255)


def test_whoever_goes_leaves_its_place(tmp_path: Path) -> None:
    """Before a request, in the middle of one, after it and in the middle of an answer."""
    with serving(tmp_path, PATIENT) as server:
        for data in (b"", HALF, GET, REQUESTS["a long answer"]):
            with connected(server, 3, data):
                wait_until(lambda: len(server._server.places._taken) == 3)
            wait_until(lambda: not server._server.places._taken)
        assert not server._server.places._waiting


def test_a_process_with_few_files_keeps_most_of_them(tmp_path: Path) -> None:
    """Places are in proportion to the files that may be open."""
    program = f"""
import resource, sys
from pathlib import Path
from ballotbox.http_connections import Limits
from ballotbox.web import WebServer
resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
server = WebServer(Path({str(tmp_path)!r}), "127.0.0.1:0", Limits(request_seconds=300))
server.start()
print(server.port, flush=True)
sys.stdin.readline()
files = [open("/dev/null") for _ in range(80)]
print("opened", len(files), flush=True)
sys.stdin.readline()
server.stop()
"""
    (tmp_path / "checkpoint").write_text("note\n")
    command = [sys.executable, "-c", program]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as child:
        assert child.stdin
        assert child.stdout
        assert child.stderr
        try:
            port = int(child.stdout.readline())
            there = cast("HttpServer", SimpleNamespace(port=port, url=f"http://127.0.0.1:{port}"))
            with connected(there, 300) as opened:
                wait_until(lambda: sum(not closed(one) for one in opened) <= 8)
                print(file=child.stdin, flush=True)
                assert child.stdout.readline() == "opened 80\n"
                assert status(there) == 200
            print(file=child.stdin, flush=True)
            assert child.wait(60) == 0
            assert child.stderr.read() == ""
        finally:
            child.kill()


class Ending:
    """A connection of which only its end is looked at."""

    def __init__(self, places: Places, host: str, *, waits: bool = True) -> None:
        self.ended = False
        self.places = places
        places.take(cast("Connection", self), host)
        if waits:
            places.waits(cast("Connection", self))

    def end(self) -> None:
        """As `Connection.end`."""
        self.ended = True
        self.places.leave(cast("Connection", self))


def test_one_network_takes_an_eighth() -> None:
    """It makes room among its own; the loopback has all, and those that are answered stay."""
    places = Places(64)
    others = [Ending(places, f"192.0.2.{n}") for n in range(8)]
    mine = [Ending(places, "2001:db8::1") for _ in range(8)]
    assert places.make_room("2001:db8::ffff")
    assert [one.ended for one in mine] == [True] + 7 * [False]
    Ending(places, "2001:db8::2", waits=False)
    for one in mine[1:]:
        places.moves(cast("Connection", one))
    assert not places.make_room("2001:db8::3")
    assert places.make_room("2001:db8:0:1::3")
    local = [Ending(places, "127.0.0.1", waits=False) for _ in range(48)]
    assert not any(one.ended for one in others)
    assert places.make_room("198.51.100.1")
    assert [one.ended for one in others] == [True] + 7 * [False]
    Ending(places, "127.0.0.1", waits=False)
    for one in others[1:]:
        assert places.make_room("127.0.0.1")
        assert one.ended
        Ending(places, "127.0.0.1", waits=False)
    assert not places.make_room("127.0.0.1")
    assert not places.make_room("198.51.100.1")
    local[0].end()
    assert places.make_room("198.51.100.1")


def test_waiting_longer_is_not_forgotten() -> None:
    """Whoever waits keeps its turn; whoever was answered waits from then on."""
    places = Places(4)
    first, second, third, _ = (Ending(places, "127.0.0.1") for _ in range(4))
    places.waits(cast("Connection", first))
    assert places.make_room("127.0.0.1")
    assert first.ended
    Ending(places, "127.0.0.1")
    places.moves(cast("Connection", second))
    places.waits(cast("Connection", second))
    assert places.make_room("127.0.0.1")
    assert third.ended
    assert not second.ended


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("127.0.0.1", ""),
        ("::1", ""),
        ("::ffff:127.0.0.2", ""),
        ("/run/socket", ""),
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:0:1::7", "20010db800000001::/64"),
        ("2001:db8:0:1:ffff::", "20010db800000001::/64"),
        ("fe80::1%eth0", "fe80000000000000::/64"),
    ],
)
def test_whose_share_it_is(host: str, network: str) -> None:
    """An address of the older kind, a network of the newer, nobody's on this machine."""
    assert network_of(host) == network


# --- time


@pytest.mark.parametrize("data", [b"", HALF])
def test_a_request_that_does_not_come_ends_the_connection(tmp_path: Path, data: bytes) -> None:
    """Nothing of it, or a part."""
    limits = Limits(request_seconds=0.5, idle_seconds=300, taking_seconds=300)
    with serving(tmp_path, limits) as server, connected(server, 1, data) as (one,):
        assert 0.3 < seconds_until_closed(one) < 30


@pytest.mark.parametrize("before", [b"", GET])
def test_a_request_that_comes_byte_by_byte_is_not_waited_for(tmp_path: Path, before: bytes) -> None:
    """Each byte gains nothing, on a new connection and after an answer."""
    limits = Limits(request_seconds=0.5, idle_seconds=300, taking_seconds=300)
    with serving(tmp_path, limits) as server, connected(server, 1, before) as (one,):
        end = time.monotonic() + 30
        for byte in HALF + b"X: " + 10_000 * b"a":
            assert time.monotonic() < end
            if closed(one):
                break
            try:
                one.sendall(bytes([byte]))
            except OSError:
                break
            time.sleep(0.05)
        else:
            pytest.fail("all of it was taken")


def test_a_body_that_does_not_come_ends_the_connection() -> None:
    """A request is there with its last byte."""

    async def body(request: Request) -> Response:
        try:
            return Response(await request.body())
        except ClientDisconnect:
            return Response()

    app = Starlette(routes=[Route("/", body, methods=["POST"])])
    limits = Limits(request_seconds=2, idle_seconds=300, taking_seconds=300)
    server = HttpServer(app, listener_at("127.0.0.1:0", "HTTP", "--http"), limits, "It is")
    server.start()
    try:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"
        with connected(server, 2, head + b"abc") as (whole, half):
            whole.sendall(b"d")
            assert received(whole, b"abcd")
            assert seconds_until_closed(half) < 30
    finally:
        server.stop()


def test_an_idle_connection_is_closed_after_an_answer(tmp_path: Path) -> None:
    """Later than after the time that a request has: it may be used again until then."""
    limits = Limits(request_seconds=1, idle_seconds=3, taking_seconds=300)
    with serving(tmp_path, limits) as server, connected(server, 1, GET) as (one,):
        assert received(one, b"note\n").startswith(b"HTTP/1.1 200")
        time.sleep(1.5)
        one.sendall(GET)
        assert received(one, b"note\n").startswith(b"HTTP/1.1 200")
        assert 1.5 < seconds_until_closed(one) < 30


@pytest.mark.parametrize("kind", REQUESTS)
def test_an_answer_that_nobody_takes_ends_the_connection(tmp_path: Path, kind: str) -> None:
    """Also if the server has said all of it, and the system keeps it."""
    limits = Limits(request_seconds=30, idle_seconds=1, taking_seconds=0.5)
    with serving(tmp_path, limits) as server, connected(server, 1) as (one,):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.settimeout(1)
        with suppress(OSError):
            one.sendall(REQUESTS[kind])
        assert status(server) == 200
        wait_until(lambda: not server._server.server_state.connections)
        assert not server._server.places._taken


def test_a_reader_that_takes_its_time_has_it(tmp_path: Path) -> None:
    """Only standing still is too slow."""
    limits = Limits(request_seconds=1, idle_seconds=1, taking_seconds=3)
    request = REQUESTS["a long answer"].replace(b"Host", b"Connection: close\r\nHost")
    with serving(tmp_path, limits) as server, connected(server, 1, request) as (one,):
        got = 0
        while part := one.recv(1 << 20):
            got += len(part)
            time.sleep(0.02)
        assert got > BUNDLE


def test_a_reader_who_goes_on_is_not_the_one_to_make_room(tmp_path: Path) -> None:
    """The longest answer, while others come who only wait: it is they who end."""
    request = REQUESTS["a long answer"].replace(b"Host", b"Connection: close\r\nHost")
    limits = replace(PATIENT, connections=4)
    with (
        serving(tmp_path, limits) as server,
        connected(server, 1, request) as (one,),
        ExitStack() as stack,
    ):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        got, others = 0, list[socket.socket]()
        while part := one.recv(1 << 16):
            got += len(part)
            if got > 6_000_000 * len(others):
                time.sleep(0.1)  # so that there is more to take than the system keeps
                (other,) = stack.enter_context(connected(server, 1))
                others.append(other)
        assert got > BUNDLE
        assert len(others) >= 8
        wait_until(lambda: sum(not closed(other) for other in others) <= 4)


def test_answers_that_broke_off_are_not_kept(tmp_path: Path) -> None:
    """The file is gone in the middle, and nobody takes what was sent of it."""

    async def parts() -> AsyncIterator[bytes]:
        yield b"begin"
        (connection,) = connections()
        connection.transport.set_write_buffer_limits(high=BUNDLE)
        yield bytes(BUNDLE // 2)
        raise RuntimeError

    def broken(_: Request) -> Response:
        return StreamingResponse(parts())

    def connections() -> set[Any]:
        return set(server._server.server_state.connections)

    app = Starlette(routes=[Route("/checkpoint", broken)])
    limits = Limits(taking_seconds=0.5)
    server = HttpServer(app, listener_at("127.0.0.1:0", "HTTP", "--http"), limits, "It is")
    server.start()
    try:
        with connected(server, 1, GET):
            wait_until(connections)
            wait_until(lambda: not connections())
    finally:
        server.stop()


# --- what fails


def test_accepting_that_fails_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is tried again after a pause, and those that came meanwhile are answered."""
    tries = []

    def too_many(self: socket.socket) -> object:
        tries.append(self)
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(http_connections, "_ACCEPT_PAUSE", 0.1)
    with serving(tmp_path, PATIENT) as server:
        assert status(server) == 200
        with monkeypatch.context() as patch:
            patch.setattr(socket.socket, "accept", too_many)
            with connected(server, 3, GET) as opened:
                begin = time.monotonic()
                wait_until(lambda: len(tries) >= 5)
                assert time.monotonic() - begin > 0.3
                patch.undo()
                for one in opened:
                    assert one.recv(1000).startswith(b"HTTP/1.1 200")
        assert server.notices() == ()
    assert [one.getMessage() for one in caplog.records] == [
        "no connection can be accepted over HTTP: EMFILE"
    ]


def test_connections_that_went_again_are_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """They are the peer's doing."""
    usual, tries = socket.socket.accept, []

    def gone(self: socket.socket) -> object:
        tries.append(self)
        if len(tries) < 20:
            raise ConnectionAbortedError
        return usual(self)

    with serving(tmp_path, PATIENT) as server:
        monkeypatch.setattr(socket.socket, "accept", gone)
        assert status(server) == 200
        assert status(server) == 200
        assert len(tries) >= 20
    assert not caplog.records


def test_a_socket_that_listens_no_more_makes_the_server_begin_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting would not mend it. Open connections end with the server that had them."""
    monkeypatch.setattr(web, "_FIRST_PAUSE", 0.01)
    usual, tries = socket.socket.accept, []

    def lost(self: socket.socket) -> object:
        tries.append(self)
        if len(tries) == 1:
            raise OSError(errno.EINVAL, "Invalid argument")
        return usual(self)

    with serving(tmp_path, PATIENT) as server, connected(server, 1, GET) as (one,):
        assert one.recv(1000)
        monkeypatch.setattr(socket.socket, "accept", lost)
        with connected(server, 1, GET) as (after,):
            assert after.recv(1000).startswith(b"HTTP/1.1 200")
        assert seconds_until_closed(one) < 30
        wait_until(lambda: not server.notices())
        assert status(server) == 200


def test_a_connection_that_cannot_be_set_up_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And others come in."""

    async def failing(*_: object, **__: object) -> None:
        raise OSError(errno.ENOBUFS, "No buffer space available")

    with serving(tmp_path, PATIENT) as server:
        with monkeypatch.context() as patch:
            patch.setattr(asyncio.BaseEventLoop, "connect_accepted_socket", failing)
            with connected(server, 1) as (one,):
                assert seconds_until_closed(one) < 30
        assert status(server) == 200


def test_what_peers_send_is_not_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No entry for a request that is none, or wants another protocol."""
    upgrade = HALF + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    with serving(tmp_path, Limits()) as server:
        for data in (b"\0\1\2\r\n\r\n", upgrade):
            with connected(server, 1, data) as (one,):
                assert one.recv(1000)
    assert not caplog.records


def test_a_stop_ends_idle_connections(tmp_path: Path) -> None:
    """It waits for nobody who has sent half a request, or takes nothing."""
    with (
        serving(tmp_path, PATIENT) as server,
        connected(server, 20, HALF) as half,
        connected(server, 5, GET) as idle,
        connected(server, 5, REQUESTS["a long answer"]) as deaf,
    ):
        assert all(one.recv(1000) for one in idle + deaf)
        begin = time.monotonic()
        server.stop()
        assert time.monotonic() - begin < 10
        assert not server._thread.is_alive()
        wait_until(lambda: all(closed(one) for one in half + idle + deaf))
