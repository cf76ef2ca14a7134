"""The roles of an election, and the name under which a certificate knows one."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote, unquote

from crypto.errors import Malformed

SCHEME = "sailau:"
NAME_LENGTH = 100


class Role(StrEnum):
    """What somebody may do in an election."""

    ADMINISTRATOR = "administrator"
    SERVER = "server"
    TRUSTEE = "trustee"
    DEVICE = "device"


def check_name(name: str, field: str = "name") -> str:
    """Return `name` if it is one: the rule is that of the manifest's labels.

    1 to 100 characters, no control characters, no white space at either end.
    Raises Malformed.
    """
    if not 1 <= len(name) <= NAME_LENGTH:
        raise Malformed(field, f"has {len(name)} characters, not 1 to {NAME_LENGTH}")
    if name != name.strip():
        raise Malformed(field, "begins or ends with white space")
    # Cs: half a surrogate pair, which JSON can spell and UTF-8 cannot.
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in name):
        raise Malformed(field, "contains a control character")
    return name


@dataclass(frozen=True, slots=True)
class Identity:
    """One holder of a role. `name` is unique in its election (a device: its label)."""

    role: Role
    name: str

    def __post_init__(self) -> None:
        check_name(self.name)

    def __str__(self) -> str:
        return f"{self.role} {self.name!r}"

    @property
    def uri(self) -> str:
        """`sailau:role/name`, the name percent-encoded: ASCII, one spelling only."""
        return f"{SCHEME}{self.role}/{quote(self.name, safe='')}"


def parse_identity_uri(uri: str, field: str = "identity") -> Identity:
    """Turn `sailau:role/name` into an Identity. Raises Malformed unless it is exactly that."""
    role_text, slash, encoded = uri.removeprefix(SCHEME).partition("/")
    if not uri.startswith(SCHEME) or not slash:
        raise Malformed(field, "is not of the form sailau:role/name")
    try:
        identity = Identity(Role(role_text), unquote(encoded, errors="strict"))
    except ValueError:
        raise Malformed(field, "names no known role, or its name is not UTF-8") from None
    if identity.uri != uri:
        raise Malformed(field, "is not the one spelling of this identity")
    return identity
