"""The hashes that tie a ballot together (spec 3.3.2, 3.3.3, 3.4).

Hashes are 32 bytes, chaining fields B_C 36: a 4-byte mode and a hash.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from crypto.elgamal import Ciphertext
from crypto.group import Group, mpz
from crypto.hashing import Domain, hash_bytes, hash_to_scalar, index_bytes, sized_bytes
from record.manifest import Chaining

_MODE = {Chaining.NONE: b"\x00\x00\x00\x00", Chaining.SIMPLE: b"\x00\x00\x00\x01"}


def identifier_hash(extended_base_hash: bytes, identifier: bytes) -> bytes:
    """H_I = H(H_E; 0x20, id_B) (spec 3.3.2, eq. 32)."""
    return hash_bytes(extended_base_hash, Domain.IDENTIFIER_HASH, identifier)


def selection_nonce(
    group: Group, h_i: bytes, contest: int, option: int, ballot_nonce: bytes
) -> mpz:
    """xi_i,j = H_q(H_I; 0x21, i, j, xi_B) (spec 3.3.3, eq. 33)."""
    return hash_to_scalar(
        group,
        h_i,
        Domain.SELECTION_NONCE,
        index_bytes(contest),
        index_bytes(option),
        ballot_nonce,
    )


def contest_hash(
    group: Group, h_i: bytes, contest: int, ciphertexts: Iterable[Ciphertext]
) -> bytes:
    """chi_l = H(H_I; 0x28, l, alpha_1, beta_1, ...), no contest data (spec 3.4.1, eq. 70)."""
    elements = (group.encode_element(x) for c in ciphertexts for x in (c.alpha, c.beta))
    return hash_bytes(h_i, Domain.CONTEST_HASH, index_bytes(contest), *elements)


def confirmation_code(h_i: bytes, contest_hashes: Sequence[bytes], chaining_field: bytes) -> bytes:
    """H_C = H(H_I; 0x29, chi_1, ..., B_C) (spec 3.4.2, eq. 71)."""
    return hash_bytes(h_i, Domain.CONFIRMATION_CODE, *contest_hashes, chaining_field)


def information_hash(extended_base_hash: bytes, information: str) -> bytes:
    """H_DI = H(H_E; 0x2A, S_device) (spec 3.4.3, eq. 72)."""
    text = information.encode()
    return hash_bytes(extended_base_hash, Domain.DEVICE_HASH, sized_bytes(text))


@dataclass(frozen=True, slots=True)
class Chain:
    """How one device links its codes, in the mode that the manifest names (spec 3.4.4)."""

    mode: Chaining
    extended_base_hash: bytes
    information_hash: bytes

    @property
    def _field_0(self) -> bytes:
        """B_C,0 (eq. 75), and without chaining every B_C (eq. 73)."""
        return _MODE[self.mode] + self.information_hash

    def start(self) -> bytes:
        """H_0 (eq. 74); empty without chaining."""
        if self.mode is Chaining.NONE:
            return b""
        return hash_bytes(self.extended_base_hash, Domain.CONFIRMATION_CODE, self._field_0)

    def field(self, previous: bytes) -> bytes:
        """B_C of the ballot after the one with code `previous` (eq. 73, 76).

        `previous` is H_0 for the first ballot.
        """
        if self.mode is Chaining.NONE:
            return self._field_0
        return _MODE[self.mode] + previous

    def close(self, last: bytes) -> tuple[bytes, bytes]:
        """B_C-bar and H-bar after the last code (eq. 78, 77); empty without chaining."""
        if self.mode is Chaining.NONE:
            return b"", b""
        h = hash_bytes(self.extended_base_hash, Domain.CHAIN_CLOSE, last, self._field_0)
        field = _MODE[self.mode] + h
        return field, hash_bytes(self.extended_base_hash, Domain.CONFIRMATION_CODE, field)
