"""`sailau device prepare`, `upload`, `status`, `close`: around a day without a network."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.box import SIMPLE
from rich.progress import Progress
from rich.table import Table

from ballotbox.device_standing import DeviceStanding, read_standing
from ballotbox.line import LineState
from ballotbox.receipts import Receipt
from cli.bars import progress_bar, tenths
from cli.common import (
    UNREACHABLE,
    console,
    counted,
    errors,
    fail,
    home_option,
    json_option,
    note,
    passphrase_option,
    print_json,
    say,
)
from cli.connect import server_option
from cli.device_open import JOURNAL, OpenDevice, last_contact, opened_device, waits
from cli.homes import read_invitation
from cli.prepared import PREPARED

_PAUSE = 2.0


@click.command(short_help="Fetch and prove what the device needs to work offline.")
@home_option("the device")
@server_option
@passphrase_option
def prepare(home: Path, server: str | None, passphrase_file: Path | None) -> None:
    """Fetch and prove what the device needs to work without a network, and keep it.

    That is the election, the trustees' keys and the opening, so the polls have to be open.
    Every other command that reaches the server does the same.
    """
    with opened_device(home, passphrase_file, server) as device:
        if not device.line.up:
            fail(f"{device.obstacle}; what was prepared before is kept", UNREACHABLE)
        device.need_open()
        context = device.machine.context
        say(
            f"{device.machine.label} can work without a network: {context.manifest.label}, "
            f"{counted(context.trustees, 'trustee')}, proved."
        )


@click.command(short_help="Bring everything that waits to the server.")
@home_option("the device")
@server_option
@click.option(
    "--wait",
    default=60,
    show_default=True,
    help="Seconds without any progress after which to give up.",
)
@json_option
@passphrase_option
def upload(
    home: Path, server: str | None, wait: int, as_json: bool, passphrase_file: Path | None
) -> None:
    """Bring everything that waits to the server, in the order in which it was made.

    It may be interrupted and started again as often as need be: what has arrived is not
    sent again, and what was sent twice stands in the record once. Exit code 0 when
    nothing waits any more, 3 when the server was lost on the way, 1 when it refuses.
    """
    bar = _Bar()
    with opened_device(home, passphrase_file, server, progress=bar.add) as device:
        before = device.machine.waiting()
        if before:
            device.need_open()
            _bring_over(device, bar, wait)
        left = device.machine.waiting()
        label, closed = device.machine.label, device.machine.closed
        proved = None if left else _prove_last(device)
    if as_json:
        done = {"device": label, "uploaded": before - left, "waiting": left, "closed": closed}
        print_json({**done, "proved": None if proved is None else proved.index})
    elif not left:
        uploaded = f"{counted(before, 'message')} uploaded" if before else "Nothing waited"
        say(f"{uploaded}; everything of {label} is on the record.")
        if proved is not None:
            say(f"Proved for its last ballot: artifact {proved.index} of the signed log.")
    if left:
        fail(f"{waits(left)}; run this again when the server can be reached", UNREACHABLE)


@click.command(short_help="What the device has done and what waits.")
@home_option("the device")
@json_option
def status(home: Path, as_json: bool) -> None:
    """What the device has done and what waits; needs no key and no network.

    Also beside a running `sailau device run`.
    """
    prepared = (home / PREPARED).exists()
    if (home / JOURNAL).exists():
        standing = read_standing(home / JOURNAL)
    else:
        name = read_invitation(home).identity.name
        standing = DeviceStanding(name, False, 0, 0, 0, 0, 0, False, None)
    if as_json:
        print_json(_described(standing, prepared))
    else:
        console.print(_table(standing, prepared))


@click.command()
@home_option("the device")
@server_option
@passphrase_option
def close(home: Path, server: str | None, passphrase_file: Path | None) -> None:
    """End the device's chain. Ballots not yet decided may be cast until the polls close.

    Without a network the end is kept on the device: `sailau device upload` brings it over,
    and the polls cannot close before that. From then on ballots are decided only with a
    connection. Run once more after the close of the polls, it erases what it kept of
    ballots without a decision.
    """
    bar = _Bar()
    with opened_device(home, passphrase_file, server, progress=bar.add) as device:
        if device.machine.closed and device.polls_closed:
            device.machine.finish()
            say("The polls are closed; what was kept of undecided ballots is erased.")
            return
        device.need_open()
        device.machine.begin()
        if not device.terminal.close() and device.line.state is not LineState.DOWN:
            _bring_over(device, bar, wait=0)
        left = device.machine.waiting()
        undecided = len(device.machine.undecided())
    if left:
        say(f"The chain is closed on this device alone. {waits(left).capitalize()}:")
        say(f"  sailau device upload --home {home}")
    else:
        say("The chain is closed.")
    if undecided:
        ballots = counted(undecided, "undecided ballot")
        note(f"{ballots}: cast or challenge before the polls close, or spoiled then")


def _prove_last(device: OpenDevice) -> Receipt | None:
    """A receipt of the last ballot, which is chained to all before it: the server's word is none.

    None if there is no ballot or the line is not up. Raises Rejected for one that proves nothing.
    """
    code = device.journal.last_code()
    return None if code is None else device.terminal.receipt(code)


def _bring_over(device: OpenDevice, bar: _Bar, wait: float) -> None:
    """Upload until nothing waits, or nothing has moved for `wait` seconds."""
    line, machine = device.line, device.machine
    with bar.showing(machine.waiting()):
        last, since = machine.waiting(), time.monotonic()
        while not line.catch_up():
            left = machine.waiting()
            if left < last:
                last, since = left, time.monotonic()
            if time.monotonic() - since >= wait:
                return
            bar.begin_again(left)
            time.sleep(min(max(line.hint, _PAUSE), wait))


class _Bar:
    """How far an upload is: a bar where there is a terminal, a line for every tenth elsewhere."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._total = self._before = self._tenths = 0

    @contextmanager
    def showing(self, total: int) -> Iterator[None]:
        """Show an upload of so many messages while the block lasts."""
        self._total, self._before, self._tenths = total, 0, 0
        if not errors.is_terminal:
            yield
            return
        with progress_bar(errors) as self._bar:
            self._bar.add_task("uploading", total=total)
            yield
        self._bar = None

    def begin_again(self, left: int) -> None:
        """The next stream begins, with so many messages left."""
        self._before = self._total - left

    def add(self, done: int) -> None:
        """So many have arrived in this stream."""
        done = min(self._before + done, self._total)
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done)
            return
        reached = tenths(done, self._total)
        if reached > self._tenths:
            self._tenths = reached
            note(f"uploaded {done} of {self._total}")


def _described(standing: DeviceStanding, prepared: bool) -> dict[str, Any]:
    return {
        "device": standing.device,
        "prepared": prepared,
        "begun": standing.begun,
        "ballots": standing.ballots,
        "cast": standing.cast,
        "challenged": standing.challenged,
        "undecided": standing.undecided,
        "waiting": standing.waiting,
        "waiting_ballots": standing.waiting_ballots,
        "closed": standing.closed,
        "last_contact": standing.last_contact,
    }


def _table(standing: DeviceStanding, prepared: bool) -> Table:
    table = Table(title=standing.device, box=SIMPLE, show_header=False)
    chain = "closed" if standing.closed else "begun" if standing.begun else "not begun"
    decided = standing.cast + standing.challenged
    waiting = f"{standing.waiting} ({counted(standing.waiting_ballots, 'ballot')})"
    for name, value in (
        ("prepared for work without a network", "yes" if prepared else "no"),
        ("chain", chain),
        ("ballots", str(standing.ballots)),
        ("decided", f"{decided} ({standing.cast} cast, {standing.challenged} challenged)"),
        ("undecided", str(standing.undecided)),
        ("messages that wait", waiting),
        ("last contact with the server", last_contact(standing.last_contact)),
    ):
        table.add_row(name, value)
    return table
