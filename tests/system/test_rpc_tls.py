"""Real gRPC over real TLS on loopback: who gets in, what errors look like, health, reflection."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from google.rpc.error_details_pb2 import ErrorInfo  # type: ignore[import-untyped]  # has no stubs
from grpc_health.v1 import (  # type: ignore[import-untyped]  # has no stubs
    health_pb2,
    health_pb2_grpc,
)
from grpc_reflection.v1alpha import (  # type: ignore[import-untyped]  # has no stubs
    reflection_pb2,
    reflection_pb2_grpc,
)
from grpc_status import rpc_status  # type: ignore[import-untyped]  # has no stubs

from crypto.errors import Malformed, Rejected, SailauError
from identity.authority import Authority
from identity.roles import Identity, Role
from identity.tlskeys import TlsKey
from rpc.caller import caller, require
from rpc.credentials import (
    MAX_REQUEST,
    public_channel,
    public_server_credentials,
    role_channel,
    roles_server_credentials,
)
from rpc.errors import (
    AlreadyDone,
    Busy,
    CallFailed,
    Denied,
    NotFound,
    ServerFailed,
    Unauthenticated,
    Unavailable,
    explain,
    explained,
)
from rpc.retry import retrying
from rpc.server import ListenError, Server
from tests.ports import free_port
from tests.system.programs import PATIENCE, wait_until

pytestmark = pytest.mark.system

SERVICE = "test.Probe"
TRUSTEE = Identity(Role.TRUSTEE, "Әлия / 1")
DEVICE = Identity(Role.DEVICE, "unit-1")
SERVER = Identity(Role.SERVER, "server")
TIMEOUT = PATIENCE

ERRORS: dict[bytes, SailauError] = {
    b"malformed": Malformed("ballot.alpha", "has 511 bytes", "Send 512."),
    b"rejected": Rejected(
        "6.D", "the proof is false", culprit="device 'unit-1'", where="option 2", advice="Stop."
    ),
    b"bare": Rejected("R.cast", "the code is unknown"),
    b"not found": NotFound("no such code", "Check its spelling."),
    b"already": AlreadyDone("the ballot is cast"),
    b"busy": Busy("the queue is full"),
    b"denied": Denied("not you"),
    b"unauthenticated": Unauthenticated("who are you?"),
    b"kazakh": Malformed("атауы", "жарамсыз"),
}


class Probe:
    """Handlers that do what the tests need."""

    def who(self, _: bytes, context: grpc.ServicerContext) -> bytes:
        return caller(context).uri.encode()

    def trustees_only(self, _: bytes, context: grpc.ServicerContext) -> bytes:
        return require(context, Role.TRUSTEE, Role.ADMINISTRATOR).name.encode()

    def fail(self, request: bytes, _: grpc.ServicerContext) -> bytes:
        if request in ERRORS:
            raise ERRORS[request]
        raise ValueError("hunter2 is not a scalar")

    def abort(self, _: bytes, context: grpc.ServicerContext) -> bytes:
        context.abort(grpc.StatusCode.OUT_OF_RANGE, "by hand")

    def stream(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        yield b"1"
        yield b"2"
        self.fail(request, context)

    def wait(self, _: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        over = threading.Event()
        yield b"waiting"
        if context.add_callback(over.set):
            over.wait(TIMEOUT)

    def collect(self, requests: Iterator[bytes], _: grpc.ServicerContext) -> bytes:
        return b"+".join(requests)

    def echo(self, requests: Iterator[bytes], _: grpc.ServicerContext) -> Iterator[bytes]:
        yield from requests

    def typed(self, request: Any, _: grpc.ServicerContext) -> bytes:
        name: str = request.service
        return name.encode()

    def typed_stream(self, requests: Iterator[Any], _: grpc.ServicerContext) -> bytes:
        return b"+".join(request.service.encode() for request in requests)

    def handler(self) -> grpc.GenericRpcHandler:
        parse = health_pb2.HealthCheckRequest.FromString
        unary = grpc.unary_unary_rpc_method_handler
        methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "Who": unary(self.who),
            "TrusteesOnly": unary(self.trustees_only),
            "Fail": unary(self.fail),
            "Abort": unary(self.abort),
            "Typed": unary(self.typed, request_deserializer=parse),
            "Stream": grpc.unary_stream_rpc_method_handler(self.stream),
            "Wait": grpc.unary_stream_rpc_method_handler(self.wait),
            "Collect": grpc.stream_unary_rpc_method_handler(self.collect),
            "TypedStream": grpc.stream_unary_rpc_method_handler(
                self.typed_stream, request_deserializer=parse
            ),
            "Echo": grpc.stream_stream_rpc_method_handler(self.echo),
        }
        return grpc.method_handlers_generic_handler(SERVICE, methods)


@dataclass(frozen=True)
class World:
    """Two listeners of one election and what is needed to call them."""

    authority: Authority
    server_key: TlsKey
    server_certificate: bytes
    public: Server
    roles: Server

    @property
    def root(self) -> bytes:
        return self.authority.certificate_pem

    def channel(self, identity: Identity) -> grpc.Channel:
        """A channel to the roles' listener with a certificate for this identity."""
        key = TlsKey.generate()
        certificate = self.authority.issue_client(key.request(identity), identity)
        return role_channel(f"127.0.0.1:{self.roles.port}", self.root, certificate, key)

    def public_channel(self) -> grpc.Channel:
        """A channel to the public listener."""
        return public_channel(f"localhost:{self.public.port}", self.root)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A running world."""
    authority = Authority.create("test")
    key = TlsKey.generate()
    pem = authority.issue_server(key.request(SERVER), SERVER, ["localhost", "127.0.0.1"])
    probe = Probe()
    public = Server("127.0.0.1:0", public_server_credentials(pem, key), [SERVICE])
    credentials = roles_server_credentials(pem, key, authority.certificate_pem)
    roles = Server("127.0.0.1:0", credentials, [SERVICE])
    for server in (public, roles):
        server.grpc_server.add_generic_rpc_handlers([probe.handler()])
    with public, roles:
        yield World(authority, key, pem, public, roles)


@pytest.fixture(scope="module")
def trustee(world: World) -> Iterator[grpc.Channel]:
    """A trustee's channel."""
    with world.channel(TRUSTEE) as channel:
        yield channel


def _call(channel: grpc.Channel, method: str, request: bytes = b"") -> bytes:
    stub: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"/{SERVICE}/{method}")
    return stub(request, timeout=TIMEOUT)


def _error(call: Callable[[], object]) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value


# --- Who gets in -------------------------------------------------------------------


def test_the_server_knows_who_calls(world: World, trustee: grpc.Channel) -> None:
    """Role and name come from the certificate, in any script."""
    assert _call(trustee, "Who").decode() == TRUSTEE.uri
    with world.channel(DEVICE) as device:
        assert _call(device, "Who").decode() == DEVICE.uri


def test_right_and_wrong_role(world: World, trustee: grpc.Channel) -> None:
    """A call answers its role, and tells another which role it is for."""
    assert _call(trustee, "TrusteesOnly").decode() == TRUSTEE.name
    with world.channel(DEVICE) as device:
        error = _error(lambda: _call(device, "TrusteesOnly"))
    assert error.code() is grpc.StatusCode.PERMISSION_DENIED
    known = explain(error)
    assert isinstance(known, Denied)
    assert "trustees or administrators" in str(known)
    assert "device 'unit-1'" in str(known)


def test_no_certificate_on_the_public_listener(world: World) -> None:
    """Who shows no certificate is nobody: UNAUTHENTICATED where a role is needed."""
    with world.public_channel() as channel:
        for method in ("Who", "TrusteesOnly"):
            error = _error(partial(_call, channel, method))
            assert error.code() is grpc.StatusCode.UNAUTHENTICATED
            assert isinstance(explain(error), Unauthenticated)
        assert _call(channel, "Typed") == b""


def test_no_certificate_on_the_roles_listener(world: World) -> None:
    """There the handshake ends without one."""
    with public_channel(f"127.0.0.1:{world.roles.port}", world.root) as channel:
        error = _error(lambda: _call(channel, "Typed"))
    assert isinstance(explain(error), Unavailable)


def test_certificate_of_another_authority(world: World) -> None:
    """A certificate of another election's authority does not open this one."""
    key = TlsKey.generate()
    other = Authority.create("test")
    certificate = other.issue_client(key.request(TRUSTEE), TRUSTEE)
    address = f"127.0.0.1:{world.roles.port}"
    with role_channel(address, world.root, certificate, key) as channel:
        assert isinstance(explain(_error(lambda: _call(channel, "Typed"))), Unavailable)


def test_server_of_another_authority(world: World) -> None:
    """And a client does not talk to a server that another authority certified."""
    other = Authority.create("test")
    with public_channel(f"localhost:{world.public.port}", other.certificate_pem) as channel:
        assert isinstance(explain(_error(lambda: _call(channel, "Typed"))), Unavailable)


def test_server_of_another_name(world: World) -> None:
    """Nor to a server whose certificate has another name; `server_name` is what is looked for."""
    address = f"127.0.0.1:{world.public.port}"
    with public_channel(address, world.root, server_name="example.org") as channel:
        assert isinstance(explain(_error(lambda: _call(channel, "Typed"))), Unavailable)
    with public_channel(address, world.root, server_name="localhost") as channel:
        assert _call(channel, "Typed") == b""


def test_the_servers_certificate_cannot_call(world: World) -> None:
    """The server's certificate is not good for calling."""
    address = f"127.0.0.1:{world.roles.port}"
    with role_channel(address, world.root, world.server_certificate, world.server_key) as channel:
        assert isinstance(explain(_error(lambda: _call(channel, "Typed"))), Unavailable)


def _odd_certificate(world: World, key: TlsKey) -> bytes:
    """A client certificate with the server's host name in the place of an identity."""
    names: list[x509.GeneralName] = [x509.DNSName("localhost")]
    return world.authority._issue(
        key.request(TRUSTEE), TRUSTEE, names, ExtendedKeyUsageOID.CLIENT_AUTH, 1
    )


def test_a_roles_certificate_cannot_serve(world: World) -> None:
    """A trustee that listens with its own certificate fools nobody, even under the right name."""
    key = TlsKey.generate()
    credentials = public_server_credentials(_odd_certificate(world, key), key)
    with (
        Server("127.0.0.1:0", credentials, []) as server,
        public_channel(f"localhost:{server.port}", world.root) as channel,
    ):
        assert isinstance(explain(_error(lambda: _call(channel, "Typed"))), Unavailable)


def test_certificate_without_an_identity(world: World) -> None:
    """A certificate of this authority that names no role is as good as none."""
    key = TlsKey.generate()
    address = f"127.0.0.1:{world.roles.port}"
    with role_channel(address, world.root, _odd_certificate(world, key), key) as channel:
        assert _call(channel, "Typed") == b""
        known = explain(_error(lambda: _call(channel, "Who")))
    assert isinstance(known, Unauthenticated)
    assert "names no role" in str(known)


# --- Errors ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ERRORS)
def test_errors_round_trip(trustee: grpc.Channel, name: bytes) -> None:
    """What a handler raises is what the client gets, with all its details."""
    with pytest.raises(SailauError) as caught, explained():
        _call(trustee, "Fail", name)
    assert type(caught.value) is type(ERRORS[name])
    assert vars(caught.value) == vars(ERRORS[name])


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (b"malformed", grpc.StatusCode.INVALID_ARGUMENT),
        (b"rejected", grpc.StatusCode.FAILED_PRECONDITION),
        (b"not found", grpc.StatusCode.NOT_FOUND),
        (b"already", grpc.StatusCode.ALREADY_EXISTS),
        (b"busy", grpc.StatusCode.RESOURCE_EXHAUSTED),
        (b"denied", grpc.StatusCode.PERMISSION_DENIED),
        (b"unauthenticated", grpc.StatusCode.UNAUTHENTICATED),
        (b"else", grpc.StatusCode.INTERNAL),
    ],
)
def test_status_codes(trustee: grpc.Channel, name: bytes, code: grpc.StatusCode) -> None:
    """Each error has its status code."""
    assert _error(lambda: _call(trustee, "Fail", name)).code() is code


def test_details_for_other_languages(trustee: grpc.Channel) -> None:
    """The status carries a google.rpc.ErrorInfo with the documented members."""
    status = rpc_status.from_call(_error(lambda: _call(trustee, "Fail", b"rejected")))
    info = ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (info.domain, info.reason) == ("sailau", "6.D")
    assert dict(info.metadata) == {
        "check": "6.D",
        "culprit": "device 'unit-1'",
        "where": "option 2",
        "problem": "the proof is false",
        "advice": "Stop.",
    }


def test_unexpected_error_tells_nothing(
    trustee: grpc.Channel, caplog: pytest.LogCaptureFixture
) -> None:
    """INTERNAL has a reference; the log has it too, with the place and without the message."""
    with caplog.at_level(logging.INFO):
        known = explain(_error(lambda: _call(trustee, "Fail", b"else")))
    assert isinstance(known, ServerFailed)
    assert str(known).rsplit(" ", 1)[1] in caplog.text
    assert "ValueError" in caplog.text
    assert "in fail" in caplog.text
    for text in (str(known), caplog.text):
        assert "hunter2 is" not in text.replace('raise ValueError("hunter2 is not a scalar")', "")


def test_abort_by_hand(trustee: grpc.Channel) -> None:
    """A handler's own abort stays what it is, and is explained as far as possible."""
    error = _error(lambda: _call(trustee, "Abort"))
    assert error.code() is grpc.StatusCode.OUT_OF_RANGE
    known = explain(error)
    assert isinstance(known, CallFailed)
    assert str(known) == "OUT_OF_RANGE: by hand"


def test_unknown_method(trustee: grpc.Channel) -> None:
    """A method that does not exist is UNIMPLEMENTED."""
    assert _error(lambda: _call(trustee, "None")).code() is grpc.StatusCode.UNIMPLEMENTED


def test_undecodable_request(trustee: grpc.Channel) -> None:
    """A request that is no message is the client's fault, alone or in a stream."""
    good = health_pb2.HealthCheckRequest(service="x").SerializeToString()
    stream: grpc.StreamUnaryMultiCallable[bytes, bytes]
    stream = trustee.stream_unary(f"/{SERVICE}/TypedStream")
    assert _call(trustee, "Typed", good) == b"x"
    assert stream(iter([good, good]), timeout=TIMEOUT) == b"x+x"
    for call in (
        lambda: _call(trustee, "Typed", b"\xff"),
        lambda: stream(iter([good, b"\xff"]), timeout=TIMEOUT),
    ):
        known = explain(_error(call))
        assert isinstance(known, Malformed)
        assert known.field == "request"


def test_error_in_a_stream(trustee: grpc.Channel) -> None:
    """A stream that fails on its way gives what came before, and then the error."""
    stub: grpc.UnaryStreamMultiCallable[bytes, bytes]
    stub = trustee.unary_stream(f"/{SERVICE}/Stream")
    responses = iter(stub(b"bare", timeout=TIMEOUT))
    assert [next(responses), next(responses)] == [b"1", b"2"]
    with pytest.raises(Rejected, match=r"R\.cast"), explained():
        next(responses)


def test_no_answer_in_time(trustee: grpc.Channel) -> None:
    """A call that runs out of time is explained as a server that does not answer."""
    stub: grpc.UnaryStreamMultiCallable[bytes, bytes]
    stub = trustee.unary_stream(f"/{SERVICE}/Wait")
    with pytest.raises(Unavailable), explained():
        list(stub(b"", timeout=0.5))


def test_streams_in_both_directions(trustee: grpc.Channel) -> None:
    """Streaming requests and responses pass the interceptor."""
    collect: grpc.StreamUnaryMultiCallable[bytes, bytes]
    collect = trustee.stream_unary(f"/{SERVICE}/Collect")
    echo: grpc.StreamStreamMultiCallable[bytes, bytes]
    echo = trustee.stream_stream(f"/{SERVICE}/Echo")
    assert collect(iter([b"a", b"b"]), timeout=TIMEOUT) == b"a+b"
    assert list(echo(iter([b"a", b"b"]), timeout=TIMEOUT)) == [b"a", b"b"]


def _collect(channel: grpc.Channel, size: int) -> int:
    """Send one message of this size, and return the size of what comes back."""
    stub: grpc.StreamUnaryMultiCallable[bytes, bytes]
    stub = channel.stream_unary(f"/{SERVICE}/Collect")
    return len(stub(iter([bytes(size)]), timeout=TIMEOUT))


def test_message_over_the_limit(world: World) -> None:
    """The longest message passes, one byte more does not, and the next good one does."""
    credentials = grpc.ssl_channel_credentials(world.root)
    unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    address = f"localhost:{world.public.port}"
    with grpc.secure_channel(address, credentials, unlimited) as channel:
        assert _collect(channel, MAX_REQUEST) == MAX_REQUEST
        error = _error(lambda: _collect(channel, MAX_REQUEST + 1))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert isinstance(explain(error), Malformed)
        assert _collect(channel, 1) == 1


def test_own_message_over_the_limit(trustee: grpc.Channel) -> None:
    """Our own clients do not even send it."""
    assert isinstance(explain(_error(lambda: _collect(trustee, MAX_REQUEST + 1))), Malformed)
    assert _collect(trustee, 1) == 1


def test_details_fit_into_trailers(trustee: grpc.Channel) -> None:
    """An error with very long texts arrives all the same, cut, in any script."""
    ERRORS[b"long"] = Rejected(
        "R.long" * 100, "ұ" * 5000, culprit="қ" * 5000, where="w" * 5000, advice="ә" * 5000
    )
    try:
        known = explain(_error(lambda: _call(trustee, "Fail", b"long")))
    finally:
        del ERRORS[b"long"]
    assert isinstance(known, Rejected)
    assert known.problem.startswith("ұ" * 200)
    assert known.problem.endswith("…")


def test_text_of_the_server_cannot_steer_a_terminal(trustee: grpc.Channel) -> None:
    """Escape sequences in an error do not reach whoever prints it."""
    ERRORS[b"escape"] = NotFound("\x1b[2J gone \x07\n")
    try:
        known = explain(_error(lambda: _call(trustee, "Fail", b"escape")))
    finally:
        del ERRORS[b"escape"]
    assert str(known).isprintable()
    assert "gone" in str(known)


# --- The log -----------------------------------------------------------------------


def test_one_log_line_a_call(trustee: grpc.Channel, caplog: pytest.LogCaptureFixture) -> None:
    """Method, role and status stand in the log; names, contents and addresses do not."""
    echo: grpc.StreamStreamMultiCallable[bytes, bytes]
    echo = trustee.stream_stream(f"/{SERVICE}/Echo")
    with caplog.at_level(logging.INFO, logger="rpc.interceptor"):
        _call(trustee, "Who")
        _error(lambda: _call(trustee, "Fail", b"rejected"))
        list(echo(iter([b"contents"]), timeout=TIMEOUT))
        wait_until(lambda: len(_known(caplog)) == 3)
    assert sorted(_known(caplog)) == [
        f"/{SERVICE}/Echo trustee OK",
        f"/{SERVICE}/Fail trustee FAILED_PRECONDITION",
        f"/{SERVICE}/Who trustee OK",
    ]


def test_cancelled_stream_is_logged(
    trustee: grpc.Channel, caplog: pytest.LogCaptureFixture
) -> None:
    """A stream that the client ends is logged as CANCELLED, and as no failure."""
    stub: grpc.UnaryStreamMultiCallable[bytes, bytes]
    stub = trustee.unary_stream(f"/{SERVICE}/Wait")
    with caplog.at_level(logging.INFO, logger="rpc.interceptor"):
        call = stub(b"", timeout=TIMEOUT)
        assert next(iter(call)) == b"waiting"
        call.cancel()
        wait_until(lambda: f"/{SERVICE}/Wait trustee CANCELLED" in _calls(caplog))
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


def _calls(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Method, role and status of each call that was logged."""
    return [
        f"{record.method} {record.role} {record.status}"  # type: ignore[attr-defined]
        for record in caplog.records
        if record.message == "call"
    ]


def _known(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Those, but for streams that an earlier test has left, whose end is logged at any time."""
    return [call for call in _calls(caplog) if f"/{SERVICE}/Wait " not in call]


# --- Health, reflection, the listener ----------------------------------------------


@pytest.mark.parametrize("service", ["", SERVICE])
def test_health(world: World, trustee: grpc.Channel, service: str) -> None:
    """Both listeners answer SERVING for the whole and for the service."""
    request = health_pb2.HealthCheckRequest(service=service)
    with world.public_channel() as public:
        for channel in (public, trustee):
            response = health_pb2_grpc.HealthStub(channel).Check(request, timeout=TIMEOUT)
            assert response.status == health_pb2.HealthCheckResponse.SERVING


def test_health_of_an_unknown_service(trustee: grpc.Channel) -> None:
    """A service that is not here is NOT_FOUND."""
    request = health_pb2.HealthCheckRequest(service="test.None")
    stub = health_pb2_grpc.HealthStub(trustee)
    assert isinstance(explain(_error(lambda: stub.Check(request, timeout=TIMEOUT))), NotFound)


def test_reflection(world: World) -> None:
    """Reflection lists the services."""
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    with world.public_channel() as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        (response,) = stub.ServerReflectionInfo(iter([request]), timeout=TIMEOUT)
    names = {service.name for service in response.list_services_response.service}
    assert {SERVICE, "grpc.health.v1.Health"} <= names


def test_stopping(world: World) -> None:
    """A watcher of its health is told before a server stops; then nobody answers."""
    credentials = public_server_credentials(world.server_certificate, world.server_key)
    server = Server("127.0.0.1:0", credentials, [SERVICE])
    server.start()
    with public_channel(f"localhost:{server.port}", world.root) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(
            health_pb2.HealthCheckRequest(service=SERVICE), timeout=TIMEOUT
        )
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        stopping = threading.Thread(target=server.stop, args=(TIMEOUT,))
        stopping.start()
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watch.cancel()
        stopping.join(TIMEOUT)
        assert not stopping.is_alive()
        assert isinstance(explain(_error(lambda: _call(channel, "Typed"))), Unavailable)
    server.stop()


def test_port_in_use(world: World) -> None:
    """A second server on the same port is an error and not half of the calls."""
    credentials = public_server_credentials(world.server_certificate, world.server_key)
    with pytest.raises(ListenError, match=str(world.public.port)):
        Server(f"127.0.0.1:{world.public.port}", credentials, [])


# --- Retrying ----------------------------------------------------------------------


class _Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 3))
        self.now += seconds


def _retry(call: Callable[[float], bytes], clock: _Clock, deadline: float = 20.0) -> bytes:
    return retrying(call, deadline=deadline, sleep=clock.sleep, clock=clock, jitter=lambda: 1.0)


@pytest.fixture(scope="module")
def unreachable(world: World) -> Iterator[grpc.Channel]:
    """A channel to a port on which nobody listens."""
    with public_channel(f"localhost:{free_port()}", world.root) as channel:
        yield channel


def test_retry_until_the_deadline(unreachable: grpc.Channel) -> None:
    """Pauses double up to five seconds, and the deadline ends it with Unavailable."""
    clock = _Clock()
    with pytest.raises(Unavailable):
        _retry(lambda _: _call(unreachable, "Typed"), clock)
    assert clock.slept == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_retry_until_the_server_is_there(trustee: grpc.Channel, unreachable: grpc.Channel) -> None:
    """The first answer ends it; each attempt is told how much time is left."""
    clock, left = _Clock(), list[float]()

    def call(seconds: float) -> bytes:
        left.append(round(seconds, 3))
        return _call(trustee if len(left) == 3 else unreachable, "Typed")

    assert _retry(call, clock) == b""
    assert left == [20.0, 19.8, 19.4]


def test_no_retry_of_an_answer(trustee: grpc.Channel) -> None:
    """An error that the server answered with is final."""
    clock = _Clock()
    with pytest.raises(Rejected):
        _retry(lambda _: _call(trustee, "Fail", b"bare"), clock)
    assert clock.slept == []
