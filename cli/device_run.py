"""`sailau device run`: voters' orders in, answers out, with a network or without one."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import click

from ballotbox import encryption
from ballotbox.challenges import ChallengeFile, format_challenge
from ballotbox.device import DeviceMachine
from ballotbox.errors import NotConnected, StoreFailed
from ballotbox.journal import Kind
from ballotbox.line import LineState
from ballotbox.receipts import EXTENSION, Receipt, display_code
from ballotbox.slips import (
    ProvisionalCode,
    provisional_pointer,
    provisional_qr_text,
    provisional_slip,
)
from cli.common import home_option, note, passphrase_option, write_new
from cli.connect import server_option
from cli.device_open import OpenDevice, opened_device, waits
from cli.orders import ABANDON, CAST, RECEIPT, Decision, parse_order
from crypto.errors import Malformed, Rejected, SailauError
from record.checkpoint import parse_verifier_key
from rpc.errors import NotFound

_DECIDED = {Kind.CAST: "cast", Kind.CHALLENGE: "challenged"}
_LOOK = 0.2


@click.command(short_help="Vote for voters: JSON orders in, JSON answers out.")
@home_option("the device")
@server_option
@click.option(
    "--offline",
    is_flag=True,
    help="Do not look for the server at all: `sailau device upload` later.",
)
@click.option(
    "--receipts",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write each receipt, provisional slip and challenge file here.",
)
@click.option(
    "--language",
    type=click.Choice(["kk", "ru", "en"]),
    help="Of provisional slips; the manifest's first one by default.",
)
@click.option("--url", default="", help="Where voters look codes up, instead of the log's name.")
@passphrase_option
def run(
    home: Path,
    server: str | None,
    offline: bool,
    receipts: Path | None,
    language: str | None,
    url: str,
    passphrase_file: Path | None,
) -> None:
    """Vote for voters: one JSON object a line on standard input, one a line back.

    \b
    in:   {"unit": "almaty-1", "selections": {"president": {"baimenov": 1}}, "then": "cast"}
    out:  {"confirmation_code": "...", "status": "cast", "index": 17, "receipt": {...}}

    "index" is the ballot's place on the record (a receipt's own is that of the decision);
    "display" is the code in groups, for people.
    "style" may be left out where the unit has one ballot style; "then" is cast,
    challenge or abandon, and an order without it is refused. Options that are not named
    get 0. A line that cannot be encrypted is answered with {"error": ...} and the next
    one goes on. A challenged ballot's answer holds the challenge file's contents. A
    ballot without a decision gets one, also later, by {"code": "...", "then": "cast"},
    or challenge; "then": "receipt" gives its receipt once more, by then perhaps signed
    by witnesses.

    Without a network the answers come at once, with "provisional": true and without a
    receipt: the code is a promise of this device alone until the ballot is on the
    record; "look_up" (for a QR code) and "after" say where and when to look. A device
    that was prepared (`sailau device prepare`, or any run before) goes over to this by
    itself when the server does not answer, and uploads what waits, in order, when it
    does again. Standard error says when. At the end of the input, what still waits is
    for `sailau device upload`.

    The device begins its chain when it is first run and goes on where it was. After a
    sudden end it says on standard error which ballot was its last, and what became of
    it: if no line told you its code, it is the ballot of the voter who was interrupted.
    """
    with opened_device(home, passphrase_file, server, offline=offline, voting=True) as device:
        device.need_open()
        encryption.prepare(device.machine.keys)
        device.terminal.begin()
        _tell_last(device)
        clerk = _Clerk.make(device, receipts, language, url)
        if offline:
            _serve(clerk)
        else:
            with device.line.working():
                _serve(clerk)
                _settle(device)
        device.line.check()
        if waiting := device.machine.waiting():
            note(f"{waits(waiting)} to be uploaded: sailau device upload --home {home}")


def _serve(clerk: _Clerk) -> None:
    for line in sys.stdin.buffer:
        if line.strip():
            _answer(sys.stdout, clerk.answer(line))


def _settle(device: OpenDevice) -> None:
    """At the end of the input: let a running upload end, or try for the last time."""
    line = device.line
    line.deliver()
    waiting = device.machine.waiting()
    if waiting and line.state is not LineState.UP:
        note(f"{waits(waiting)}: trying to upload, which an interrupt ends without harm")
    if waiting and line.state is LineState.DOWN:
        line.catch_up()
    while line.state is LineState.CATCHING_UP:
        time.sleep(_LOOK)


def _tell_last(device: OpenDevice) -> None:
    """What became of the last ballot, on standard error."""
    code = device.journal.last_code()
    if code is not None:
        decision = device.journal.decision(code)
        status = _DECIDED[decision.kind] if decision else "not decided"
        note(f"the last ballot was {code.hex()}: {status}")


@dataclass(frozen=True, slots=True)
class _Clerk:
    """Answers one order after the other, and writes what a voter takes home."""

    device: OpenDevice
    keeper: _Keeper

    @classmethod
    def make(
        cls, device: OpenDevice, receipts: Path | None, language: str | None, url: str
    ) -> _Clerk:
        language = language or device.machine.context.manifest.languages[0]
        return cls(device, _Keeper(device.machine, receipts, language, url))

    def answer(self, line: bytes) -> dict[str, Any]:
        """What to tell the voter. Raises what ends the device's work: a refusal of the server."""
        terminal, machine = self.device.terminal, self.device.machine
        try:
            order = parse_order(line, machine.context.manifest)
            if isinstance(order, Decision):
                return self._later(order)
            terminal.line.check()
            code, receipt = terminal.submit(order.unit, order.style, order.selections)
        except Malformed as error:
            self.device.line.check()
            return {"error": str(error), "field": error.field}
        except StoreFailed as error:
            return {"error": f"nothing was kept of this ballot: {error}", "field": "journal"}
        answer: dict[str, Any] = {"confirmation_code": code.hex(), "display": display_code(code)}
        if receipt is not None:
            self.keeper.receipt(receipt)
            answer |= {"index": receipt.index}
        try:
            return answer | self._decide(code, order.then)
        except (StoreFailed, NotConnected) as error:
            return answer | {"status": "submitted", "error": str(error), "field": "journal"}

    def _later(self, order: Decision) -> dict[str, Any]:
        """An order about a ballot of before; saying the same again changes nothing."""
        try:
            decided = self._decide(order.code, order.then)
        except (NotFound, NotConnected, Rejected, StoreFailed) as error:
            self.device.line.check()
            if isinstance(error, Rejected) and error.check != "R.cast":
                raise
            return {"error": str(error), "field": "code"}
        return {"confirmation_code": order.code.hex(), **decided}

    def _decide(self, code: bytes, then: str) -> dict[str, Any]:
        terminal = self.device.terminal
        if then == ABANDON:
            return {"status": "submitted", **self._provisional(code)}
        if then == RECEIPT:
            receipt = terminal.receipt(code)
            status = self._status(code) if receipt is None else receipt.kind.name.lower()
            return {"status": status, **self._taken(code, receipt)}
        if then == CAST:
            return {"status": "cast", **self._taken(code, terminal.cast(code))}
        receipt, challenge = terminal.challenge(code)
        taken = self._taken(code, receipt)
        return {"status": "challenged", **taken, **self.keeper.challenge(challenge)}

    def _status(self, code: bytes) -> str:
        decision = self.device.machine.status(code).decision
        return "submitted" if decision is None else _DECIDED[decision]

    def _taken(self, code: bytes, receipt: Receipt | None) -> dict[str, Any]:
        """A receipt, or what there is without one."""
        return self._provisional(code) if receipt is None else self.keeper.receipt(receipt)

    def _provisional(self, code: bytes) -> dict[str, Any]:
        """Nothing of what was said about this ballot last, if the server has acknowledged it."""
        index = self.device.machine.status(code).index
        if index is not None:
            return {"index": index}
        return {"provisional": True, "display": display_code(code), **self.keeper.provisional(code)}


@dataclass(frozen=True, slots=True)
class _Keeper:
    """Writes what a voter takes home; a later receipt replaces the first one of its ballot."""

    machine: DeviceMachine
    directory: Path | None
    language: str
    url: str

    def receipt(self, receipt: Receipt) -> dict[str, Any]:
        data = receipt.to_bytes()
        self._write(f"{receipt.confirmation_code.hex()[:16]}{EXTENSION}", data)
        kind = receipt.kind.name.lower()
        return {"receipt": {"kind": kind, "index": receipt.index, "tlog_proof": data.decode()}}

    def challenge(self, challenge: ChallengeFile) -> dict[str, Any]:
        data = format_challenge(challenge, self.machine.context)
        self._write(f"{challenge.confirmation_code.hex()[:16]}.challenge.json", data)
        return {"challenge": json.loads(data)}

    def provisional(self, code: bytes) -> dict[str, Any]:
        context = self.machine.context
        manifest = context.manifest
        where = self.url or parse_verifier_key(context.election.log_key).name
        slip = ProvisionalCode(code, where, manifest.closes)
        name = manifest.name.get(self.language, "")
        text = provisional_slip(slip, name, self.language) + "\n" + provisional_qr_text(slip)
        self._write(f"{code.hex()[:16]}.provisional.txt", text.encode())
        return {"look_up": provisional_pointer(slip), "after": manifest.closes.isoformat()}

    def _write(self, name: str, data: bytes) -> None:
        """The answer has it all, too: a full disk here keeps nobody from voting."""
        if self.directory is None:
            return
        try:
            write_new(self.directory / name, data)
        except (OSError, SailauError) as error:
            note(f"not written: {self.directory / name}: {error}")


def _answer(out: TextIO, answer: dict[str, Any]) -> None:
    out.write(json.dumps(answer) + "\n")
    out.flush()
