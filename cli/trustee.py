"""`sailau trustee`: one trustee's program. docs/trustees.md is its manual."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType

import click
from rich.panel import Panel
from rich.text import Text

from ballotbox.client import BoardClient
from cli.common import (
    UNUSABLE,
    console,
    fail,
    home_option,
    json_option,
    note,
    passphrase,
    passphrase_option,
    print_json,
    say,
)
from cli.connect import (
    check_invited,
    checked_context,
    invited_board,
    public_server_option,
    role_connection,
    server_option,
)
from cli.homes import compare, create_home, join, open_home
from cli.parameters import warn_of_toys
from crypto.errors import SailauError
from identity.invitation import Invitation
from identity.roles import Role
from record.archive import ArchiveWriter
from record.artifacts import parse_artifact
from record.checkpoint import parse_verifier_key
from record.election import check_election
from record.state import Phase
from trustees.client import Disconnected, NotTaken, TrusteeClient
from trustees.machine import Membership, Trustee
from trustees.messages import Confirmation, Event
from trustees.record_copy import FileCopy

COPY = "record.copy"


@click.group()
def trustee() -> None:
    """A trustee: holds one part of the key, and refuses what it should refuse."""


@trustee.command()
@home_option("the trustee; made if it does not exist")
@click.option("--name", required=True, help="Your name, as the public will see it.")
@passphrase_option
def init(home: Path, name: str, passphrase_file: Path | None) -> None:
    """Make your keys, encrypted with a passphrase, and your enrolment file."""
    key = create_home(home, Role.TRUSTEE, name, passphrase(passphrase_file, name, new=True))
    say(f"Give {home / 'enrolment.json'} to the administrator, and read this to them:")
    say(key.fingerprint())


@trustee.command("join")
@home_option("the trustee")
@click.argument("invitation", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@passphrase_option
def join_election(home: Path, invitation: Path, passphrase_file: Path | None) -> None:
    """Take the administrator's INVITATION in."""
    opened = open_home(home, passphrase(passphrase_file, "the trustee"))
    with opened.keystore:
        parsed = join(opened, invitation.read_bytes())
    say(f"You are trustee {parsed.index} of {parsed.election}, at {parsed.roles_address}.")
    compare(parsed)


@trustee.command()
@home_option("the trustee")
@server_option
@click.option(
    "--until",
    type=click.Choice(["confirmed", "done"]),
    default="done",
    show_default=True,
    help="When to stop: after the key ceremony, or when the election is complete.",
)
@click.option("--yes", is_flag=True, help="Confirm the keys without asking (for scripts).")
@passphrase_option
def run(
    home: Path, server: str | None, until: str, yes: bool, passphrase_file: Path | None
) -> None:
    """Take part in whatever is due, wait for the others, and say what it waits for.

    It connects outwards only. Stop it whenever you like; it goes on where it was.
    Before it decrypts anything it verifies the whole record.
    """
    opened = open_home(home, passphrase(passphrase_file, "the trustee"))
    with opened.keystore:
        invitation = opened.invitation()
        copy = FileCopy(home / COPY)
        with role_connection(opened, invitation, server) as channel:
            machine = Trustee(
                Membership.from_invitation(invitation, opened.role_key),
                opened.keystore,
                partial(_verify, BoardClient(channel), invitation, copy),
                copy,
            )
            client = TrusteeClient(
                machine,
                channel,
                confirm=_show_and_agree if yes else _ask,
                progress=_tell,
            )
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, _stopping(client))
            end = _end(until)
            client.run(end)
            complete = end(machine)
    if not complete:
        note("Stopped before the end; start it again and it goes on.")
        return
    say("The key is confirmed." if until == "confirmed" else "Nothing is left to do.")


@trustee.command()
@home_option("the trustee")
@public_server_option
@json_option
def status(home: Path, server: str | None, as_json: bool) -> None:
    """Say where the election stands and who is late. It needs no passphrase."""
    with invited_board(home, server) as (invitation, board):
        checked_context(board, invitation)
        found = board.status()
    if as_json:
        print_json({"trustee": invitation.index, "phase": found.phase.name})
        return
    say(f"You are trustee {invitation.index} of {invitation.election}: {found.phase.name.lower()}")
    for notice in found.notices:
        say(notice)


def _end(until: str) -> Callable[[Trustee], bool]:
    last = Phase.READY if until == "confirmed" else Phase.COUNTED
    return lambda machine: machine.phase is not None and machine.phase >= last


def _stopping(client: TrusteeClient) -> Callable[[int, FrameType | None], None]:
    def stop(number: int, _: FrameType | None) -> None:
        """The first signal ends it in good order, a second one at once."""
        client.stop()
        signal.signal(number, signal.SIG_DFL)

    return stop


def _tell(event: Event | Disconnected | NotTaken) -> None:
    note(str(event))


def _show(confirmation: Confirmation) -> None:
    name = confirmation.election.in_language("en")
    body = (
        f"{name}\n{confirmation.trustees} trustees, any {confirmation.quorum} can decrypt\n\n"
        f"The manifest:\n  {confirmation.spoken_base_hash}\n\n"
        f"The keys (H_G):\n  {confirmation.spoken_key_ceremony_hash}\n\n"
        "Every trustee must see the same digits. Read them to each other."
    )
    console.print(Panel(Text(body), title="Before you confirm", expand=False))


def _show_and_agree(confirmation: Confirmation) -> bool:
    _show(confirmation)
    return True


def _ask(confirmation: Confirmation) -> bool:
    _show(confirmation)
    try:
        return click.confirm("Have you compared them, and do they agree?", default=False)
    except click.Abort:
        fail("nobody is there to confirm; start it in a terminal", UNUSABLE)


def _verify(board: BoardClient, invitation: Invitation, copy: FileCopy) -> str | None:
    """Verify the record as it was read, up to the close; None, or why not to decrypt."""
    note("verifying the whole record before the first decryption ...")
    with tempfile.TemporaryDirectory(prefix="sailau-verify-") as directory:
        try:
            parameters = _write(board, invitation, copy, Path(directory))
        except SailauError as error:
            return str(error)
        # -P: not whatever the current directory holds under that name.
        command = [sys.executable, "-P", "-m", "verifier", directory, "--json", "--quiet"]
        command += ["--until", "close", "--log-key", invitation.log_key]
        command += ["--parameters", parameters]
        done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode == 0:
        note("the record is verified")
        return None
    return _reason(done.stdout) or f"the verifier ended with {done.returncode}"


def _write(board: BoardClient, invitation: Invitation, copy: FileCopy, directory: Path) -> str:
    """The record as this trustee has read it, under the server's checkpoint."""
    context = check_election(parse_artifact(copy[0], None))
    check_invited(context, invitation)
    warn_of_toys(context.group.parameters)
    key = parse_verifier_key(invitation.log_key)
    checkpoint_note, checkpoint = board.checkpoint(key)
    artifacts = (data for index, data in enumerate(copy) if index < checkpoint.size)
    ArchiveWriter(directory, key).write(artifacts, lambda _: checkpoint_note)
    return context.group.parameters.name


def _reason(report: bytes) -> str:
    try:
        failures = json.loads(report)["failures"]
    except (ValueError, KeyError, TypeError):
        return ""
    return "; ".join(f"{f['check']}: {f['message']} ({f['culprit']})" for f in failures[:3])
