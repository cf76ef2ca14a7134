"""Ed25519 role keys, and how people compare keys and hashes by voice.

A role key signs what its role states in the record. Its public half is pinned
in the election artifact, so the first question is whether the administrator has
the right one; that is settled by reading `spoken` to each other.
"""

from __future__ import annotations

import hashlib
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from crypto.errors import InvalidProof, Malformed

PUBLIC_KEY = 32
SECRET_KEY = 32
SIGNATURE = 64

# The points whose order divides 8, in every encoding, without the sign bit. A
# signature under such a key fits many messages, so its holder could deny them.
SMALL_ORDER = frozenset(
    bytes.fromhex(encoded)
    for encoded in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    )
)


class RoleKey:
    """A private role key. The repr shows the public half only."""

    __slots__ = ("_private", "public_bytes")

    public_bytes: bytes
    """The public key, 32 bytes (RFC 8032)."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public_bytes = private.public_key().public_bytes_raw()

    def __repr__(self) -> str:
        return f"RoleKey(public={self.public_bytes.hex()}, <redacted>)"

    @classmethod
    def generate(cls) -> Self:
        """A new key from the operating system's randomness."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_secret(cls, secret: bytes) -> Self:
        """The key whose 32 secret bytes a key store gave back. Raises Malformed."""
        if len(secret) != SECRET_KEY:
            raise Malformed("role key", f"has {len(secret)} bytes, not {SECRET_KEY}")
        return cls(Ed25519PrivateKey.from_private_bytes(secret))

    def secret_bytes(self) -> bytes:
        """The 32 secret bytes (the seed of RFC 8032), for a key store and nothing else."""
        return self._private.private_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature, 64 bytes. The caller puts a context in front of its message."""
        return self._private.sign(message)


def parse_public_key(data: bytes, field: str) -> bytes:
    """Return a usable Ed25519 public key, 32 bytes. Raises Malformed."""
    if len(data) != PUBLIC_KEY:
        raise Malformed(field, f"has {len(data)} bytes, not {PUBLIC_KEY}")
    if data[:-1] + bytes([data[-1] & 0x7F]) in SMALL_ORDER:
        raise Malformed(field, "is a point of small order, under which anybody can sign")
    return data


def verify_signature(public_key: bytes, signature: bytes, message: bytes) -> None:
    """Raise InvalidProof unless `signature` (64 bytes) over `message` is by `public_key`."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise InvalidProof("the signature is not by this key over these bytes") from None


def spoken_rows(data: bytes) -> tuple[str, str]:
    """`spoken` in two rows of six groups: what a person reads without losing the place."""
    groups = spoken(data).split(" ")
    return " ".join(groups[:6]), " ".join(groups[6:])


def spoken(data: bytes) -> str:
    """A key or a hash as twelve groups of five decimal digits, to be read aloud.

    Digits, because every caller can say them in Kazakh, Russian or English and
    no two of them look alike in two alphabets. Sixty of them, about 199 bits,
    because somebody who may choose both of the values that are compared finds
    two with the same N bits in 2^(N/2) steps. The digits are
    SHA-256("sailau.v1.spoken" || 00 || data) mod 10^60, leading zeros kept.
    """
    digest = hashlib.sha256(b"sailau.v1.spoken\0" + data).digest()
    digits = f"{int.from_bytes(digest) % 10**60:060d}"
    return " ".join(digits[start : start + 5] for start in range(0, 60, 5))
