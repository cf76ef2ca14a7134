"""The line between a device and the ballot box: what waits in the journal, and its sending.

While the line is up a voter waits for the receipt. When a call fails because the server
cannot be reached, the line is down, and from then on no voter waits: `catch_up` is tried
again in the background (`Line.working`), uploads everything that waits, and puts the line
up again. There is one sender at a time, and it sends in the order of the journal, so that
nothing overtakes. A message is acknowledged once the server has said its index; whoever is
killed before that sends the same bytes again, and the server says the same index.

A server that was put back to an older copy of its database has lost what it acknowledged, and
would refuse what follows. So the newest acknowledged ballot is asked for whenever the line was
not up, and when something is refused: while the server does not have it, the line stays down.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from ballotbox.device import DeviceMachine
from ballotbox.errors import BallotLost
from ballotbox.journal import Kind, Outgoing
from ballotbox.receipts import Receipt
from crypto.errors import Rejected, SailauError

LOGGER = logging.getLogger(__name__)

FEW = 8
"""As many messages are sent one by one, with receipts, while somebody waits."""
FIRST_PAUSE = 1.0
LAST_PAUSE = 10.0
LONGEST_HINT = 60.0


class Decision(Protocol):
    """Where a decision stands, and its receipt."""

    @property
    def index(self) -> int:
        """The index in the record."""
        ...

    @property
    def receipt(self) -> Receipt:
        """The receipt."""
        ...


class BallotBox(Protocol):
    """Takes a device's artifacts; `client.DeviceClient` is one."""

    def register(self, artifact: bytes) -> int:
        """Begin the chain."""
        ...

    def submit(self, artifact: bytes, hints: bytes = b"") -> Receipt:
        """Submit a ballot."""
        ...

    def cast(self, code: bytes, artifact: bytes) -> Decision:
        """Cast it."""
        ...

    def challenge(self, code: bytes, artifact: bytes) -> Decision:
        """Challenge it."""
        ...

    def receipt(self, code: bytes) -> Receipt:
        """The receipt of the ballot's decision, or of the ballot, as it is best now."""
        ...

    def close(self, artifact: bytes) -> int:
        """End the chain."""
        ...

    def upload(self, messages: Iterable[tuple[bytes, bytes]]) -> Iterator[int]:
        """Send artifacts, each with its hints, in order; their indices, in the same order.

        Ends when all are answered. `messages` may be read in another thread.
        """
        ...

    def again(self, error: SailauError) -> float | None:
        """After how many seconds to try again after this error; None if that is no use."""
        ...

    def missing(self, error: SailauError) -> bool:
        """Whether this error of `receipt` says that there is no such ballot."""
        ...

    def stop(self) -> None:
        """End an upload that runs in another thread, now."""
        ...


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that was sent, where it stands in the record, and its receipt if there is one."""

    kind: Kind
    code: bytes | None
    index: int
    receipt: Receipt | None


class LineState(Enum):
    """Whether voters wait for the server."""

    UP = "up"
    CATCHING_UP = "catching up"
    DOWN = "down"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class LineEvent:
    """The line changed to `state`, with so many messages waiting; `reason` if it was lost."""

    state: LineState
    waiting: int
    reason: SailauError | None = None


class Line:
    """Sends what waits, for one device. Safe to use from several threads."""

    def __init__(
        self,
        machine: DeviceMachine,
        ballot_box: BallotBox,
        *,
        state: LineState = LineState.UP,
        greet: Callable[[], None] = lambda: None,
        tell: Callable[[LineEvent], None] = lambda _: None,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        """`greet` is called before the line goes up again and raises if it must not.

        `tell` is told each change of state, `progress` how many messages an upload has
        brought over since it began.
        """
        self.machine = machine
        self.refused: SailauError | None = None
        self._ballot_box = ballot_box
        self._state = state
        self._greet = greet
        self._tell = tell
        self._progress = progress
        self._sending = threading.RLock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._hint = 0.0
        # Whether the server was seen to have what it acknowledged before this began.
        self._kept = False

    @property
    def state(self) -> LineState:
        """How the line is now."""
        return self._state

    @property
    def up(self) -> bool:
        """Whether voters get receipts."""
        return self._state is LineState.UP

    @property
    def hint(self) -> float:
        """Seconds for which the server has asked for patience; 0 if it has not."""
        return self._hint

    def check(self) -> None:
        """Raise again what the server refused for good: nothing behind it can ever be sent."""
        if self.refused is not None:
            raise self.refused

    def deliver(self) -> tuple[Sent, ...] | None:
        """Send what waits, and say where it stands; None if the line is not up.

        Then it stays in the journal for `catch_up`. Raises what the server refuses.
        """
        self.check()
        if not self.up:
            return None
        with self._sending:
            self.check()
            if not self.up:
                return None
            if self.machine.waiting() > FEW:
                self._become(LineState.CATCHING_UP)
                return None
            try:
                if not self._kept:
                    self._check_kept()
                return tuple(self._send(message) for message in self.machine.outgoing())
            except SailauError as error:
                self._lose(error)
                return None

    def receipt(self, code: bytes) -> Receipt | None:
        """The receipt of a ballot as it is best now; None if the line is not up."""
        if self.deliver() is None:
            return None
        try:
            return self._ballot_box.receipt(code)
        except SailauError as error:
            if self._ballot_box.again(error) is None:
                raise
            with self._sending:
                self._lose(error)
            return None

    def catch_up(self) -> bool:
        """Try once to bring everything over; whether the line is up now.

        Raises what the server refuses.
        """
        self.check()
        with self._sending:
            try:
                self._greet()
                self._check_kept()
                while not self._stopping.is_set() and self.machine.waiting():
                    self._upload()
            except SailauError as error:
                self._lose(error)
                return False
            if self.machine.waiting():
                return False
            return self._put_up()

    @contextmanager
    def working(self) -> Iterator[Line]:
        """While the block lasts, `catch_up` in the background whenever the line is not up."""
        thread = threading.Thread(target=self._work, name="line", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._stopping.set()
            self._wake.set()
            self._ballot_box.stop()
            thread.join()

    def _work(self) -> None:
        pause = 0.0
        while not self._stopping.is_set():
            if self.up:
                self._wake.wait()
                self._wake.clear()
                pause = 0.0
                continue
            if self._state is LineState.DOWN:
                self._stopping.wait(max(pause, self._hint))
                pause = min(max(2 * pause, FIRST_PAUSE), LAST_PAUSE)
            try:
                if not self._stopping.is_set() and self.catch_up():
                    pause = 0.0
            except SailauError:
                return  # `check` raises it where somebody is told
            except BaseException as error:
                # A mistake of ours. Nobody may wait meanwhile; what is kept is kept.
                self._state = LineState.DOWN
                if not isinstance(error, Exception):
                    raise
                LOGGER.error("bringing over what waits has failed", exc_info=error)

    def _put_up(self) -> bool:
        """The line is up, unless a voter came between the last look and now.

        That voter has seen that it was not, and nobody else would send the ballot.
        """
        before, self._state = self._state, LineState.UP
        if self.machine.waiting():
            self._state = LineState.CATCHING_UP
            return False
        self._hint = 0.0
        if before is not LineState.UP:
            self._tell(LineEvent(LineState.UP, 0))
        return True

    def _upload(self) -> None:
        """Everything that waits, in one stream. The line is up again with the first answer."""
        sent: deque[int] = deque()

        def messages() -> Iterator[tuple[bytes, bytes]]:
            after = 0
            while not self._stopping.is_set() and (page := self.machine.outgoing(after)):
                for message in page:
                    sent.append(message.position)
                    yield message.data, message.hints
                after = page[-1].position

        try:
            for done, index in enumerate(self._ballot_box.upload(messages()), start=1):
                self._become(LineState.CATCHING_UP)
                self.machine.acknowledge(sent.popleft(), index)
                self._hint = 0.0
                self._progress(done)
        finally:
            self._ballot_box.stop()  # the disk here may be what failed

    def _send(self, message: Outgoing) -> Sent:
        index, receipt = self._call(message)
        self.machine.acknowledge(message.position, index)
        return Sent(message.kind, message.code, index, receipt)

    def _call(self, message: Outgoing) -> tuple[int, Receipt | None]:
        box, data = self._ballot_box, message.data
        if message.kind is Kind.BEGIN:
            return box.register(data), None
        if message.kind is Kind.CLOSE:
            return box.close(data), None
        if message.kind is Kind.BALLOT:
            receipt = box.submit(data, message.hints)
            return receipt.index, receipt
        if message.code is None:
            raise Rejected("R.cast", "the journal has a decision without a code", where="journal")
        decide = box.cast if message.kind is Kind.CAST else box.challenge
        decision = decide(message.code, data)
        return decision.index, decision.receipt

    def _check_kept(self) -> None:
        """Raise BallotLost if the server does not have what it acknowledged last."""
        last = self.machine.acknowledged()
        if last is not None and last.code is not None:
            try:
                receipt = self._ballot_box.receipt(last.code)
            except SailauError as error:
                if not self._ballot_box.missing(error):
                    raise
                raise BallotLost(last.code) from None
            # The receipt of a ballot may be that of its decision by now.
            if last.kind is not Kind.BALLOT and receipt.index != last.accepted:
                raise BallotLost(last.code)
        self._kept = True

    def _explained(self, error: SailauError) -> SailauError:
        """Why something is refused: BallotLost, if the server has lost what was before it."""
        try:
            self._check_kept()
        except BallotLost as lost:
            return lost
        except SailauError:
            pass
        return error

    def _lose(self, error: SailauError) -> None:
        """The line is down, or the device is refused; raises the error in that case."""
        pause = self._ballot_box.again(error)
        if pause is None:
            error = self._explained(error)
            pause = self._ballot_box.again(error)
        if pause is None:
            self.refused = error
            self._become(LineState.REFUSED, error)
            raise error
        self._hint = min(pause, LONGEST_HINT)
        self._become(LineState.DOWN, error)

    def _become(self, state: LineState, reason: SailauError | None = None) -> None:
        if state is not self._state:
            self._state = state
            if state is LineState.DOWN and self._stopping.is_set():
                return  # by ourselves
            self._tell(LineEvent(state, self.machine.waiting(), reason))
        if state is not LineState.UP:
            self._wake.set()
