"""The nonces u_i of a decryption, derived from one secret of the session.

A nonce answers one challenge and no other: from two answers v = u - c z under the same
u anybody computes z. A tally of a large election has 120,000 ciphertexts, and as many
nonces would have to be on the disk before the first message leaves. So they are
derived. The session draws a key of 32 random bytes, and

    u_i(x) = int(F(1, x) || F(2, x)) mod q
    F(n, x) = HMAC-SHA-256(key, "sailau.v1.decryption-nonce" || 00 || n || session || x || binding)

with n in 1 byte, the session's number in 4, the ciphertext's place x in 8 and

    binding = SHA-256("sailau.v1.decryption-session" || 00 || H_E || i || session || U || tallies)

where U is its size and indices, and `tallies` the hash of every (A, B) with its indices.

Why this is as good as fresh randomness. HMAC-SHA-256 under a random key is a
pseudorandom function: nobody who lacks the key tells its values at distinct inputs from
independent random strings, and all inputs here are distinct. 512 bits reduced mod a
q of 256 bits are within 2^-256 of uniform. So whoever could use the derived nonces
against the trustee could be used to break HMAC-SHA-256.

Why no nonce meets two challenges. The challenge of a ciphertext depends on H_E, its
indices, (A, B) and on what everybody in U commits to. Another election, session, set U,
tally, trustee or ciphertext gives another input and so an independent nonce, whoever
claims the same session number. What is left is the same session with other partial
decryptions of the others; against that the answers to the first ones are stored, and
the key erased, in the one write that precedes the first answer (`vault`), and there is
nothing to answer a second time with.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from crypto.group import Group, mpz
from crypto.hashing import index_bytes, keyed_hash
from record.election import ElectionKeys
from record.state import Place

KEY = 32
_NONCE = b"sailau.v1.decryption-nonce\0"
_SESSION = b"sailau.v1.decryption-session\0"


@dataclass(frozen=True, slots=True)
class Session:
    """What a decryption is about, all of it public: trustee i, the number, U, the places."""

    keys: ElectionKeys
    trustee: int
    number: int
    trustees: tuple[int, ...]
    places: tuple[Place, ...]

    @property
    def group(self) -> Group:
        """The election's group."""
        return self.keys.vote_key.group

    def binding(self) -> bytes:
        """The hash of everything above, 32 bytes."""
        h = hashlib.sha256(_SESSION + self.keys.extended_base_hash)
        numbers = (self.trustee, self.number, len(self.trustees), *self.trustees)
        h.update(b"".join(map(index_bytes, numbers)))
        h.update(tally_digest(self.group, self.places))
        return h.digest()


def tally_digest(group: Group, places: tuple[Place, ...]) -> bytes:
    """SHA-256 over every ciphertext to be decrypted, with its indices, in order."""
    h = hashlib.sha256(len(places).to_bytes(8, "big"))
    for place in places:
        h.update(index_bytes(place.contest) + index_bytes(place.option))
        h.update(group.encode_element(place.ciphertext.alpha))
        h.update(group.encode_element(place.ciphertext.beta))
    return h.digest()


@dataclass(frozen=True, slots=True, repr=False)
class NonceKey:
    """The key of one session, 32 bytes, and what it is bound to. Must not be sent."""

    key: bytes
    session: int
    binding: bytes

    def __repr__(self) -> str:
        return "NonceKey(<redacted>)"

    @classmethod
    def generate(cls, session: Session) -> NonceKey:
        """A fresh key from the operating system's randomness."""
        return cls(secrets.token_bytes(KEY), session.number, session.binding())

    def nonce(self, group: Group, place: int) -> mpz:
        """u_i for the ciphertext at `place`, counted from 0."""
        where = index_bytes(self.session) + place.to_bytes(8, "big")
        wide = b"".join(
            keyed_hash(self.key, _NONCE, bytes([n]), where, self.binding) for n in (1, 2)
        )
        return mpz.from_bytes(wide, "big") % group.q
