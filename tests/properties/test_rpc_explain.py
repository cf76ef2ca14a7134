"""What gRPC says of a connection, in words for people."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from rpc.errors import (
    LONGEST_RETRY,
    Busy,
    NobodyThere,
    Unavailable,
    WrongServer,
    explain,
    explain_stream,
    status_of,
)
from rpc.retry import retrying

ALL = "failed to connect to all addresses; last error: "
TLS = "Ssl handshake failed: SSL_ERROR_SSL: error:1000007d:SSL routines:OPENSSL_internal:"


class Failed(grpc.RpcError, grpc.Call):
    """A call that failed with a status, and with `trailer` as its google.rpc.Status."""

    def __init__(self, code: grpc.StatusCode, details: str, trailer: bytes = b"") -> None:
        self._code, self._details, self._trailer = code, details, trailer

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details

    def trailing_metadata(self) -> Any:
        return (("grpc-status-details-bin", self._trailer),) if self._trailer else ()

    def initial_metadata(self) -> tuple[()]:
        return ()

    def add_callback(self, callback: object) -> bool:
        return False

    def cancel(self) -> bool:
        return False

    def is_active(self) -> bool:
        return False

    def time_remaining(self) -> float:
        return 0.0


@pytest.mark.parametrize(
    ("details", "kind", "words"),
    [
        (
            f"{ALL}UNKNOWN: ipv4:127.0.0.1:8444: Failed to connect to remote host: "
            "connect: Connection refused (111)",
            NobodyThere,
            "nobody answers at 127.0.0.1:8444",
        ),
        (
            f"{ALL}UNKNOWN: ipv6:%5B::1%5D:8444: Failed to connect to remote host",
            NobodyThere,
            "nobody answers at [::1]:8444. If the name has an IPv4 address, too, that did not work "
            "either: there is no server, or the one there is not of this election",
        ),
        (
            f"{ALL}UNKNOWN: ipv4:127.0.0.1:8444: Custom verification check failed with error: "
            "UNAUTHENTICATED: Hostname Verification Check failed.",
            WrongServer,
            "the certificate of the server at 127.0.0.1:8444 is for another name or address. "
            "Reach it by a name or address that its certificate has",
        ),
        (
            "DNS resolution failed for vote.example.org:8444: C-ares status",
            NobodyThere,
            "nobody answers: the name vote.example.org is not known here",
        ),
        (
            f"{ALL}UNAVAILABLE: ipv4:127.0.0.1:8444: {TLS}CERTIFICATE_VERIFY_FAILED: self signed",
            WrongServer,
            "the server there is not of this election. If the election was made again, join "
            "with your new invitation (`sailau trustee join --leave`)",
        ),
        ("Socket closed", Unavailable, "the connection to the server was lost"),
        ("stopping", Unavailable, "stopping"),
    ],
)
def test_connections(details: str, kind: type[Unavailable], words: str) -> None:
    """Short, with the address, and without a word about the library."""
    error = explain(Failed(grpc.StatusCode.UNAVAILABLE, details))
    assert type(error) is kind
    assert str(error) == words


def test_too_late() -> None:
    """A deadline is the caller's own."""
    error = explain(Failed(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded"))
    assert isinstance(error, Unavailable)
    assert str(error) == "the server did not answer in time"


# --- when to come again


def busy_with(*details: Message) -> Failed:
    """RESOURCE_EXHAUSTED with these details."""
    rich = Status(code=8, message="busy")
    for detail in details:
        rich.details.add().Pack(detail)
    return Failed(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy", rich.SerializeToString())


def retry_info(**delay: int) -> RetryInfo:
    info = RetryInfo()
    info.retry_delay.seconds, info.retry_delay.nanos = delay.get("s", 0), delay.get("ns", 0)
    return info


def test_a_busy_server_says_when_to_come_again() -> None:
    """As google.rpc.RetryInfo beside the ErrorInfo, and it is read back."""
    status = status_of(Busy("full", "Try again.", 1.25))
    assert status is not None
    trailers = dict(status.trailing_metadata)
    data = trailers["grpc-status-details-bin"]
    assert isinstance(data, bytes)
    error = explain(Failed(grpc.StatusCode.RESOURCE_EXHAUSTED, status.details, data))
    assert isinstance(error, Busy)
    assert (error.problem, error.retry_after) == ("full", 1.25)


@pytest.mark.parametrize(
    ("details", "seconds"),
    [
        ((), 0.0),
        ((retry_info(s=3, ns=500_000_000),), 3.5),
        ((retry_info(s=10**12),), LONGEST_RETRY),
        ((retry_info(s=-5, ns=-1),), 0.0),
        ((retry_info(s=0, ns=-(2**31)),), 0.0),
        ((ErrorInfo(domain="elsewhere"), retry_info(s=2)), 2.0),
    ],
)
def test_foolish_hints_are_not_waited_for(details: tuple[Message, ...], seconds: float) -> None:
    """None, negative, for centuries; behind another detail."""
    error = explain(busy_with(*details))
    assert isinstance(error, Busy)
    assert error.retry_after == seconds


def test_garbage_in_the_place_of_details_is_no_hint() -> None:
    """The status is what counts."""
    error = explain(Failed(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy", b"\xff\xff"))
    assert isinstance(error, Busy)
    assert error.retry_after == 0.0


def test_a_client_comes_again_when_it_was_told_to() -> None:
    """Not before; and not at all if that is after its deadline."""
    now, slept = [0.0], list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    def call(_: float) -> str:
        if len(slept) < 2:
            raise busy_with(retry_info(s=3))
        return "in"

    def run(deadline: float) -> str:
        return retrying(
            call,
            deadline=deadline,
            sleep=sleep,
            clock=lambda: now[0],
            jitter=lambda: 1.0,
            again=(Busy,),
        )

    assert run(20.0) == "in"
    assert slept == [3.0, 3.0]
    slept.clear()
    with pytest.raises(Busy):
        run(5.0)
    assert slept == [3.0]


def test_a_stream_that_the_server_has_ended() -> None:
    """May be asked for again; any other call that ends so has failed."""
    ended = Failed(grpc.StatusCode.CANCELLED, "Cancelled")
    assert isinstance(explain_stream(ended), Unavailable)
    assert not isinstance(explain(ended), Unavailable)
    lost = Failed(grpc.StatusCode.PERMISSION_DENIED, "no")
    assert type(explain_stream(lost)) is type(explain(lost))
