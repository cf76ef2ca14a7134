"""The board's artifacts, in order, and attendance, each in a thread of its own."""

from __future__ import annotations

import queue
import threading

import grpc

from crypto.errors import Rejected, SailauError
from rpc.errors import (
    Denied,
    Unauthenticated,
    Unavailable,
    WrongServer,
    explain_stream,
    explained,
)
from sailau.v1 import bulletin_board_pb2, bulletin_board_pb2_grpc
from trustees.client.calls import CoordinatorClient

ATTEND_EVERY = 2.0
STATUS_TIMEOUT = 5.0
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0
PAUSE_AT_ANOTHER = 30.0
"""Before a server of another election is asked again: it will hardly become the right one."""
_AHEAD = 256


class Feed:
    """The board's artifacts, in order, through any number of broken connections."""

    def __init__(self, board: bulletin_board_pb2_grpc.BulletinBoardServiceStub, first: int) -> None:
        self._board = board
        self._next = first
        self._queue: queue.Queue[bytes] = queue.Queue(_AHEAD)
        self._stop = threading.Event()
        self._call: grpc.Call | None = None
        self.problem: SailauError | None = None
        self.failure: SailauError | None = None

    def next(self, timeout: float) -> bytes | None:
        """The next artifact, if one comes within `timeout` seconds."""
        try:
            return self._queue.get(timeout=timeout) if timeout else self._queue.get_nowait()
        except queue.Empty:
            return None

    def board_size(self) -> int:
        """How many artifacts the board has now."""
        request = bulletin_board_pb2.GetStatusRequest()
        with explained():
            return int(self._board.GetStatus(request, timeout=STATUS_TIMEOUT).size)

    def run(self) -> None:
        """Follow the board until `stop`; for a thread."""
        pause = FIRST_PAUSE
        while not self._stop.is_set():
            before = self._next
            try:
                problem: SailauError = self._follow()
            except grpc.RpcError as error:
                problem = explain_stream(error)
                if isinstance(problem, Denied | Unauthenticated):
                    self.failure = problem
                    return
            if self._stop.is_set():
                return
            self.problem = problem
            pause = FIRST_PAUSE if self._next > before else min(2 * pause, LONGEST_PAUSE)
            self._stop.wait(PAUSE_AT_ANOTHER if isinstance(problem, WrongServer) else pause)

    def stop(self) -> None:
        """End `run`."""
        self._stop.set()
        if self._call is not None:
            self._call.cancel()

    def _follow(self) -> Unavailable:
        """One stream, as long as it lasts; returns why it ended."""
        request = bulletin_board_pb2.ReadArtifactsRequest(first=self._next, follow=True)
        call = self._board.ReadArtifacts(request)
        self._call = call
        if self._stop.is_set():
            call.cancel()
        try:
            for response in call:
                if self._stop.is_set():
                    break
                if response.index != self._next:
                    return Unavailable(
                        f"the server sent artifact {response.index} instead of {self._next}"
                    )
                self.problem = None
                self._put(response.artifact)
        finally:
            call.cancel()
        return Unavailable("the server ended the stream")

    def _put(self, artifact: bytes) -> None:
        while not self._stop.is_set():
            try:
                self._queue.put(artifact, timeout=0.5)
            except queue.Full:
                continue
            self._next += 1
            return


class Helpers:
    """The two threads beside the program: one follows the board, one attends.

    `first_to_read` is the record's size when the server took this program for the
    trustee's, None before: from then on nobody else speaks in its name, and what was said
    before has to be read first. `elsewhere` says why the server does not.
    """

    def __init__(self, coordinator: CoordinatorClient, feed: Feed) -> None:
        self._coordinator = coordinator
        self._feed = feed
        self._stop = threading.Event()
        self.first_to_read: int | None = None
        self.elsewhere: Rejected | None = None
        self._threads = [
            threading.Thread(target=feed.run, name="board", daemon=True),
            threading.Thread(target=self._attend, name="attendance", daemon=True),
        ]

    def start(self) -> None:
        """Start both."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End both."""
        self._stop.set()
        self._feed.stop()
        for thread in self._threads:
            thread.join(timeout=5.0)

    def _attend(self) -> None:
        while not self._stop.is_set():
            try:
                self._coordinator.attend()
                if self.first_to_read is None:
                    self.first_to_read = self._feed.board_size()
                self.elsewhere = None
                self._feed.problem = None
            except Rejected as error:
                self._feed.problem = None
                self.first_to_read, self.elsewhere = None, error
            except (Denied, Unauthenticated) as error:
                self._feed.failure = error
                return
            except WrongServer:
                self._stop.wait(PAUSE_AT_ANOTHER)
            except SailauError:
                pass  # The feed says what is wrong; here it is enough to try again.
            self._stop.wait(ATTEND_EVERY)
