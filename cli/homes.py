"""Where each role keeps its files, and how a role comes to its place in an election.

HOME/keystore          role key and TLS key, encrypted with a passphrase
HOME/enrolment.json    what the role gives the administrator
HOME/invitation.json   what the administrator gives back
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cli.common import aloud, say, write_new
from crypto.errors import Malformed
from identity.enrolment import make_enrolment
from identity.errors import KeystoreDamaged, KeystoreTruncated
from identity.invitation import Invitation, parse_invitation, verify_invitation
from identity.keystore import Keystore
from identity.rolekeys import RoleKey
from identity.roles import Identity, Role
from identity.tlskeys import TlsKey

KEYSTORE = "keystore"
ENROLMENT = "enrolment.json"
INVITATION = "invitation.json"
ROLE_KEY = "role-key"
TLS_KEY = "tls-key"


@dataclass(frozen=True, slots=True)
class Home:
    """An opened home: the key store and the two keys in it."""

    path: Path
    keystore: Keystore
    role_key: RoleKey
    tls_key: TlsKey

    def invitation(self) -> Invitation:
        """The invitation, checked against the keys; raises if there is none yet."""
        invitation = read_invitation(self.path)
        verify_invitation(invitation, self.role_key, self.tls_key)
        return invitation


def read_invitation(path: Path) -> Invitation:
    """The invitation in a home, not compared with its keys; raises if there is none yet."""
    file = path / INVITATION
    if (path / "administrator" / INVITATION).exists():
        raise Malformed(str(path), "is all of an election", f"Your own is {path / 'administrator'}")
    if not file.exists():
        raise Malformed(
            str(file), "is missing", "give your enrolment to the administrator, then join"
        )
    return parse_invitation(file.read_bytes())


def create_home(path: Path, role: Role, name: str, passphrase: bytes) -> RoleKey:
    """Make a role's keys, its key store and its enrolment file; returns the role key."""
    identity = Identity(role, name)
    role_key, tls_key = RoleKey.generate(), TlsKey.generate()
    secrets = {ROLE_KEY: role_key.secret_bytes(), TLS_KEY: tls_key.private_pem()}
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.chmod(0o700)
    with Keystore.create(path / KEYSTORE, passphrase, secrets):
        write_new(path / ENROLMENT, make_enrolment(identity, role_key, tls_key))
    return role_key


def open_home(path: Path, passphrase: bytes) -> Home:
    """Open a role's key store. Raises `KeystoreError`."""
    try:
        keystore = Keystore.open(path / KEYSTORE, passphrase)
    except (KeystoreDamaged, KeystoreTruncated) as error:
        raise type(error)(
            f"the key store {path / KEYSTORE} is damaged: {error}. A trustee goes on with its "
            "backup in a new directory: `sailau trustee restore`"
        ) from None
    secrets = keystore.secrets
    return Home(
        path,
        keystore,
        RoleKey.from_secret(secrets[ROLE_KEY]),
        TlsKey.from_pem(secrets[TLS_KEY]),
    )


def check_invitation(home: Home, invitation: bytes) -> Invitation:
    """The invitation in a file, if it is for the keys of this home; raises if not."""
    parsed = parse_invitation(invitation)
    verify_invitation(parsed, home.role_key, home.tls_key)
    return parsed


def join(home: Home, invitation: bytes, *, replace: bool = False) -> Invitation:
    """Check an invitation and keep it; another than before is refused, unless told otherwise."""
    parsed = check_invitation(home, invitation)
    file = home.path / INVITATION
    if file.exists() and file.read_bytes() != invitation and not replace:
        raise Malformed(
            str(file), "is there already and differs", "use a fresh home for another election"
        )
    write_new(file, invitation)
    return parsed


def compare(invitation: Invitation) -> None:
    """Show what a person compares with what was announced."""
    say("Compare with what the commission announced:")
    say(f"  manifest and numbers (H_B):\n{aloud(invitation.base_hash, 4)}")
    say(f"  administrator's key:\n{aloud(invitation.administrator_key, 4)}")
