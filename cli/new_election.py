"""Making an election: its authority, its roles' certificates, and artifact 0.

OUT/administrator/    the administrator's home, with the authority's key and the plan
OUT/server/           the server's home: keys, certificate, artifact 0, addresses
OUT/invitations/      a file for each trustee and device
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ballotbox.store import SqliteStore
from cli.common import write_new
from cli.homes import INVITATION, KEYSTORE, ROLE_KEY, TLS_KEY
from cli.plans import Plan, check_plan
from identity.authority import Authority
from identity.enrolment import Enrolment
from identity.invitation import Invitation
from identity.keystore import Keystore
from identity.rolekeys import RoleKey
from identity.roles import Identity, Role
from identity.tlskeys import TlsKey
from record import artifacts
from record.artifacts import Election, sign_statement
from record.checkpoint import verifier_key
from record.election import check_election, make_election
from record.manifest import Manifest

AUTHORITY_KEY = "authority-key"
LOG_KEY = "log-key"
ARTIFACT = "election.artifact"
SERVER_FILE = "server.json"
DATABASE = "board.sqlite"
CERTIFICATE = "server.pem"
AUTHORITY = "authority.pem"


@dataclass(frozen=True, slots=True)
class Made:
    """What came of it."""

    election: Election
    manifest: Manifest
    administrator_key: bytes


def make(plan: Plan, out: Path, admin_passphrase: bytes, server_passphrase: bytes) -> Made:
    """Make the election's directories; raises before it writes if the plan is wrong."""
    manifest, trustees, devices = check_plan(plan)
    keys = _Keys()
    election = make_election(
        plan.parameters,
        plan.manifest,
        plan.quorum,
        str(verifier_key(plan.origin or _origin(plan, manifest), keys.log.public_bytes)),
        _role_keys(trustees, devices, keys),
    )
    artifact = sign_statement(election, None, election.base_hash, keys.administrator)
    context = check_election(artifact)
    authority = Authority.create(manifest.label)
    writer = _Writer(plan, out, context.election, manifest, authority, keys)
    writer.administrator(admin_passphrase)
    writer.server(server_passphrase, artifact.data)
    writer.invitations([*trustees, *devices])
    return Made(election, manifest, keys.administrator.public_bytes)


def _origin(plan: Plan, manifest: Manifest) -> str:
    """The log's name: where it is to be found, without spaces."""
    label = "".join(c if c.isalnum() or c in "-_." else "-" for c in manifest.label)
    return f"{plan.hosts[0]}/{label}"


class _Keys:
    """The keys that are made here."""

    def __init__(self) -> None:
        self.administrator, self.server, self.log = (RoleKey.generate() for _ in range(3))
        self.administrator_tls, self.server_tls = TlsKey.generate(), TlsKey.generate()


def _role_keys(
    trustees: Sequence[Enrolment], devices: Sequence[Enrolment], keys: _Keys
) -> list[artifacts.RoleKey]:
    role = artifacts.Role
    return [
        artifacts.RoleKey(role.ADMINISTRATOR, "administrator", 0, keys.administrator.public_bytes),
        artifacts.RoleKey(role.SERVER, "server", 0, keys.server.public_bytes),
        *(
            artifacts.RoleKey(role.TRUSTEE, t.identity.name, i, t.public_key)
            for i, t in enumerate(trustees, start=1)
        ),
        *(artifacts.RoleKey(role.DEVICE, d.identity.name, 0, d.public_key) for d in devices),
    ]


@dataclass(frozen=True, slots=True)
class _Writer:
    plan: Plan
    out: Path
    election: Election
    manifest: Manifest
    authority: Authority
    keys: _Keys

    def administrator(self, passphrase: bytes) -> None:
        """The administrator's home; it alone holds the authority's key."""
        identity = Identity(Role.ADMINISTRATOR, "administrator")
        home = self.out / "administrator"
        secrets = {
            ROLE_KEY: self.keys.administrator.secret_bytes(),
            TLS_KEY: self.keys.administrator_tls.private_pem(),
            AUTHORITY_KEY: self.authority.key.private_pem(),
        }
        _make_keystore(home, passphrase, secrets)
        request = self.keys.administrator_tls.request(identity)
        invitation = self._invitation(identity, 0, self.keys.administrator.public_bytes, request)
        write_new(home / INVITATION, invitation)
        self.plan.keep(home)

    def server(self, passphrase: bytes, artifact: bytes) -> None:
        """The server's home."""
        home = self.out / "server"
        secrets = {
            ROLE_KEY: self.keys.server.secret_bytes(),
            TLS_KEY: self.keys.server_tls.private_pem(),
            LOG_KEY: self.keys.log.secret_bytes(),
        }
        _make_keystore(home, passphrase, secrets)
        identity = Identity(Role.SERVER, "server")
        certificate = self.authority.issue_server(
            self.keys.server_tls.request(identity), identity, self.plan.hosts
        )
        write_new(home / CERTIFICATE, certificate)
        write_new(home / AUTHORITY, self.authority.certificate_pem)
        write_new(home / ARTIFACT, artifact)
        store = SqliteStore.create(home / DATABASE, self.election.base_hash)
        # H_B does not tell two elections from one manifest apart; artifact 0 does.
        store.append(0, artifact)
        store.close()
        ports = {"public_port": self.plan.public_port, "roles_port": self.plan.roles_port}
        write_new(home / SERVER_FILE, json.dumps(ports, indent=2).encode() + b"\n")

    def invitations(self, enrolments: Sequence[Enrolment]) -> None:
        """One file for each trustee and device."""
        numbers = Counter[Role]()
        for enrolment in enrolments:
            role = enrolment.identity.role
            numbers[role] += 1
            number = numbers[role]
            own = number if role is Role.TRUSTEE else 0
            data = self._invitation(
                enrolment.identity, own, enrolment.public_key, enrolment.request
            )
            name = f"{enrolment.identity.role}-{number}-{_file_name(enrolment.identity.name)}.json"
            write_new(self.out / "invitations" / name, data)

    def _invitation(
        self, identity: Identity, index: int, public_key: bytes, request: bytes
    ) -> bytes:
        host = self.plan.hosts[0]
        host = f"[{host}]" if ":" in host else host
        return Invitation(
            identity=identity,
            index=index,
            election=self.manifest.label,
            base_hash=self.election.base_hash,
            authority=self.authority.certificate_pem,
            certificate=self.authority.issue_client(request, identity),
            roles_address=f"{host}:{self.plan.roles_port}",
            public_address=f"{host}:{self.plan.public_port}",
            server_name=self.plan.hosts[0],
            log_key=self.election.log_key,
            public_key=public_key,
            administrator_key=self.keys.administrator.public_bytes,
        ).to_bytes()


def _make_keystore(home: Path, passphrase: bytes, secrets: dict[str, bytes]) -> None:
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    home.chmod(0o700)
    Keystore.create(home / KEYSTORE, passphrase, secrets).close()


def _file_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in name)
