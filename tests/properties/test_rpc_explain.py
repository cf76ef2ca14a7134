"""What gRPC says of a connection, in words for people."""

from __future__ import annotations

import grpc
import pytest

from rpc.errors import NobodyThere, Unavailable, WrongServer, explain

ALL = "failed to connect to all addresses; last error: "
TLS = "Ssl handshake failed: SSL_ERROR_SSL: error:1000007d:SSL routines:OPENSSL_internal:"


class Failed(grpc.RpcError, grpc.Call):
    """A call that failed with a status and no details of ours."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        self._code, self._details = code, details

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details

    def trailing_metadata(self) -> tuple[()]:
        return ()

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
            "nobody answers at [::1]:8444",
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
