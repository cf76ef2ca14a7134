"""The artifacts of the board, as they come."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc

from ballotbox.client.answers import ANSWER
from crypto.errors import Rejected
from rpc.errors import Busy, Unavailable, explain_stream
from rpc.retry import CAP, FIRST
from sailau.v1 import bulletin_board_pb2, bulletin_board_pb2_grpc


class ArtifactStream:
    """Pairs of index and artifact bytes, in order and without a gap; to be iterated once.

    Goes on where it was when the connection is lost, or when the server has ended a stream
    that was not iterated for too long. Raises Unavailable if the server cannot be reached
    for `deadline` seconds, Busy if that long it serves as many streams as it can (one that
    follows: at once). `cancel`, from any thread, ends it.
    """

    def __init__(
        self,
        stub: bulletin_board_pb2_grpc.BulletinBoardServiceStub,
        first: int,
        deadline: float,
        *,
        limit: int = 0,
        follow: bool = False,
        with_hints: bool = False,
    ) -> None:
        self.hints = b""
        """What came with the newest artifact if hints were asked for: untrusted, or empty."""
        self._stub = stub
        self._next = first
        self._end = first + limit if limit else None
        self._follow, self._with_hints = follow, with_hints
        # A follower's place may not become free for hours, a reader's does.
        self._again = Unavailable if follow else (Unavailable, Busy)
        self._deadline = deadline
        self._stop = threading.Event()
        self._call: Any = None

    def cancel(self) -> None:
        """Let the iteration end, also one that waits."""
        self._stop.set()
        if self._call is not None:
            self._call.cancel()

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        lost_since: float | None = None
        pause = FIRST
        while not self._stop.is_set() and self._next != self._end:
            try:
                for item in self._connected():
                    lost_since, pause = None, FIRST
                    yield item
                if not self._follow:
                    return
            except grpc.RpcError as error:
                known = explain_stream(error)
                if self._stop.is_set():
                    return
                lost_since = lost_since or time.monotonic()
                lost_for = time.monotonic() - lost_since
                wait = max(pause, known.retry_after) if isinstance(known, Busy) else pause
                if not isinstance(known, self._again) or lost_for + wait > self._deadline:
                    raise known from error
                self._stop.wait(wait)
                pause = min(2 * pause, CAP)
            finally:
                if self._call is not None:
                    self._call.cancel()

    def _connected(self) -> Iterator[tuple[int, bytes]]:
        request = bulletin_board_pb2.ReadArtifactsRequest(
            first=self._next,
            limit=0 if self._end is None else self._end - self._next,
            follow=self._follow,
            with_hints=self._with_hints,
        )
        self._call = self._stub.ReadArtifacts(request)
        if self._stop.is_set():
            return
        for response in self._call:
            if response.index != self._next or self._next == self._end:
                raise Rejected(
                    ANSWER,
                    f"the server sent artifact {response.index} instead of {self._next}",
                    culprit="server",
                )
            self._next += 1
            self.hints = response.hints
            yield response.index, response.artifact
