"""`sailau trustee backup` and `restore`: another machine that can go on."""

from __future__ import annotations

from pathlib import Path

import click

from cli.backups import (
    backup_file,
    backup_of,
    check_place,
    read_backup,
    restore_home,
    tell_backup,
    write_backup,
)
from cli.common import home_option, passphrase, passphrase_option, say
from cli.homes import INVITATION, KEYSTORE, compare, read_invitation
from crypto.errors import Malformed
from identity.keystore import read_keystore

backup_passphrase_option = click.option(
    "--backup-passphrase-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File that holds the backup's passphrase, if it is not the key store's.",
)


@click.command(short_help="Write an encrypted backup of your share of the key.")
@home_option("the trustee")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="File or directory to write to; best on another medium, such as a memory stick.",
)
@passphrase_option
@backup_passphrase_option
def backup(
    home: Path, out: Path, passphrase_file: Path | None, backup_passphrase_file: Path | None
) -> None:
    """Write an encrypted backup of your share of the key, and read it back.

    It can be made from the moment when `run` asks you to confirm the keys, also while
    `run` is running. The election is at stake when shares are lost: keep the file apart
    from the machine, and its passphrase apart from the file.
    """
    invitation = read_invitation(home)
    own = passphrase(passphrase_file, "the trustee")
    made = backup_of(read_keystore(home / KEYSTORE, own), (home / INVITATION).read_bytes())
    theirs = own
    if backup_passphrase_file is not None:
        theirs = passphrase(backup_passphrase_file, "the backup", new=True)
    out = backup_file(out, invitation.index)
    check_place(out, home)
    if not out.parent.is_dir():
        raise Malformed("--out", f"there is no directory {out.parent}")
    write_backup(out, made, theirs)
    tell_backup(out, home)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@home_option("the trustee to be made; it must not exist")
@click.option(
    "--passphrase-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File that holds the new key store's passphrase; the backup's without it.",
)
@backup_passphrase_option
def restore(
    file: Path, home: Path, passphrase_file: Path | None, backup_passphrase_file: Path | None
) -> None:
    """Make a home from the backup FILE, on a new machine.

    The backup's passphrase is asked for on the terminal, unless one of the two files is given.
    """
    theirs = passphrase(backup_passphrase_file or passphrase_file, f"the backup {file.name}")
    own = passphrase(passphrase_file, "the new key store", new=True) if passphrase_file else theirs
    invitation = restore_home(read_backup(file, theirs), home, own)
    say(f"{home} is trustee {invitation.index} of {invitation.election} again. Go on with")
    say(f"    sailau trustee run --home {home}")
    say(
        "From now on this is the only one: never start the old machine's program again, even if "
        "it comes back. A decryption that the old machine had begun goes on without you; you "
        "take part in the next one."
    )
    compare(invitation)
