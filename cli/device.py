"""`sailau device`: a voting device of ours; docs/integration.md is for writing another."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ballotbox.challenges import ChallengeFile, format_challenge
from ballotbox.client import BoardClient, DeviceClient
from ballotbox.device import DeviceMachine
from ballotbox.journal import Journal, Kind, journal_key
from ballotbox.receipts import EXTENSION, Receipt, display_code
from ballotbox.terminal import Terminal
from cli.common import aloud, home_option, note, passphrase, passphrase_option, say, write_new
from cli.connect import check_invited, first_artifact, role_connection, server_option
from cli.homes import Home, compare, create_home, join, open_home
from cli.orders import ABANDON, CAST, RECEIPT, Decision, parse_order
from crypto.errors import Malformed, Rejected
from identity.roles import Role
from record.state import Phase
from record.transcript import Transcript
from rpc.errors import NotFound

JOURNAL = "journal.sqlite"
_DECIDED = {Kind.CAST: "cast", Kind.CHALLENGE: "challenged"}


@click.group()
def device() -> None:
    """A voting device: it encrypts under its own chain and speaks for itself alone."""


@device.command()
@home_option("the device; made if it does not exist")
@click.option("--name", required=True, help="The device's label in the manifest.")
@passphrase_option
def init(home: Path, name: str, passphrase_file: Path | None) -> None:
    """Make the device's keys and its enrolment file."""
    key = create_home(
        home, Role.DEVICE, name, passphrase(passphrase_file, f"device {name}", new=True)
    )
    say(f"Give {home / 'enrolment.json'} to the administrator. Fingerprint to compare:")
    say(aloud(key.public_bytes))


@device.command("join")
@home_option("the device")
@click.argument("invitation", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@passphrase_option
def join_election(home: Path, invitation: Path, passphrase_file: Path | None) -> None:
    """Take the administrator's INVITATION in.

    A device that has not begun to work may take in another one, if the election is made again.
    """
    opened = open_home(home, passphrase(passphrase_file, "the device"))
    with opened.keystore:
        unused = not (home / JOURNAL).exists()
        parsed = join(opened, invitation.read_bytes(), replace=unused)
    say(f"{parsed.identity.name} is a device of {parsed.election} at {parsed.roles_address}")
    compare(parsed)


@device.command()
@home_option("the device")
@server_option
@click.option(
    "--receipts",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write each receipt and challenge file here.",
)
@passphrase_option
def run(
    home: Path, server: str | None, receipts: Path | None, passphrase_file: Path | None
) -> None:
    """Vote for voters: one JSON object a line on standard input, one a line back.

    \b
    in:   {"unit": "almaty-1", "selections": {"president": {"baimenov": 1}}, "then": "cast"}
    out:  {"confirmation_code": "...", "status": "cast", "index": 17, "receipt": {...}}

    "style" may be left out where the unit has one ballot style; "then" is cast,
    challenge or abandon. Options that are not named get 0. A line that cannot be
    encrypted is answered with {"error": ...} and the next one goes on. A challenged
    ballot's answer holds the challenge file's contents. A ballot without a decision
    gets one, also later, by {"code": "...", "then": "cast"}, or challenge; "then":
    "receipt" gives its receipt once more, by then perhaps signed by witnesses.

    The device begins its chain when it is first run and goes on where it was. After a
    sudden end it says on standard error which ballot was its last, and what became of
    it: if no line told you its code, it is the ballot of the voter who was interrupted.
    """
    with _connected(home, passphrase_file, server) as device:
        device.need_open()
        device.terminal.begin()
        device.tell_last()
        for line in sys.stdin.buffer:
            if line.strip():
                _answer(sys.stdout, _one(device, line, receipts))


@device.command()
@home_option("the device")
@server_option
@passphrase_option
def close(home: Path, server: str | None, passphrase_file: Path | None) -> None:
    """End the device's chain. Ballots not yet decided may be cast until the polls close.

    Run once more after that, it erases what it kept of ballots without a decision.
    """
    with _connected(home, passphrase_file, server) as device:
        if device.machine.closed and device.polls_closed:
            device.machine.finish()
            say("The polls are closed; what was kept of undecided ballots is erased.")
            return
        device.need_open()
        device.terminal.begin()
        device.terminal.close()
        undecided = len(device.machine.undecided())
    say("The chain is closed.")
    if undecided:
        note(f"{undecided} ballots are undecided; they are spoiled when the polls close")


@dataclass(frozen=True, slots=True)
class _Device:
    """A device that is connected to its election, whose polls have opened."""

    machine: DeviceMachine
    terminal: Terminal
    journal: Journal
    polls_closed: bool

    def need_open(self) -> None:
        """Raise Rejected after the close: what nobody takes must not get into the journal."""
        if self.polls_closed:
            raise Rejected("R.order", "the polls have closed", where=self.machine.label)

    def tell_last(self) -> None:
        """What became of the last ballot, on standard error."""
        code = self.journal.last_code()
        if code is not None:
            decision = self.journal.decision(code)
            status = _DECIDED[decision.kind] if decision else "not decided"
            note(f"the last ballot was {code.hex()}: {status}")


@contextmanager
def _connected(home: Path, passphrase_file: Path | None, server: str | None) -> Iterator[_Device]:
    opened = open_home(home, passphrase(passphrase_file, "the device"))
    with opened.keystore:
        invitation = opened.invitation()
        with role_connection(opened, invitation, server) as channel:
            board = BoardClient(channel)
            transcript = _until_open(board)
            context = check_invited(transcript.context, invitation)
            label = invitation.identity.name
            journal = _open_journal(opened, context.base_hash, label)
            try:
                key = Ed25519PrivateKey.from_private_bytes(opened.role_key.secret_bytes())
                keys = transcript.state.need_keys()
                machine = DeviceMachine(context, keys, label, key, journal)
                terminal = Terminal(machine, DeviceClient(channel, context))
                yield _Device(machine, terminal, journal, board.status().phase > Phase.OPEN)
            finally:
                journal.close()


def _open_journal(home: Home, base_hash: bytes, label: str) -> Journal:
    path, key = home.path / JOURNAL, journal_key(home.keystore)
    if path.exists():
        return Journal.open(path, base_hash, label, key)
    return Journal.create(path, base_hash, label, key)


def _until_open(board: BoardClient) -> Transcript:
    """The record up to the opening, each artifact checked and proved: the keys are right."""
    stream = board.read()
    artifacts = [first_artifact(stream)]
    transcript = Transcript(artifacts[0])
    while transcript.phase < Phase.OPEN:
        data = next(stream, None)
        if data is None:
            raise NotFound("the polls have not opened yet")
        artifact = transcript.parse(data)
        transcript.check(artifact)
        transcript.prove(artifact, artifacts.__getitem__)
        transcript.take(artifact)
        artifacts.append(artifact)
    return transcript


def _one(device: _Device, line: bytes, receipts: Path | None) -> dict[str, Any]:
    keeper = _Keeper(device.machine, receipts)
    try:
        order = parse_order(line, device.machine.context.manifest)
        if isinstance(order, Decision):
            return _later(device.terminal, keeper, order)
        code, receipt = device.terminal.submit(order.unit, order.style, order.selections)
    except Malformed as error:
        return {"error": str(error), "field": error.field}
    keeper.receipt(receipt)
    return {
        "confirmation_code": code.hex(),
        "display": display_code(code),
        "index": receipt.index,
        **_decide(device.terminal, keeper, code, order.then),
    }


def _later(terminal: Terminal, keeper: _Keeper, order: Decision) -> dict[str, Any]:
    """An order about a ballot of before; saying the same again changes nothing."""
    try:
        decided = _decide(terminal, keeper, order.code, order.then)
    except (NotFound, Rejected) as error:
        if isinstance(error, Rejected) and error.check != "R.cast":
            raise
        return {"error": str(error), "field": "code"}
    return {"confirmation_code": order.code.hex(), **decided}


def _decide(terminal: Terminal, keeper: _Keeper, code: bytes, then: str) -> dict[str, Any]:
    if then == ABANDON:
        return {"status": "submitted"}
    if then == RECEIPT:
        receipt = terminal.receipt(code)
        return {"status": receipt.kind.name.lower(), **keeper.receipt(receipt)}
    if then == CAST:
        receipt = terminal.cast(code)
        return {"status": "cast", **keeper.receipt(receipt)}
    receipt, challenge = terminal.challenge(code)
    return {"status": "challenged", **keeper.receipt(receipt), **keeper.challenge(challenge)}


@dataclass(frozen=True, slots=True)
class _Keeper:
    """Writes what a voter takes home; a later receipt replaces the first one of its ballot."""

    machine: DeviceMachine
    directory: Path | None

    def receipt(self, receipt: Receipt) -> dict[str, Any]:
        data = receipt.to_bytes()
        self._write(f"{receipt.confirmation_code.hex()[:16]}{EXTENSION}", data)
        kind = receipt.kind.name.lower()
        return {"receipt": {"kind": kind, "index": receipt.index, "tlog_proof": data.decode()}}

    def challenge(self, challenge: ChallengeFile) -> dict[str, Any]:
        data = format_challenge(challenge, self.machine.context)
        self._write(f"{challenge.confirmation_code.hex()[:16]}.challenge.json", data)
        return {"challenge": json.loads(data)}

    def _write(self, name: str, data: bytes) -> None:
        if self.directory is not None:
            write_new(self.directory / name, data)


def _answer(out: TextIO, answer: dict[str, Any]) -> None:
    out.write(json.dumps(answer) + "\n")
    out.flush()
