"""What a device sends as one stream, which the server answers as it stores it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Any

import grpc

from ballotbox.client.answers import ANSWER, parse_index
from crypto.errors import Rejected, SailauError
from rpc.credentials import MAX_REQUEST
from rpc.errors import Unavailable, explain
from sailau.v1 import ballot_box_pb2, ballot_box_pb2_grpc

_AROUND = 1024
"""Bytes of a request that are neither artifact nor hints, at most."""


class Uploading:
    """One upload; to be iterated once."""

    def __init__(
        self,
        stub: ballot_box_pb2_grpc.BallotBoxServiceStub,
        messages: Iterable[tuple[bytes, bytes]],
        stall: float,
    ) -> None:
        self._stub = stub
        self._messages = messages
        self._stall = stall
        self._sent = self._answered = 0
        self._last = -1
        self._all_sent = False
        self._failed: Exception | None = None
        self._stopped = ""
        self._call: grpc.Future[Any] | None = None
        self._over = threading.Event()

    def __iter__(self) -> Iterator[int]:
        self._call = call = self._stub.Upload(self._requests())
        if self._stopped:  # before there was anything to cancel
            call.cancel()
        watch = threading.Thread(target=self._watch, args=(call,), daemon=True)
        watch.start()
        try:
            for response in call:
                if self._answered == self._sent:
                    problem = "the server answered what was not sent"
                    raise Rejected(ANSWER, problem, culprit="server")
                self._answered += 1
                yield self._next_index(response.index)
        except grpc.RpcError as error:
            if self._failed is None:
                raise self._explained(error) from error
        finally:
            self._over.set()
            call.cancel()
            watch.join()
        if self._failed is not None:
            raise self._failed
        if self._answered < self._sent or not self._all_sent:
            raise Unavailable("the server ended the upload early")

    def _next_index(self, number: int) -> int:
        """What a device sends in order stands in this order."""
        index = parse_index(number)
        if index <= self._last:
            problem = f"the server says index {index} after {self._last}"
            raise Rejected(ANSWER, problem, culprit="server")
        self._last = index
        return index

    def stop(self) -> None:
        """End it from another thread."""
        self._stopped = self._stopped or "the upload was stopped"
        if self._call is not None:
            self._call.cancel()

    def _requests(self) -> Iterator[ballot_box_pb2.UploadRequest]:
        try:
            for artifact, hints in self._messages:
                self._sent += 1
                sent = fitting(artifact, hints)
                yield ballot_box_pb2.UploadRequest(artifact=artifact, hints=sent)
            self._all_sent = True
        except Exception as error:  # gRPC would say no more than that reading failed
            self._failed = error

    def _watch(self, call: grpc.Future[Any]) -> None:
        seen = -1
        while not self._over.wait(self._stall):
            if seen == self._answered:
                self._stopped = "the server did not go on with the upload"
                call.cancel()
                return
            seen = self._answered

    def _explained(self, error: grpc.RpcError) -> SailauError:
        return Unavailable(self._stopped) if self._stopped else explain(error)


def fitting(artifact: bytes, hints: bytes) -> bytes:
    """The hints, unless a request would be too long with them: it is as good without."""
    return hints if len(artifact) + len(hints) <= MAX_REQUEST - _AROUND else b""
