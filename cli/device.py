"""`sailau device`: a voting device of ours; docs/integration.md is for writing another."""

from __future__ import annotations

from pathlib import Path

import click

from cli.common import aloud, home_option, passphrase, passphrase_option, say
from cli.device_open import JOURNAL
from cli.device_run import run
from cli.device_upload import close, prepare, status, upload
from cli.homes import compare, create_home, join, open_home
from cli.prepared import PREPARED
from identity.roles import Role


@click.group()
def device() -> None:
    """A voting device: it encrypts under its own chain and speaks for itself alone.

    It works with a network and without one: docs/devices.md.
    """


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
        if unused:
            # Of an election that came to nothing, perhaps.
            (home / PREPARED).unlink(missing_ok=True)
    say(f"{parsed.identity.name} is a device of {parsed.election} at {parsed.roles_address}")
    compare(parsed)


for _command in (prepare, run, upload, status, close):
    device.add_command(_command)
