"""A device, its journal and a ballot box in memory; line and program may end at any point.

    day = Day(world, directory)
    day.strike = ...                       # called at every write and message; may raise
    day.start()                            # the program, also after it was killed
    day.terminal.submit(...)

The ballot box takes what the transcript takes, and knows what it has: the same bytes have
the same index. `strike` is called with "write" before and "written" after each transaction
of the journal, with "leaves" when a message has left the device, and with "taken" when it is
on the record and the answer has not come back. It raises LineLost, or Killed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import text

from ballotbox.database import Database
from ballotbox.device import DeviceMachine
from ballotbox.journal import Journal
from ballotbox.line import Line, LineEvent, LineState
from ballotbox.receipts import Receipt, ReceiptKind, make_receipt
from ballotbox.terminal import Terminal
from crypto.errors import NotNow, SailauError
from record.artifacts import Ballot, Cast, Challenge, Device, DeviceClose
from record.transcript import Transcript
from rpc.errors import NotFound
from tests.world import World

KEY = bytes(range(32))
DEVICE = "ballot-box-1"
Strike = Callable[[str], None]


class LineLost(SailauError):
    """The connection is gone: the message, or the answer to it."""


class Killed(BaseException):
    """The program ends here."""


def fresh(world: World) -> World:
    """The same election with the polls just opened, to be changed."""
    first = world.artifacts[0]
    copy = World(world.secrets, [first], Transcript(first))
    for artifact in world.artifacts[1:]:
        copy.artifacts.append(artifact)
        copy.transcript.append(artifact)
    return copy


@dataclass(frozen=True, slots=True)
class Decided:
    """As the client has it."""

    index: int
    receipt: Receipt


class FakeBallotBox:
    """The server, in memory. `window`: so many messages of an upload are taken unanswered."""

    def __init__(self, world: World, strike: Strike, window: int = 1) -> None:
        self.world = world
        self.strike = strike
        self.window = window
        self.online = True
        self.hints: dict[bytes, bytes] = {}
        self.uploads = 0
        self.arrived = 0
        self._known = {a.data: i for i, a in enumerate(world.artifacts)}

    def take(self, data: bytes) -> int:
        """The index of an artifact, new or known; checked and proved as the server does."""
        if not self.online:
            raise LineLost("nobody answers")
        self.strike("leaves")
        self.arrived += 1
        if data not in self._known:
            self.world.append_artifact(self.world.transcript.parse(data))
            self._known[data] = len(self.world.artifacts) - 1
        self.strike("taken")
        return self._known[data]

    def register(self, artifact: bytes) -> int:
        return self.take(artifact)

    def close(self, artifact: bytes) -> int:
        return self.take(artifact)

    def submit(self, artifact: bytes, hints: bytes = b"") -> Receipt:
        self.hints[artifact] = hints
        return self._receipt(ReceiptKind.SUBMITTED, artifact)

    def cast(self, code: bytes, artifact: bytes) -> Decided:
        del code
        receipt = self._receipt(ReceiptKind.CAST, artifact)
        return Decided(receipt.index, receipt)

    def challenge(self, code: bytes, artifact: bytes) -> Decided:
        del code
        receipt = self._receipt(ReceiptKind.CHALLENGED, artifact)
        return Decided(receipt.index, receipt)

    def receipt(self, code: bytes) -> Receipt:
        if not self.online:
            raise LineLost("nobody answers")
        self.strike("leaves")
        if code not in self.world.state.ballots:
            raise NotFound("no ballot with this confirmation code was submitted")
        entry = self.world.state.ballots[code]
        index = entry.index if entry.decided is None else entry.decided
        return self._receipt_of(index)

    def upload(self, messages: Iterable[tuple[bytes, bytes]]) -> Iterator[int]:
        self.uploads += 1
        stream = iter(messages)
        while window := list(islice(stream, self.window)):
            answers: deque[int] = deque()
            try:
                for data, hints in window:
                    self.hints[data] = hints
                    answers.append(self.take(data))
            except LineLost:
                # What was answered before the line broke may have come through.
                yield from answers
                raise
            yield from answers

    def again(self, error: SailauError) -> float | None:
        return 0.0 if isinstance(error, LineLost | NotNow) else None

    def missing(self, error: SailauError) -> bool:
        return isinstance(error, NotFound)

    def stop(self) -> None:
        pass

    def _receipt(self, kind: ReceiptKind, artifact: bytes) -> Receipt:
        del kind
        return self._receipt_of(self.take(artifact))

    def _receipt_of(self, index: int) -> Receipt:
        artifact = self.world.artifacts[index]
        statement = artifact.statement
        assert isinstance(statement, Ballot | Cast | Challenge)
        kind = {
            Ballot: ReceiptKind.SUBMITTED,
            Cast: ReceiptKind.CAST,
            Challenge: ReceiptKind.CHALLENGED,
        }[type(statement)]
        code = statement.confirmation_code
        base_hash = self.world.context.base_hash
        return make_receipt(kind, base_hash, code, artifact.data, index, (), b"")


class Day:
    """One device on one day, whatever happens to its line and to its program."""

    def __init__(self, world: World, directory: Path, window: int = 1) -> None:
        self.world = fresh(world)
        self.path = directory / "journal.sqlite"
        self.strike: Strike = lambda _: None
        self.box = FakeBallotBox(self.world, self._struck, window)
        self.events: list[LineState] = []
        self.reasons: list[SailauError] = []
        self._journal: Journal | None = None

    def start(self, state: LineState = LineState.UP) -> None:
        """The program, begun anew with what is on the disk."""
        base_hash = self.world.context.base_hash
        if self._journal is not None:
            self._journal.close()
        make = Journal.open if self.path.exists() else Journal.create
        self._journal = make(self.path, base_hash, DEVICE, KEY)
        self._watch(self._journal._database)
        key = self.world.device_key(DEVICE)
        self.machine = DeviceMachine(
            self.world.context, self.world.keys, DEVICE, key, self._journal
        )
        self.line = Line(self.machine, self.box, state=state, greet=self._greet, tell=self._tell)
        self.terminal = Terminal(self.line)

    def end(self) -> None:
        """The program is gone."""
        if self._journal is not None:
            self._journal.close()
        self._journal = None

    @property
    def journal(self) -> Journal:
        """The open journal."""
        assert self._journal is not None
        return self._journal

    def codes(self) -> list[bytes]:
        """The codes of all ballots in the journal, in the order of the chain."""
        with self.journal._database.read() as connection:
            return list(
                connection.execute(text("SELECT code FROM ballots ORDER BY position")).scalars()
            )

    def messages(self) -> list[bytes]:
        """Everything the device has ever said, in order."""
        with self.journal._database.read() as connection:
            query = text("SELECT data FROM messages ORDER BY position")
            return list(connection.execute(query).scalars())

    def check_complete(self) -> None:
        """The record has every message of the device once and in order; nothing is left."""
        said = (Device, Ballot, Cast, Challenge, DeviceClose)
        on_record = [a.data for a in self.world.artifacts if isinstance(a.statement, said)]
        assert on_record == self.messages()
        assert self.machine.waiting() == 0
        assert self.machine.outgoing() == ()

    def _tell(self, event: LineEvent) -> None:
        self.events.append(event.state)
        if event.reason is not None:
            self.reasons.append(event.reason)

    def _struck(self, point: str) -> None:
        self.strike(point)

    def _greet(self) -> None:
        if not self.box.online:
            raise LineLost("nobody answers")
        self.strike("leaves")

    def _watch(self, database: Database) -> None:
        write = database.write
        # A program dies here, not a machine: nothing has to wait for the disk.
        connection = database._writer.connection.driver_connection
        assert connection is not None
        connection.execute("PRAGMA synchronous = OFF")

        @contextmanager
        def watched() -> Iterator[Any]:
            self.strike("write")
            with write() as connection:
                yield connection
            self.strike("written")

        database.write = watched  # type: ignore[method-assign]
