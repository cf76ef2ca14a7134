"""How a role joins an election: two files, carried by people.

1. The trustee or device makes its keys and an *enrolment* file, and gives that
   to the administrator. It is signed with the role key, so whoever can make it
   holds that key; that the key is this person's is settled by reading
   `spoken(public_key)` to each other.
2. The administrator gives back an *invitation* file: the certificate, where to
   connect, and the administrator's key, which the role compares by voice. With
   that key everything in the record can be checked, so a forged invitation
   cannot lead a role into another election unnoticed once it is compared.

Neither file is secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from crypto.errors import InvalidProof, Malformed, Rejected
from identity.documents import canonical, parse_document, parse_hex, readable
from identity.rolekeys import SIGNATURE, RoleKey, parse_public_key, verify_signature
from identity.roles import Identity, Role
from identity.tlskeys import TlsKey, parse_request

ENROLMENT = "sailau-enrolment/1"
ENROLMENT_MEMBERS: dict[str, type[str] | type[int]] = {
    "role": str,
    "name": str,
    "public_key": str,
    "request": str,
    "signature": str,
}


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A checked enrolment: `public_key` (32 bytes) signed it, `request` (PEM) is sound."""

    identity: Identity
    public_key: bytes
    request: bytes


def make_enrolment(identity: Identity, role_key: RoleKey, tls_key: TlsKey) -> bytes:
    """The enrolment file of a role that has just made these keys."""
    body: dict[str, str | int] = {
        "format": ENROLMENT,
        "role": str(identity.role),
        "name": identity.name,
        "public_key": role_key.public_bytes.hex(),
        "request": tls_key.request(identity).decode(),
    }
    return readable({**body, "signature": role_key.sign(_signed(body)).hex()})


def parse_enrolment(data: bytes) -> Enrolment:
    """Check an enrolment file.

    Raises Malformed with the member's name, or Rejected: "enrolment.signature"
    if the role key did not sign it, "enrolment.request" if the signing request
    is not signed with its own key or names another identity.
    """
    document = parse_document(data, ENROLMENT, ENROLMENT_MEMBERS)
    identity = parse_identity(document)
    public_key = parse_key_member(document, "public_key")
    signature = parse_hex(document.pop("signature"), SIGNATURE, "signature")
    try:
        verify_signature(public_key, signature, _signed(document))
    except InvalidProof as error:
        raise Rejected(
            "enrolment.signature",
            error.problem,
            culprit=str(identity),
            advice="The file was changed on its way, or made with another key.",
        ) from None
    request = document["request"].encode()
    requested, _ = parse_request(request, "request")
    if requested != identity:
        raise Rejected("enrolment.request", f"the request names {requested}", culprit=str(identity))
    return Enrolment(identity, public_key, request)


def _signed(body: dict[str, Any]) -> bytes:
    """What the role key signs: every member but the signature, in one spelling."""
    return b"sailau.v1.Enrolment\0" + canonical(body)


def parse_identity(document: dict[str, Any]) -> Identity:
    """The members `role` and `name`. Raises Malformed."""
    try:
        role = Role(document["role"])
    except ValueError:
        raise Malformed("role", f"is none of {', '.join(Role)}") from None
    return Identity(role, document["name"])


def parse_key_member(document: dict[str, Any], member: str) -> bytes:
    """A member that is an Ed25519 public key in hexadecimal. Raises Malformed."""
    return parse_public_key(parse_hex(document[member], 32, member), member)
