"""Clients that open calls and let them lie: health watches, and calls whose request never comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]

import rpc.first_message
from identity.roles import Role
from rpc.credentials import public_server_credentials, roles_server_credentials
from rpc.errors import explain
from rpc.health import WATCHES, WATCHES_PER_CALLER
from rpc.interceptor import CALLS_PER_CALLER
from rpc.server import LAST_EVENTS, Server
from tests.listening import Network
from tests.ports import HOST
from tests.system.programs import PATIENCE, wait_until

pytestmark = pytest.mark.system

CODE = grpc.StatusCode
STATUS = health_pb2.HealthCheckResponse
SERVICE = "test.Probe"
WATCH = "/grpc.health.v1.Health/Watch"
CHECK = "/grpc.health.v1.Health/Check"
GRACE = 0.5
MOST_ROUNDS = 2000


class Silent:
    """Requests that never come, until they are let go, after those that are given."""

    def __init__(self) -> None:
        self._over = threading.Event()

    def requests(self, *first: bytes) -> Iterator[bytes]:
        yield from first
        self._over.wait(PATIENCE)

    def let_go(self) -> None:
        self._over.set()


class Listener:
    """A listener, for the roles or for everybody, that counts the calls of its one method."""

    def __init__(self, roles: bool, **options: Any) -> None:
        self.network = network = Network()
        if roles:
            authority = network.authority.certificate_pem
            credentials = roles_server_credentials(network.certificate, network.key, authority)
        else:
            credentials = public_server_credentials(network.certificate, network.key)
        self.server = Server(f"{HOST}:0", credentials, [SERVICE], **options)
        self.server.grpc_server.add_generic_rpc_handlers([self._handler()])
        self.channels: list[grpc.Channel] = []
        self.silent = Silent()
        self.called = 0
        self.server.start()

    def _handler(self) -> grpc.GenericRpcHandler:
        def count(request: bytes, _: grpc.ServicerContext) -> bytes:
            self.called += 1
            return request

        method: grpc.RpcMethodHandler[Any, Any] = grpc.unary_unary_rpc_method_handler(count)
        return grpc.method_handlers_generic_handler(SERVICE, {"Count": method})

    def public(self) -> grpc.Channel:
        self.channels.append(self.network.public_channel(self.server.port))
        return self.channels[-1]

    def device(self, name: str) -> grpc.Channel:
        channel = self.network.role_channel(self.server.port, Role.DEVICE, name)
        self.channels.append(channel)
        return channel

    def close(self) -> None:
        self.silent.let_go()
        for channel in self.channels:
            channel.close()
        _in_time(lambda: self.server.stop(GRACE))


@pytest.fixture
def open_to_all() -> Iterator[Listener]:
    """The public listener."""
    listener = Listener(roles=False)
    yield listener
    listener.close()


@pytest.fixture
def for_roles() -> Iterator[Listener]:
    """The roles' listener."""
    listener = Listener(roles=True)
    yield listener
    listener.close()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    """A public listener of a few threads that waits for a second."""
    monkeypatch.setattr(rpc.first_message, "FIRST_MESSAGE", 1.0)
    monkeypatch.setattr(rpc.first_message, "LOOK", 0.1)
    listener = Listener(roles=False, workers=2, max_request=64)
    yield listener
    listener.close()


def _watch(channel: grpc.Channel, service: str = "") -> Any:
    request = health_pb2.HealthCheckRequest(service=service)
    return health_pb2_grpc.HealthStub(channel).Watch(request, timeout=PATIENCE)


def _healthy(channel: grpc.Channel) -> bool:
    answer = health_pb2_grpc.HealthStub(channel).Check(
        health_pb2.HealthCheckRequest(), timeout=PATIENCE, wait_for_ready=True
    )
    return bool(answer.status == STATUS.SERVING)


def _rest(watch: Any) -> list[Any]:
    """What a watch is still told, until it ends."""
    answers = []
    with suppress(grpc.RpcError):
        while True:
            answers.append(next(watch))
    return answers


def _opened(channel: grpc.Channel, method: str, silent: Silent, *first: bytes) -> Any:
    """A call that sends no more than `first`, and does not end its sending."""
    call: Any = channel.stream_stream(method)
    return call(silent.requests(*first))


def _code(call: Any) -> grpc.StatusCode:
    """How a call ends, whatever it answers before."""
    with suppress(grpc.RpcError):
        list(call)
    code: grpc.StatusCode = call.code()
    return code


def _ended(calls: Sequence[Any], count: int) -> list[grpc.StatusCode]:
    """Wait until so many calls have ended, and say how these did."""
    wait_until(lambda: sum(call.done() for call in calls) >= count)
    return [call.code() for call in calls if call.done()]


def _in_time(stop: Callable[[], object]) -> None:
    """`stop` ends within a listener's grace and what comes after it."""
    stopping = threading.Thread(target=stop, daemon=True)
    stopping.start()
    stopping.join(GRACE + LAST_EVENTS + 5)
    assert not stopping.is_alive()


# --- Watches -----------------------------------------------------------------------


def test_watches_that_are_cancelled_do_not_stop_a_listener(open_to_all: Listener) -> None:
    """However many begin and are cancelled at once, the next call is answered; and it stops."""
    told: list[int] = []
    refused: set[grpc.StatusCode] = set()

    def begin_and_cancel(channel: grpc.Channel) -> None:
        for _ in range(MOST_ROUNDS // 8):
            watch = _watch(channel)
            try:
                told.append(next(watch).status)
            except grpc.RpcError as error:
                refused.add(error.code())
            watch.cancel()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(begin_and_cancel, [open_to_all.public() for _ in range(8)]))
    assert set(told) == {STATUS.SERVING}
    assert refused <= {CODE.RESOURCE_EXHAUSTED}  # others watched at that moment
    assert _healthy(open_to_all.public())
    _in_time(lambda: open_to_all.server.stop(GRACE))


def test_watches_have_their_number(for_roles: Listener) -> None:
    """A caller's own, and all together; who is told to come again finds a place later."""
    first = for_roles.device("one")
    watches = [_watch(first) for _ in range(WATCHES_PER_CALLER)]
    assert {next(watch).status for watch in watches} == {STATUS.SERVING}
    assert _code(_watch(first)) is CODE.RESOURCE_EXHAUSTED
    for name in range(WATCHES - WATCHES_PER_CALLER):
        watches.append(_watch(for_roles.device(f"other {name}")))
        assert next(watches[-1]).status == STATUS.SERVING
    last = for_roles.device("last")
    assert _code(_watch(last)) is CODE.RESOURCE_EXHAUSTED
    assert _healthy(last)
    watches[0].cancel()

    def found() -> bool:
        watch = _watch(last)
        try:
            return bool(next(watch).status == STATUS.SERVING)
        except grpc.RpcError:
            return False
        finally:
            watch.cancel()

    wait_until(found)


def test_watches_without_a_certificate_have_their_number(open_to_all: Listener) -> None:
    """Several connections from one address are one caller."""
    watches = [_watch(open_to_all.public()) for _ in range(WATCHES_PER_CALLER)]
    assert {next(watch).status for watch in watches} == {STATUS.SERVING}
    assert _code(_watch(open_to_all.public())) is CODE.RESOURCE_EXHAUSTED


def test_watches_do_not_take_the_threads_of_others() -> None:
    """With as many watches as may be, a listener of one thread still answers."""
    listener = Listener(roles=True, workers=1)
    watches = [_watch(listener.device(f"device {name}")) for name in range(WATCHES)]
    try:
        assert {next(watch).status for watch in watches} == {STATUS.SERVING}
        assert _healthy(listener.device("last"))
    finally:
        listener.close()


def test_silent_watches_do_not_take_all_threads(for_roles: Listener) -> None:
    """A watch whose request never comes is a call like any other of its certificate."""
    channel = for_roles.device("one")
    calls = [_opened(channel, WATCH, for_roles.silent) for _ in range(140)]
    most = CALLS_PER_CALLER[Role.DEVICE]
    assert set(_ended(calls, 140 - most)) == {CODE.RESOURCE_EXHAUSTED}
    assert _healthy(for_roles.device("two"))
    assert sum(call.done() for call in calls) == 140 - most


def test_unknown_names(open_to_all: Listener) -> None:
    """SERVICE_UNKNOWN and NOT_FOUND, which leave nothing behind."""
    channel = open_to_all.public()
    stub = health_pb2_grpc.HealthStub(channel)
    health: Any = open_to_all.server._health

    def size() -> int:
        """Of everything that the servicer holds on to."""
        parts = (health, health._own, health._watches)
        held = [value for part in parts for value in vars(part).values()]
        return sum(len(value) for value in held if hasattr(value, "__len__"))

    before = size()
    for number in range(20):
        name = f"test.None{number}"
        watch = _watch(channel, name)
        assert next(watch).status == STATUS.SERVICE_UNKNOWN
        watch.cancel()
        with pytest.raises(grpc.RpcError) as caught:
            stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=PATIENCE)
        assert caught.value.code() is CODE.NOT_FOUND
        wait_until(lambda: size() == before)


def test_all_services_are_listed(open_to_all: Listener) -> None:
    """List is part of the protocol, too."""
    stub = health_pb2_grpc.HealthStub(open_to_all.public())
    listed = stub.List(health_pb2.HealthListRequest(), timeout=PATIENCE).statuses
    assert {name: answer.status for name, answer in listed.items()} == {
        "": STATUS.SERVING,
        SERVICE: STATUS.SERVING,
    }


def test_a_watch_ends_with_its_listener(open_to_all: Listener) -> None:
    """It is told, and holds nothing up: a stop with a long grace is over at once."""
    known, unknown = _watch(open_to_all.public(), SERVICE), _watch(open_to_all.public(), "none")
    assert next(known).status == STATUS.SERVING
    assert next(unknown).status == STATUS.SERVICE_UNKNOWN
    stopping = threading.Thread(target=open_to_all.server.stop, args=(PATIENCE,))
    began = time.monotonic()
    stopping.start()
    assert [answer.status for answer in _rest(known)] == [STATUS.NOT_SERVING]
    assert _rest(unknown) == []
    assert {known.code(), unknown.code()} == {CODE.UNAVAILABLE}
    stopping.join(PATIENCE)
    assert time.monotonic() - began < PATIENCE / 2


# --- Requests that do not come ------------------------------------------------------


@pytest.mark.parametrize("method", [f"/{SERVICE}/Count", WATCH])
@pytest.mark.parametrize("first", [(), (b"",)], ids=["no request", "no end"])
def test_calls_without_a_request_end(hasty: Listener, method: str, first: tuple[bytes]) -> None:
    """They take all threads, and not for long; then others have their turn."""
    channel = hasty.public()
    calls = [_opened(channel, method, hasty.silent, *first) for _ in range(2 + WATCHES + 2)]
    assert set(_ended(calls, len(calls))) == {CODE.DEADLINE_EXCEEDED}
    assert {call.details() for call in calls} == {
        "the request did not come, or did not end, within 1 s"
    }
    assert hasty.called == 0

    def answered() -> bool:
        with suppress(grpc.RpcError):  # A busy machine may be late itself.
            return _healthy(hasty.public())
        return False

    wait_until(answered)


def test_two_requests_are_one_too_many(open_to_all: Listener) -> None:
    """The second is not passed over in silence, and the first has no effect."""
    call: Any = open_to_all.public().stream_unary(f"/{SERVICE}/Count")
    with pytest.raises(grpc.RpcError) as caught:
        call(iter([b"1", b"2"]), timeout=PATIENCE)
    assert caught.value.code() is CODE.INVALID_ARGUMENT
    assert "followed by another" in str(explain(caught.value))
    assert open_to_all.called == 0
    assert call(iter([b"1"]), timeout=PATIENCE) == b"1"


def test_a_long_request_has_its_time() -> None:
    """The limit is longer on a listener that takes longer requests."""
    public = rpc.first_message.FirstMessages(64 << 10)
    roles = rpc.first_message.FirstMessages(2 << 20)
    assert (public.seconds, roles.seconds) == (6.0, 37.0)


def test_silent_calls_do_not_hold_up_a_stop(for_roles: Listener) -> None:
    """What never sent its request is cancelled when the grace is over."""
    calls = [_opened(for_roles.device("one"), CHECK, for_roles.silent) for _ in range(4)]
    watch = _watch(for_roles.device("two"))
    assert next(watch).status == STATUS.SERVING
    _in_time(lambda: for_roles.server.stop(GRACE))
    assert len(_ended(calls, 4)) == 4
