"""A trustee's backup: one encrypted file with all that another machine needs to go on.

It holds the identity (both keys and the invitation) and z_i and z-hat_i with what binds
them to their election (`trustees.vault.BACKUP`). It never holds anything of a decryption
session: a machine that answered from an old copy would answer a second time.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cli.common import note, say, write_new
from cli.homes import ENROLMENT, INVITATION, KEYSTORE, ROLE_KEY, TLS_KEY
from crypto.errors import Malformed, Rejected
from identity.enrolment import make_enrolment
from identity.errors import KeystoreError, KeystoreExists
from identity.invitation import Invitation, parse_invitation, verify_invitation
from identity.keystore import Keystore
from identity.rolekeys import RoleKey
from identity.sealed import read_sealed, write_sealed
from identity.tlskeys import TlsKey
from storage.files import sync_directory
from trustees.vault import BACKUP, ELECTION, KEY_SHARES, SEEN

_FORMAT, _FORMAT_1 = "format", b"sailau-backup/1"
_INVITATION = "invitation"
_SAME = (ROLE_KEY, TLS_KEY, ELECTION, KEY_SHARES)
"""What two backups of one trustee in one election have in common; `SEEN` grows."""


@dataclass(frozen=True, slots=True, repr=False)
class Backup:
    """What a backup holds. Secret."""

    secrets: Mapping[str, bytes]

    def __repr__(self) -> str:
        return "Backup(<redacted>)"

    @property
    def values(self) -> Mapping[str, bytes]:
        """The trustee's values, by their names in the key store."""
        return {name: self.secrets[name] for name in BACKUP}

    @property
    def invitation(self) -> Invitation:
        """To which election."""
        return parse_invitation(self.secrets[_INVITATION])


def backup_of(secrets: Mapping[str, bytes], invitation: bytes) -> Backup:
    """The backup of a key store's secrets, from the confirmation of the keys on.

    `invitation` is the file in the home. Raises Rejected (P.backup) before.
    """
    missing = [name for name in (ELECTION, KEY_SHARES) if name not in secrets]
    if missing:
        raise Rejected(
            "P.backup",
            "there is nothing to keep yet: the key store has no share of the key",
            advice="`sailau trustee run` makes the backup before it confirms the keys",
        )
    values = {name: secrets[name] for name in BACKUP if name in secrets}
    keys = {name: secrets[name] for name in (ROLE_KEY, TLS_KEY)}
    return Backup({_FORMAT: _FORMAT_1, _INVITATION: invitation, SEEN: b"", **keys, **values})


def backup_file(place: Path, index: int) -> Path:
    """The file of trustee `index` in a directory, if `place` is one."""
    return place / f"trustee-{index}.backup" if place.is_dir() else place


def check_place(path: Path, home: Path) -> None:
    """Raise Malformed for a place where a backup would not be one."""
    if path.resolve().is_relative_to(home.resolve()):
        raise Malformed(
            str(path), "is inside the trustee's own directory", "what is lost with it is no backup"
        )


def write_backup(path: Path, backup: Backup, passphrase: bytes) -> Backup:
    """Write a backup durably, read it back from the medium, and return what was read.

    An earlier backup of the same trustee in the same election is replaced, any other file
    refused (KeystoreExists). Raises KeystoreError, and Rejected (P.backup) if what is read
    is not what was written.
    """
    if path.exists():
        _check_same(path, backup, passphrase)
    write_sealed(path, passphrase, backup.secrets)
    read = read_backup(path, passphrase)
    if read.secrets != backup.secrets:
        raise Rejected(
            "P.backup",
            f"{path} does not hold what was written to it",
            advice="use another medium",
        )
    return read


def tell_backup(file: Path, home: Path) -> None:
    """Say where a backup is, and whether it is where it helps."""
    say(f"The backup is in {file}; it was read back and holds what it should.")
    if file.stat().st_dev == home.stat().st_dev:
        note(
            f"That is the disk on which {home} is: copy the file to another, for the day it fails."
        )


def _check_same(path: Path, backup: Backup, passphrase: bytes) -> None:
    try:
        known = read_backup(path, passphrase).secrets
    except (KeystoreError, Malformed) as error:
        raise KeystoreExists(f"there is a file already that stays as it is: {error}") from None
    if any(known.get(name) != backup.secrets.get(name) for name in _SAME):
        raise KeystoreExists(f"{path} is the backup of something else and stays as it is")


def read_backup(path: Path, passphrase: bytes) -> Backup:
    """The backup in a file. Raises KeystoreError, or Malformed if it is no backup."""
    secrets = dict(read_sealed(path, passphrase))
    needed = {_INVITATION, ROLE_KEY, TLS_KEY, *BACKUP}
    if secrets.get(_FORMAT) != _FORMAT_1 or not needed <= secrets.keys():
        raise Malformed(str(path), "opens, but is no backup of a trustee")
    return Backup(secrets)


def restore_home(backup: Backup, home: Path, passphrase: bytes) -> Invitation:
    """Make a home from a backup: all of it or nothing. Raises KeystoreExists if there is one."""
    invitation = backup.invitation
    role_key = RoleKey.from_secret(backup.secrets[ROLE_KEY])
    tls_key = TlsKey.from_pem(backup.secrets[TLS_KEY])
    verify_invitation(invitation, role_key, tls_key)
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise KeystoreExists(f"{home} exists already and is not overwritten")
    home.parent.mkdir(parents=True, exist_ok=True)
    # Made beside it and moved: a crash leaves no home that looks like one and is none.
    made = Path(tempfile.mkdtemp(prefix=f".{home.name}-", dir=home.parent))
    try:
        write_new(made / INVITATION, backup.secrets[_INVITATION])
        write_new(made / ENROLMENT, make_enrolment(invitation.identity, role_key, tls_key))
        keys = {name: backup.secrets[name] for name in (ROLE_KEY, TLS_KEY)}
        values = {name: value for name, value in backup.values.items() if value}
        Keystore.create(made / KEYSTORE, passphrase, {**keys, **values}).close()
        made.rename(home)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    sync_directory(home.parent)
    return invitation
