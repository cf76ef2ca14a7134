"""`sailau election note`: what the public is to know, on the record."""

from __future__ import annotations

from pathlib import Path

import click

from cli.administrator import (
    administrator,
    administrator_home,
    checked_reason,
    this_minute,
)
from cli.common import passphrase_option, say
from cli.connect import server_option
from crypto.errors import Malformed
from record.artifacts import Action, Operation, Role


@click.command(short_help="Put TEXT on the record, with the time.")
@click.argument("text")
@administrator_home
@server_option
@click.option("--subject", default="", metavar="LABEL", help="What it is about: a device, a unit.")
@passphrase_option
def note(
    text: str, home: Path, server: str | None, subject: str, passphrase_file: Path | None
) -> None:
    """Put TEXT on the record, with the time: something that the public is to know.

    A power failure, a visit of observers, a hall that opened late. It stands there for
    good, signed by you, and everybody can read it: name no voter. It is possible until the
    result is published.

    \b
      sailau election note "hall 2 opened at 8:20, its key was late" --subject hall-2 --home E
    """
    reason = checked_reason(text, "TEXT")
    if not reason:
        raise Malformed("TEXT", "is empty", "say what the public is to know")
    statement = Operation(Role.ADMINISTRATOR, Action.NOTED, reason, this_minute(), subject)
    with administrator(home, passphrase_file, server) as admin:
        index = admin.publish(statement)
    say(f"It is on the record (artifact {index}).")
