"""`sailau trustee`: one trustee's program. docs/trustees.md is its manual."""

from __future__ import annotations

from pathlib import Path

import click

from cli.common import (
    aloud,
    home_option,
    json_option,
    passphrase,
    passphrase_option,
    print_json,
    say,
)
from cli.connect import checked_context, invited_board, public_server_option
from cli.homes import check_invitation, compare, create_home, join, open_home
from cli.leaving import leave_for
from cli.standing import Watch, as_dict, status_view
from cli.trustee_backup import backup, restore
from cli.trustee_run import drill, run
from identity.roles import Role


@click.group()
def trustee() -> None:
    """A trustee: holds one part of the key, and refuses what it should refuse."""


@trustee.command(short_help="Make your keys, encrypted, and your enrolment file.")
@home_option("the trustee; made if it does not exist")
@click.option("--name", required=True, help="Your name, as the public will see it.")
@passphrase_option
def init(home: Path, name: str, passphrase_file: Path | None) -> None:
    """Make your keys, encrypted with a passphrase, and your enrolment file."""
    key = create_home(home, Role.TRUSTEE, name, passphrase(passphrase_file, name, new=True))
    say(f"Give {home / 'enrolment.json'} to the administrator, and read this to them:")
    say(f"  name: {name}\n  fingerprint:\n{aloud(key.public_bytes, 4)}")


@trustee.command("join")
@home_option("the trustee")
@click.argument("invitation", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--leave",
    is_flag=True,
    help="Leave the election you are in, although its ceremony was not given up.",
)
@passphrase_option
def join_election(home: Path, invitation: Path, leave: bool, passphrase_file: Path | None) -> None:
    """Take the administrator's INVITATION in.

    In a home whose key ceremony came to nothing, it leaves that election (its secrets are
    erased) and joins the new one. After the polls have opened nothing can be left.
    """
    opened = open_home(home, passphrase(passphrase_file, "the trustee"))
    with opened.keystore:
        data = invitation.read_bytes()
        check_invitation(opened, data)
        leave_for(opened, data, willing=leave)
        parsed = join(opened, data)
    say(f"You are trustee {parsed.index} of {parsed.election}, at {parsed.roles_address}.")
    compare(parsed)


@trustee.command()
@home_option("the trustee")
@public_server_option
@json_option
def status(home: Path, server: str | None, as_json: bool) -> None:
    """Say where the election stands and who is late. It needs no passphrase."""
    with invited_board(home, server) as (invitation, board):
        now = Watch(board, checked_context(board, invitation)).now()
    if as_json:
        print_json({"trustee": invitation.index, **as_dict(now)})
        return
    phase = now.found.phase.name.lower()
    say(f"You are trustee {invitation.index} of {invitation.election}: {phase}")
    status_view(now).show()


for command in (run, drill, backup, restore):
    trustee.add_command(command)
