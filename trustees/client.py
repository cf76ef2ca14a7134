"""The trustee's program around `machine.Trustee`: it reads the board, posts and attends.

It connects outward only, to the roles' listener, which serves the board and the
coordinator. It may be killed at any moment: everything that matters is in the key store,
and the machine says again what the record lacks. While the server cannot be reached it
tries again for ever.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

import grpc

from crypto.errors import Malformed, Rejected, SailauError
from rpc.errors import (
    Busy,
    CallFailed,
    Denied,
    ServerFailed,
    Unauthenticated,
    Unavailable,
    explain,
    explained,
)
from sailau.v1 import (
    bulletin_board_pb2,
    bulletin_board_pb2_grpc,
    coordinator_pb2,
    coordinator_pb2_grpc,
)
from trustees.machine import Trustee
from trustees.messages import (
    Confirmation,
    ConfirmationDue,
    Event,
    Message,
    PostArtifact,
    PostNonceShares,
    Refusing,
)

ATTEND_EVERY = 2.0
CALL_TIMEOUT = 120.0
"""The server proves what it is sent before it answers: 512 entries take seconds."""
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0
PAUSE_AFTER_REFUSAL = 2.0
_AHEAD = 256
_AT_ONCE = 64
_IDLE = 0.25


class CoordinatorClient:
    """The coordinator's calls, on a channel of `rpc.role_channel`. Errors are ours."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = coordinator_pb2_grpc.CoordinatorServiceStub(channel)

    def post_artifact(self, data: bytes) -> int:
        """Put a signed statement on the record; returns its index."""
        request = coordinator_pb2.PostArtifactRequest(artifact=data)
        with explained():
            return int(self._stub.PostArtifact(request, timeout=CALL_TIMEOUT).index)

    def attend(self) -> None:
        """Say that this trustee is there."""
        with explained():
            self._stub.Attend(coordinator_pb2.AttendRequest(), timeout=5.0)

    def post_nonce_shares(self, message: PostNonceShares) -> None:
        """Hand over parts of challenged ballots' nonces."""
        shares = [
            coordinator_pb2.NonceShare(confirmation_code=code, partial_decryption=element)
            for code, element in message.shares
        ]
        request = coordinator_pb2.PostNonceSharesRequest(session=message.session, shares=shares)
        with explained():
            self._stub.PostNonceShares(request, timeout=CALL_TIMEOUT)


@dataclass(frozen=True, slots=True)
class Disconnected:
    """An event of the client's own: the server cannot be reached, or was and is not."""

    problem: str

    def __str__(self) -> str:
        return f"not connected: {self.problem}"


@dataclass(frozen=True, slots=True)
class NotTaken:
    """An event of the client's own: the server did not take a message."""

    what: str
    reason: SailauError

    def __str__(self) -> str:
        return f"the server did not take the {self.what}: {self.reason}"


Progress = Callable[[Event | Disconnected | NotTaken], None]
Confirm = Callable[[Confirmation], bool]


class TrusteeClient:
    """Runs one trustee. `run` in one thread, `stop` from any."""

    def __init__(
        self,
        trustee: Trustee,
        channel: grpc.Channel,
        *,
        confirm: Confirm,
        progress: Progress = lambda event: None,
    ) -> None:
        """`channel` is the role's (`rpc.role_channel`).

        `confirm` shows a person what to compare and says whether the person agrees; it
        may take its time. `progress` is told every event that is new.
        """
        self._trustee = trustee
        self._coordinator = CoordinatorClient(channel)
        self._board = bulletin_board_pb2_grpc.BulletinBoardServiceStub(channel)
        self._confirm = confirm
        self._progress = progress
        self._stop = threading.Event()
        self._said: object = None
        self._declined = False
        self._wait_for = 0

    def stop(self) -> None:
        """Have `run` return soon."""
        self._stop.set()

    def run(self, until: Callable[[Trustee], bool] = lambda trustee: False) -> None:
        """Take part until `until` holds or `stop` is called.

        Returns then. Raises the refusal (`Malformed`, `Rejected`) if the trustee refuses
        to go on, Denied or Unauthenticated if the server does not know the certificate,
        a KeystoreError if the secrets cannot be written.
        """
        feed = _Feed(self._board, self._trustee.size)
        helpers = _Helpers(self._coordinator, feed)
        try:
            helpers.start()
            while not self._stop.is_set() and not until(self._trustee):
                self._turn(feed)
        finally:
            helpers.stop()

    def _turn(self, feed: _Feed) -> None:
        """Read what there is; say what is due."""
        if feed.failure is not None:
            raise feed.failure
        if not self._read(feed):
            return
        if feed.problem:
            self._tell(Disconnected(feed.problem))
        if self._trustee.size < self._wait_for:
            return  # What was posted last has not come back from the board.
        step = self._trustee.step()
        if not feed.problem:
            self._tell(step.event)
        if isinstance(step.event, Refusing):
            raise step.event.reason
        if isinstance(step.event, ConfirmationDue):
            self._ask(step.event.confirmation)
        elif step.message is not None:
            self._post(step.message)

    def _read(self, feed: _Feed) -> bool:
        """Feed the machine; whether it has everything that has arrived."""
        wait = _IDLE
        for _ in range(_AT_ONCE):
            artifact = feed.next(wait)
            if artifact is None:
                return True
            self._trustee.receive(artifact)
            wait = 0.0
        return False

    def _ask(self, confirmation: Confirmation) -> None:
        if self._declined:
            return
        if self._confirm(confirmation):
            self._trustee.confirm()
        else:
            # Asked again by the next run: a person who finds a difference stops here.
            self._declined = True

    def _post(self, message: Message) -> None:
        try:
            index = self._send(message)
        except Unavailable as error:
            self._tell(Disconnected(str(error)))
            self._stop.wait(FIRST_PAUSE)
            return
        except (Busy, CallFailed, ServerFailed, Malformed, Rejected) as error:
            # Perhaps overtaken by a session that the board is about to tell us of.
            self._tell(NotTaken(message.what, error))
            self._stop.wait(PAUSE_AFTER_REFUSAL)
            return
        self._trustee.posted(message)
        self._wait_for = max(self._wait_for, index + 1)

    def _send(self, message: Message) -> int:
        if isinstance(message, PostArtifact):
            return self._coordinator.post_artifact(message.data)
        self._coordinator.post_nonce_shares(message)
        return -1

    def _tell(self, event: Event | Disconnected | NotTaken) -> None:
        if event != self._said:
            self._said = event
            self._progress(event)


class _Feed:
    """The board's artifacts, in order, through any number of broken connections."""

    def __init__(self, board: bulletin_board_pb2_grpc.BulletinBoardServiceStub, first: int) -> None:
        self._board = board
        self._next = first
        self._queue: queue.Queue[bytes] = queue.Queue(_AHEAD)
        self._stop = threading.Event()
        self._call: grpc.Call | None = None
        self.problem = ""
        self.failure: SailauError | None = None

    def next(self, timeout: float) -> bytes | None:
        """The next artifact, if one comes within `timeout` seconds."""
        try:
            return self._queue.get(timeout=timeout) if timeout else self._queue.get_nowait()
        except queue.Empty:
            return None

    def run(self) -> None:
        """Follow the board until `stop`; for a thread."""
        pause = FIRST_PAUSE
        while not self._stop.is_set():
            before = self._next
            try:
                problem = self._follow()
            except grpc.RpcError as error:
                known = explain(error)
                problem = str(known)
                if isinstance(known, Denied | Unauthenticated):
                    self.failure = known
                    return
            if self._stop.is_set():
                return
            self.problem = problem
            pause = FIRST_PAUSE if self._next > before else min(2 * pause, LONGEST_PAUSE)
            self._stop.wait(pause)

    def stop(self) -> None:
        """End `run`."""
        self._stop.set()
        if self._call is not None:
            self._call.cancel()

    def _follow(self) -> str:
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
                    return f"the server sent artifact {response.index} instead of {self._next}"
                self.problem = ""
                self._put(response.artifact)
        finally:
            call.cancel()
        return "the server ended the stream"

    def _put(self, artifact: bytes) -> None:
        while not self._stop.is_set():
            try:
                self._queue.put(artifact, timeout=0.5)
            except queue.Full:
                continue
            self._next += 1
            return


class _Helpers:
    """The two threads beside `run`: one follows the board, one attends."""

    def __init__(self, coordinator: CoordinatorClient, feed: _Feed) -> None:
        self._coordinator = coordinator
        self._feed = feed
        self._stop = threading.Event()
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
                self._feed.problem = ""
            except (Denied, Unauthenticated) as error:
                self._feed.failure = error
                return
            except SailauError:
                pass  # The feed says what is wrong; here it is enough to try again.
            self._stop.wait(ATTEND_EVERY)
