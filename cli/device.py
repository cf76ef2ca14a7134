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
from ballotbox.journal import Journal, journal_key
from ballotbox.receipts import Receipt, display_code, format_receipt
from ballotbox.terminal import Terminal
from cli.common import home_option, note, passphrase, passphrase_option, say, write_new
from cli.connect import check_invited, role_connection, server_option
from cli.homes import Home, create_home, join, open_home
from crypto.errors import Malformed
from identity.roles import Role
from record.artifacts import parse_artifact
from record.state import Phase
from record.transcript import Transcript
from rpc.errors import NotFound

JOURNAL = "journal.sqlite"
CAST, CHALLENGE, ABANDON = "cast", "challenge", "abandon"


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
    say(key.fingerprint())


@device.command("join")
@home_option("the device")
@click.argument("invitation", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@passphrase_option
def join_election(home: Path, invitation: Path, passphrase_file: Path | None) -> None:
    """Take the administrator's INVITATION in."""
    opened = open_home(home, passphrase(passphrase_file, "the device"))
    with opened.keystore:
        parsed = join(opened, invitation.read_bytes())
    say(f"{parsed.identity.name} is a device of {parsed.election} at {parsed.roles_address}")


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
    ballot's answer holds the challenge file's contents.

    The device begins its chain with its first ballot and goes on where it was.
    """
    with _connected(home, passphrase_file, server) as (terminal, machine):
        terminal.begin()
        for line in sys.stdin:
            if line.strip():
                _answer(sys.stdout, _one(terminal, machine, line, receipts))


@device.command()
@home_option("the device")
@server_option
@passphrase_option
def close(home: Path, server: str | None, passphrase_file: Path | None) -> None:
    """End the device's chain. Ballots not yet decided may be cast until the polls close."""
    with _connected(home, passphrase_file, server) as (terminal, machine):
        terminal.begin()
        terminal.close()
        undecided = len(machine.undecided())
    say("The chain is closed.")
    if undecided:
        note(f"{undecided} ballots are undecided; they are spoiled when the polls close")


@contextmanager
def _connected(
    home: Path, passphrase_file: Path | None, server: str | None
) -> Iterator[tuple[Terminal, DeviceMachine]]:
    opened = open_home(home, passphrase(passphrase_file, "the device"))
    with opened.keystore:
        invitation = opened.invitation()
        with role_connection(opened, invitation, server) as channel:
            transcript = _until_open(BoardClient(channel))
            context = check_invited(transcript.context, invitation)
            journal = _open_journal(opened, context.base_hash, invitation.identity.name)
            try:
                machine = DeviceMachine(
                    context,
                    transcript.state.need_keys(),
                    invitation.identity.name,
                    Ed25519PrivateKey.from_private_bytes(opened.role_key.secret_bytes()),
                    journal,
                )
                yield Terminal(machine, DeviceClient(channel, context)), machine
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
    artifacts = [parse_artifact(next(stream), None)]
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


@dataclass(frozen=True, slots=True)
class _Order:
    """What a voter wants."""

    unit: str
    style: str
    selections: dict[str, dict[str, int]]
    then: str


def _one(
    terminal: Terminal, machine: DeviceMachine, line: str, receipts: Path | None
) -> dict[str, Any]:
    try:
        order = _parse_order(machine, line)
        code, receipt = terminal.submit(order.unit, order.style, order.selections)
    except Malformed as error:
        return {"error": str(error), "field": error.field}
    keeper = _Keeper(machine, receipts)
    keeper.receipt(receipt)
    return {
        "confirmation_code": code.hex(),
        "display": display_code(code),
        "index": receipt.index,
        **_decide(terminal, keeper, code, order.then),
    }


def _decide(terminal: Terminal, keeper: _Keeper, code: bytes, then: str) -> dict[str, Any]:
    if then == ABANDON:
        return {"status": "submitted"}
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

    def receipt(self, receipt: Receipt | None) -> dict[str, Any]:
        if receipt is None:
            return {}
        data = format_receipt(receipt, self.machine.context.manifest.label)
        self._write(f"{receipt.confirmation_code.hex()[:16]}.receipt.json", data)
        return {"receipt": json.loads(data)}

    def challenge(self, challenge: ChallengeFile) -> dict[str, Any]:
        data = format_challenge(challenge, self.machine.context)
        self._write(f"{challenge.confirmation_code.hex()[:16]}.challenge.json", data)
        return {"challenge": json.loads(data)}

    def _write(self, name: str, data: bytes) -> None:
        if self.directory is not None:
            write_new(self.directory / name, data)


def _parse_order(machine: DeviceMachine, line: str) -> _Order:
    try:
        order = json.loads(line)
    except (ValueError, RecursionError):
        raise Malformed("line", "is not JSON") from None
    if not isinstance(order, dict):
        raise Malformed("line", "is not a JSON object")
    for name in order.keys() - {"unit", "style", "selections", "then"}:
        raise Malformed(name, "is not a member of an order")
    unit, then = order.get("unit"), order.get("then", CAST)
    if not isinstance(unit, str):
        raise Malformed("unit", "is not a label")
    if then not in (CAST, CHALLENGE, ABANDON):
        raise Malformed("then", f"is none of {CAST}, {CHALLENGE}, {ABANDON}")
    style = order.get("style") or _only_style(machine, unit)
    if not isinstance(style, str):
        raise Malformed("style", "is not a label")
    return _Order(unit, style, _parse_selections(order.get("selections", {})), then)


def _only_style(machine: DeviceMachine, unit: str) -> str:
    styles = machine.context.manifest.unit(unit).ballot_styles
    if len(styles) != 1:
        raise Malformed("style", f"is missing; {unit} has {', '.join(styles) or 'none'}")
    return styles[0]


def _parse_selections(value: object) -> dict[str, dict[str, int]]:
    if not isinstance(value, dict):
        raise Malformed("selections", "is not an object")
    for contest, options in value.items():
        if not isinstance(options, dict):
            raise Malformed(f"selections.{contest}", "is not an object")
        for option, number in options.items():
            if type(number) is not int:
                raise Malformed(f"selections.{contest}.{option}", "is not a whole number")
    return value


def _answer(out: TextIO, answer: dict[str, Any]) -> None:
    out.write(json.dumps(answer, ensure_ascii=False) + "\n")
    out.flush()
