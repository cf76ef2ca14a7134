"""Drills: the decryption of a test ciphertext that everybody can make (docs/record.md, "Drills").

The nonce is public, so A^z_i = (g^z_i)^xi, which anybody computes from the published
keys: a drill says nothing that the record does not say already (docs/security.md).
"""

from __future__ import annotations

from crypto.elgamal import encrypt
from crypto.group import Group, mpz
from crypto.hashing import index_bytes, keyed_hash
from record.election import ElectionKeys
from record.state import Place

_LABEL = b"sailau.v1.drill\0"


def drill_nonce(group: Group, extended_base_hash: bytes, number: int) -> mpz:
    """xi of the drill with this session number."""
    digest = keyed_hash(extended_base_hash, _LABEL, index_bytes(number))
    return mpz.from_bytes(digest, "big") % group.q


def drill_place(keys: ElectionKeys, number: int) -> Place:
    """The test ciphertext: an encryption of the number itself, at contest 0."""
    xi = drill_nonce(keys.vote_key.group, keys.extended_base_hash, number)
    return Place(0, number, encrypt(keys.vote_key, number, xi))
