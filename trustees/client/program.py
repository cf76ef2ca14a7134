"""`TrusteeClient`: reads the board, has the machine step, posts, and asks the person."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import grpc

from crypto.errors import Malformed, Rejected, SailauError
from record.state import Phase
from rpc.errors import Busy, CallFailed, NobodyThere, ServerFailed, Unavailable
from sailau.v1 import bulletin_board_pb2_grpc
from trustees.client.calls import CoordinatorClient
from trustees.client.feed import FIRST_PAUSE, Feed, Helpers
from trustees.machine import Trustee
from trustees.messages import (
    Aborted,
    Computing,
    Confirmation,
    ConfirmationDue,
    Event,
    Message,
    PostArtifact,
    Refusing,
    Step,
)

PAUSE_AFTER_REFUSAL = 2.0
_AT_ONCE = 64
_IDLE = 0.25


@dataclass(frozen=True, slots=True)
class Disconnected:
    """An event of the client's own: the server cannot be reached, or was and is not."""

    problem: SailauError

    def __str__(self) -> str:
        return f"not connected: {self.problem}"

    @property
    def kind(self) -> str:
        """The problem without the address: a name may have several, tried in turn."""
        nobody = isinstance(self.problem, NobodyThere)
        return NobodyThere.__name__ if nobody else str(self.problem)


@dataclass(frozen=True, slots=True)
class NotTaken:
    """An event of the client's own: the server did not take a message."""

    what: str
    reason: SailauError

    def __str__(self) -> str:
        return f"the server did not take the {self.what}: {self.reason}"


@dataclass(frozen=True, slots=True)
class AnotherProgram:
    """An event of the client's own: the server has another program for this trustee's."""

    reason: Rejected

    def __str__(self) -> str:
        return f"{self.reason.problem}; trying again. {self.reason.advice}"


Told: TypeAlias = Event | Disconnected | NotTaken | AnotherProgram
Progress = Callable[[Told], None]
Confirm = Callable[[Confirmation, Mapping[str, bytes]], Mapping[str, bytes] | None]


class _StoppedError(Exception):
    """`stop` was called while something was being computed."""


class TrusteeClient:
    """Runs one trustee. `run` in one thread, `stop` from any."""

    def __init__(
        self,
        trustee: Trustee,
        channel: grpc.Channel,
        *,
        confirm: Confirm,
        progress: Progress = lambda event: None,
        program: bytes | None = None,
    ) -> None:
        """`channel` is the role's (`rpc.role_channel`).

        `confirm` shows a person what to compare, writes a backup of the values it is
        given and returns what it reads back from it; None, if the person does not agree:
        then `run` ends, and `declined` says so. It may take its time. `progress` is told
        every event that is new. `program` tells this program from others of the same trustee
        (`program_of`; drawn, if it is None).
        """
        self._trustee = trustee
        self._coordinator = CoordinatorClient(channel, program)
        self._board = bulletin_board_pb2_grpc.BulletinBoardServiceStub(channel)
        self._confirm = confirm
        self._progress = progress
        self._stop = threading.Event()
        self._said: tuple[type, str] | None = None
        self._declined = False
        self._wait_for = 0
        self._aborted: Aborted | None = None

    @property
    def declined(self) -> bool:
        """Whether the person was asked and did not agree; another client asks again."""
        return self._declined

    def stop(self) -> None:
        """Have `run` return soon."""
        self._stop.set()

    def run(self, until: Callable[[Trustee], bool] = lambda trustee: False) -> Aborted | None:
        """Take part until `until` holds, `stop` is called, or the ceremony is aborted.

        Also until the person does not agree to the keys (`declined`). Returns then: if the
        ceremony is aborted, how it ended. Raises the refusal (`Malformed`,
        `Rejected`) if the trustee refuses to go on, Denied or Unauthenticated if the
        server does not know the certificate, a KeystoreError if the secrets cannot be
        written.
        """
        feed = Feed(self._board, self._trustee.size)
        helpers = Helpers(self._coordinator, feed)
        self._trustee.listen(self._computing)
        try:
            helpers.start()
            while not (self._over() or until(self._trustee)):
                self._turn(feed, helpers)
            if self._trustee.phase is Phase.ABORTED or until(self._trustee):
                self._last_step()
        except _StoppedError:
            pass
        finally:
            self._trustee.close()
            helpers.stop()
        return self._aborted

    def _last_step(self) -> None:
        """What is not needed any more is erased by it, however the program was to end."""
        event = self._step().event
        if self._trustee.phase is Phase.ABORTED:
            self._tell(event)
        elif isinstance(event, Refusing):
            raise event.reason

    def _over(self) -> bool:
        return self._aborted is not None or self._declined or self._stop.is_set()

    def _turn(self, feed: Feed, helpers: Helpers) -> None:
        """Read what there is; say what is due, if this is the one program that may."""
        if feed.failure is not None:
            raise feed.failure
        if not self._read(feed):
            return
        problem = feed.problem
        if problem is not None:
            self._tell(Disconnected(problem))
        elif helpers.elsewhere is not None:
            self._tell(AnotherProgram(helpers.elsewhere))
        first = helpers.first_to_read
        if first is None or self._trustee.size < max(first, self._wait_for):
            # Perhaps another program spoke, or this one: that has to be read back first.
            return
        step = self._step()
        if feed.problem is None:
            self._tell(step.event)
        if isinstance(step.event, ConfirmationDue):
            self._ask(step.event.confirmation)
        elif step.message is not None:
            self._post(step.message)

    def _step(self) -> Step:
        step = self._trustee.step()
        if isinstance(step.event, Refusing):
            self._tell(step.event)
            raise step.event.reason
        if isinstance(step.event, Aborted):
            self._aborted = step.event
        return step

    def _read(self, feed: Feed) -> bool:
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
        read_back = self._confirm(confirmation, self._trustee.backup())
        if read_back is not None:
            self._trustee.confirm(read_back)
        else:
            # Asked again by the next program: a person who finds a difference stops here.
            self._declined = True

    def _post(self, message: Message) -> None:
        try:
            index = self._send(message)
        except Unavailable as error:
            self._tell(Disconnected(error))
            self._stop.wait(FIRST_PAUSE)
            return
        except (Busy, CallFailed, ServerFailed, Malformed, Rejected) as error:
            if isinstance(error, Rejected) and error.check == "R.program":
                self._tell(AnotherProgram(error))
                self._stop.wait(FIRST_PAUSE)
                return
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

    def _computing(self, event: Computing) -> None:
        """Between two parts of a long computation: what is done is kept."""
        if self._stop.is_set():
            raise _StoppedError
        self._tell(event)

    def _tell(self, event: Told) -> None:
        """What is new: an error that comes again is another object with the same words."""
        words = event.kind if isinstance(event, Disconnected) else str(event)
        if (type(event), words) != self._said:
            self._said = type(event), words
            self._progress(event)
