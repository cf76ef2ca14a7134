"""One decrypted ciphertext: what is published of it, and V10."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gmpy2 import mpz

from verifier.findings import Findings, Place
from verifier.group import FixedBase, Group
from verifier.proofs import Decrypted, is_decryption
from verifier.schema import pb
from verifier.wire import Reader

_SERVER = "server"


@dataclass(slots=True)
class Option:
    """One decrypted option: t, T, c and v, and whether V10 holds for it."""

    place: Place
    count: int
    value: mpz | None
    challenge: mpz | None
    response: mpz | None
    proven: bool = False
    counted: bool = False
    """Whether 10.C holds."""


def read_option(option: pb.DecryptedOption, reader: Reader, place: Place) -> Option:
    """Decode a decrypted option and report wrong widths and ranges."""
    return Option(
        place,
        option.count,
        reader.ranged_element(option.value, "T", place),
        reader.ranged_scalar(option.challenge, "c", place),
        reader.scalar(option.response, "v", place),
    )


def usable(group: Group, ciphertext: tuple[mpz, mpz]) -> bool:
    """Whether both numbers of a ciphertext are elements at all."""
    return all(0 < x < group.p for x in ciphertext)


class Decryptions:
    """Checks V10 under one key."""

    def __init__(
        self,
        group: Group,
        vote_key: mpz,
        table: FixedBase,
        extended_hash: bytes,
        findings: Findings,
    ) -> None:
        """Take K, its table, and H_E."""
        self._group = group
        self._vote_key = vote_key
        self._table = table
        self._extended = extended_hash
        self._findings = findings

    def proof(
        self, option: Option, indices: tuple[int, int], ciphertexts: Sequence[tuple[mpz, mpz]]
    ) -> None:
        """Check 10.A and 10.B of an option that may be of any of these ciphertexts."""
        if option.response is None or option.value is None or option.challenge is None:
            return
        inside = 0 <= option.response < self._group.q
        if not self._findings.check("10.A", inside, option.place, "v is not below q", _SERVER):
            return
        parts = option.value, option.challenge, option.response
        option.proven = any(
            is_decryption(
                self._group, self._table, self._extended, Decrypted(*indices, *ciphertext, *parts)
            )
            for ciphertext in ciphertexts
            if usable(self._group, ciphertext)
        )
        message = "the proof that (A, B) decrypts to T is wrong"
        self._findings.check("10.B", option.proven, option.place, message, _SERVER)

    def count(self, option: Option) -> None:
        """Check 10.C of an option."""
        if option.value is None:
            return
        # t may have more bits than the exponents of the table.
        power = self._group.power(self._vote_key, option.count)
        option.counted = option.value == power
        message = f"T is not K^{option.count}"
        self._findings.check("10.C", option.counted, option.place, message, _SERVER)
