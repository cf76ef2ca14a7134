"""A device ready for work: its home opened, the election proved, the line tried.

With a network the record up to the opening is read from the server, proved once, and kept
(`cli.prepared`). Without one the device works from what is kept.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ballotbox.client import BoardClient, DeviceClient
from ballotbox.device import DeviceMachine
from ballotbox.errors import StoreMissing
from ballotbox.journal import KEY_NAME, Journal, journal_key
from ballotbox.line import Line, LineEvent, LineState
from ballotbox.terminal import Terminal
from cli.common import counted, note, passphrase
from cli.connect import role_connection
from cli.homes import Home, open_home
from cli.prepared import Opened, check_same, keep, load, read_opening
from crypto.errors import Malformed, Rejected, SailauError
from identity.invitation import Invitation
from record.state import Phase
from rpc.errors import Busy, Unavailable

JOURNAL = "journal.sqlite"
PATIENCE = 3.0
"""Seconds for which a voter waits once, when nobody is there any more."""
ANSWER = 10.0
"""Seconds for which a voter waits once, when the server is there and has stopped answering."""
_CANNOT_BE_REACHED, _TOO_BUSY = "the server cannot be reached", "the server is too busy"


@dataclass(slots=True)
class OpenDevice:
    """A device whose election is proved, and whose polls have opened."""

    machine: DeviceMachine
    journal: Journal
    terminal: Terminal
    polls_closed: bool
    obstacle: str
    """Why the line was not up from the beginning, in words; empty if it was."""

    @property
    def line(self) -> Line:
        """What sends."""
        return self.terminal.line

    def need_open(self) -> None:
        """Raise Rejected after the close: what nobody takes must not get into the journal."""
        if self.polls_closed:
            raise _polls_closed(self.machine.label)


@contextmanager
def opened_device(
    home: Path,
    passphrase_file: Path | None,
    server: str | None,
    *,
    offline: bool = False,
    voting: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Iterator[OpenDevice]:
    """The device of this home. With `offline` the server is not looked for.

    While `voting`, whoever reads that there is no network reads what codes are then.

    A busy server is asked again for as long as one that does not answer. Raises Unavailable
    if it cannot be reached, Busy if it is busy all that time, and nothing was prepared.
    """
    opened = open_home(home, passphrase(passphrase_file, "the device"))
    with opened.keystore:
        invitation = opened.invitation()
        prepared = _prepared(opened, invitation, needed=offline)
        patient = prepared is None
        with role_connection(opened, invitation, server, told=patient) as channel:
            first = _Contact(channel, opened, invitation, prepared)
            reason = None if offline else first.try_to_reach()
            journal = _open_journal(opened, first, offline=not first.reached)
            try:
                tell = partial(tell_line, voting=voting)
                if reason is not None or offline:
                    note(_down(journal.waiting(), reason, voting))
                obstacle = "" if first.reached else _obstacle(reason)
                yield _device(first, journal, channel, tell, progress, obstacle)
            finally:
                journal.close()


class _Contact:
    """The server, and what it has said about the election."""

    def __init__(
        self, channel: grpc.Channel, home: Home, invitation: Invitation, opened: Opened | None
    ) -> None:
        self.home = home
        self.invitation = invitation
        self._opened = opened
        self._board = (
            BoardClient(channel) if opened is None else BoardClient(channel, deadline=ANSWER)
        )
        self.reached = False
        self.polls_closed = False

    @property
    def opened(self) -> Opened:
        """The election up to the opening."""
        if self._opened is None:
            raise AssertionError("neither prepared nor reached")
        return self._opened

    def try_to_reach(self) -> SailauError | None:
        """Read the election from the server; None, or why not, if the home has what it takes.

        Why not is Unavailable, or Busy after as long a time.
        """
        try:
            self.reach()
        except (Unavailable, Busy) as error:
            if self._opened is None:
                raise
            return error
        return None

    def reach(self) -> None:
        """The server is there, it has the same record as ever, and it says how far it is."""
        if not self.reached:
            if self._opened is None:
                self._opened = read_opening(self._board.read(), self.invitation)
                keep(self.home, self._opened)
            else:
                check_same(self._opened, self._board.read(0, len(self._opened.data)))
        self.polls_closed = self._board.status().phase > Phase.OPEN
        self.reached = True


def _prepared(home: Home, invitation: Invitation, *, needed: bool) -> Opened | None:
    try:
        prepared = load(home, invitation)
    except (Malformed, Rejected) as error:
        if needed:
            raise
        note(f"what was prepared is read from the server again: {error}")
        return None
    if prepared is None and needed:
        raise Unavailable(
            "this device was never prepared to work without a network",
            "With a network, run `sailau device prepare` first.",
        )
    return prepared


def _open_journal(home: Home, contact: _Contact, *, offline: bool) -> Journal:
    path, label = home.path / JOURNAL, contact.invitation.identity.name
    base_hash = contact.invitation.base_hash
    if not path.exists() and offline and KEY_NAME in home.keystore.secrets:
        raise StoreMissing(
            f"the journal {path} is gone, and without a network nobody can tell how far the chain "
            "was. Connect the device, or have it declared missing"
        )
    key = journal_key(home.keystore)
    if path.exists():
        return Journal.open(path, base_hash, label, key)
    return Journal.create(path, base_hash, label, key)


def _device(
    contact: _Contact,
    journal: Journal,
    channel: grpc.Channel,
    tell: Callable[[LineEvent], None],
    progress: Callable[[int], None],
    obstacle: str,
) -> OpenDevice:
    transcript = contact.opened.transcript
    context, keys = transcript.context, transcript.state.need_keys()
    label = contact.invitation.identity.name
    key = Ed25519PrivateKey.from_private_bytes(contact.home.role_key.secret_bytes())
    machine = DeviceMachine(context, keys, label, key, journal)

    def greet() -> None:
        contact.reach()
        if contact.polls_closed:
            raise _polls_closed(label)
        journal.contacted()

    down = not contact.reached
    if contact.reached:
        journal.contacted()
    line = Line(
        machine,
        DeviceClient(channel, context, deadline=PATIENCE, answer=ANSWER),
        state=LineState.DOWN if down else LineState.UP,
        greet=greet,
        tell=tell,
        progress=progress,
    )
    return OpenDevice(machine, journal, Terminal(line), contact.polls_closed, obstacle)


def tell_line(event: LineEvent, *, voting: bool) -> None:
    """A line on standard error about the line."""
    if event.state is LineState.DOWN:
        note(_down(event.waiting, event.reason, voting))
    elif event.state is LineState.CATCHING_UP:
        note(f"online: {waits(event.waiting)}; uploading")
    elif event.state is LineState.UP:
        note("online: everything is on the record")
    elif threading.current_thread() is not threading.main_thread():
        # Where it is refused before somebody's eyes, the program ends with it.
        note(f"refused by the server, no more votes are taken: {event.reason}")


def _down(waiting: int, reason: SailauError | None, voting: bool) -> str:
    """Why nothing is sent now: who reads it looks at cables only if there is no network."""
    what = _TOO_BUSY if isinstance(reason, Busy) else "offline"
    because = f" ({reason})" if reason is not None else ""
    codes = "codes are provisional; " if voting else ""
    return f"{what}{because}: {codes}{waits(waiting)}"


def _obstacle(reason: SailauError | None) -> str:
    return _TOO_BUSY if isinstance(reason, Busy) else _CANNOT_BE_REACHED


def waits(number: int) -> str:
    """How much waits, in words."""
    if number == 0:
        return "nothing waits to be uploaded"
    return f"{counted(number, 'message')} {'waits' if number == 1 else 'wait'}"


def _polls_closed(label: str) -> Rejected:
    return Rejected("R.order", "the polls have closed", where=label)


def last_contact(seconds: int | None) -> str:
    """A moment as people read it, in the machine's own time."""
    if seconds is None:
        return "never"
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
