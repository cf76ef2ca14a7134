"""What administrators do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import grpc

from ballotbox.client.answers import DEADLINE
from rpc.errors import explained
from rpc.retry import retrying
from sailau.v1 import administration_pb2, administration_pb2_grpc

T = TypeVar("T")


class AdministrationClient:
    """Moves the election on, with the administrator's certificate."""

    def __init__(self, channel: grpc.Channel, *, deadline: float = DEADLINE) -> None:
        """`channel` is one to the roles' listener."""
        self._stub = administration_pb2_grpc.AdministrationServiceStub(channel)
        self._deadline = deadline

    def publish(self, artifact: bytes) -> int:
        """Put an administrator's artifact on the record; returns its index."""
        request = administration_pb2.PublishRequest(artifact=artifact)
        return int(self._call(self._stub.Publish, request).index)

    def start_decryption(self, trustees: Sequence[int] = ()) -> tuple[int, tuple[int, ...]]:
        """Begin a session with these trustees, or all present; returns its number and U.

        Not made again when the answer is lost: that would begin another session.
        """
        request = administration_pb2.StartDecryptionRequest(trustees=trustees)
        return self._start(self._stub.StartDecryption, request)

    def start_drill(self, trustees: Sequence[int] = ()) -> tuple[int, tuple[int, ...]]:
        """Begin a drill with these trustees, or all present; returns its number and U.

        Not made again when the answer is lost, either.
        """
        request = administration_pb2.StartDrillRequest(trustees=trustees)
        return self._start(self._stub.StartDrill, request)

    def _start(self, method: Callable[..., Any], request: Any) -> tuple[int, tuple[int, ...]]:
        with explained():
            response = method(request, timeout=self._deadline)
        return response.session, tuple(response.trustees)

    def _call(self, method: Callable[..., T], request: Any) -> T:
        return retrying(lambda left: method(request, timeout=left), deadline=self._deadline)
