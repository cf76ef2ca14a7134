"""The invitation file: what the administrator gives back for an enrolment.

`enrolment` tells what the two files are for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from crypto.errors import Malformed, Rejected
from identity.authority import certificate_key, parse_certificate
from identity.documents import parse_document, parse_hex, readable
from identity.enrolment import parse_identity, parse_key_member
from identity.rolekeys import RoleKey
from identity.roles import Identity, Role, check_name
from identity.tlskeys import TlsKey, identity_of

INVITATION = "sailau-invitation/1"
INVITATION_MEMBERS: dict[str, type[str] | type[int]] = {
    "role": str,
    "name": str,
    "index": int,
    "election": str,
    "base_hash": str,
    "authority": str,
    "certificate": str,
    "roles_address": str,
    "public_address": str,
    "server_name": str,
    "log_key": str,
    "public_key": str,
    "administrator_key": str,
}
TEXT_LIMIT = 300
# host:port and nothing that gRPC would read as another kind of target.
ADDRESS = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5}")
HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """What a role is told. `index` is a trustee's i (3.1.2), otherwise 0.

    `base_hash` is H_B (32 bytes); `authority` and `certificate` are PEM;
    addresses are host:port, and `server_name` is the name that the server's
    certificate has; `log_key` is the election's, as in the election artifact;
    `public_key` is the role's own key as enrolled; keys are 32 bytes.
    """

    identity: Identity
    index: int
    election: str
    base_hash: bytes
    authority: bytes
    certificate: bytes
    roles_address: str
    public_address: str
    server_name: str
    log_key: str
    public_key: bytes
    administrator_key: bytes

    def to_bytes(self) -> bytes:
        """The invitation file."""
        return readable(
            {
                "format": INVITATION,
                "role": str(self.identity.role),
                "name": self.identity.name,
                "index": self.index,
                "election": self.election,
                "base_hash": self.base_hash.hex(),
                "authority": self.authority.decode(),
                "certificate": self.certificate.decode(),
                "roles_address": self.roles_address,
                "public_address": self.public_address,
                "server_name": self.server_name,
                "log_key": self.log_key,
                "public_key": self.public_key.hex(),
                "administrator_key": self.administrator_key.hex(),
            }
        )


def parse_invitation(data: bytes) -> Invitation:
    """Check an invitation file in itself: whether it is ours, `verify_invitation` says.

    Raises Malformed with the member's name, or Rejected
    ("invitation.certificate") if the certificate is not by this authority for
    this role.
    """
    document = parse_document(data, INVITATION, INVITATION_MEMBERS)
    identity = parse_identity(document)
    invitation = Invitation(
        identity=identity,
        index=_index(document["index"], identity.role),
        election=check_name(document["election"], "election"),
        base_hash=parse_hex(document["base_hash"], 32, "base_hash"),
        authority=document["authority"].encode(),
        certificate=document["certificate"].encode(),
        roles_address=_matching(ADDRESS, document, "roles_address", "host:port"),
        public_address=_matching(ADDRESS, document, "public_address", "host:port"),
        server_name=_matching(HOST, document, "server_name", "a host name or address"),
        log_key=_line(document["log_key"], "log_key"),
        public_key=parse_key_member(document, "public_key"),
        administrator_key=parse_key_member(document, "administrator_key"),
    )
    _check_certificate(invitation)
    return invitation


def verify_invitation(invitation: Invitation, role_key: RoleKey, tls_key: TlsKey) -> None:
    """Raise Rejected ("invitation.keys") unless it is for the holder of these two keys."""
    ours = certificate_key(parse_certificate(invitation.certificate, "certificate"), "certificate")
    if ours != tls_key.public_der or invitation.public_key != role_key.public_bytes:
        raise Rejected(
            "invitation.keys",
            "the invitation is for other keys than this key store holds",
            advice="Ask the administrator for the invitation made from your own enrolment.",
        )


def _check_certificate(invitation: Invitation) -> None:
    authority = parse_certificate(invitation.authority, "authority")
    certificate = parse_certificate(invitation.certificate, "certificate")
    certificate_key(authority, "authority")
    certificate_key(certificate, "certificate")
    if identity_of(certificate, "certificate") != invitation.identity:
        raise Rejected("invitation.certificate", "the certificate is for another role or name")
    if not _is_authority(authority):
        raise Malformed("authority", "is not the certificate of an authority")
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        raise Rejected(
            "invitation.certificate", "the certificate was not issued by this authority"
        ) from None


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return False
    return constraints.value.ca


def _index(index: int, role: Role) -> int:
    if (role is Role.TRUSTEE) != (index > 0) or not 0 <= index < 1 << 32:
        raise Malformed("index", "is at least 1 for a trustee and 0 for everybody else")
    return index


def _matching(pattern: re.Pattern[str], document: dict[str, Any], member: str, what: str) -> str:
    text: str = document[member]
    if not pattern.fullmatch(text):
        raise Malformed(member, f"is not {what}")
    return text


def _line(text: str, field: str) -> str:
    if not (0 < len(text) <= TEXT_LIMIT and text.isprintable()):
        raise Malformed(field, f"is not one line of 1 to {TEXT_LIMIT} characters")
    return text
