"""One decrypted ciphertext: what is published of it, and V10."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gmpy2 import mpz

from verifier.batch import Claim, Equation
from verifier.findings import Findings, Place
from verifier.group import FixedBase, Group
from verifier.proofs import Decrypted, decryption_challenge, is_decryption
from verifier.schema import pb
from verifier.wire import Reader

_SERVER = "server"
TOGETHER = 512
"""Options in a batch: their ciphertexts, or their decryptions."""


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


def usable(group: Group, numbers: Iterable[mpz]) -> bool:
    """Whether all numbers of a ciphertext or of a share are elements at all."""
    return all(0 < x < group.p for x in numbers)


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

    def claim(
        self,
        option: Option,
        indices: tuple[int, int],
        ciphertexts: Sequence[tuple[mpz, mpz]],
        commitments: tuple[mpz, mpz],
    ) -> Claim | None:
        """Return 10.B as a claim for a batch, if c is the hash over these commitments.

        They are elements that anybody may have named. None where `proof` has to look.
        """
        group, value = self._group, option.value
        if value is None or option.challenge is None or option.response is None:
            return None
        if not 0 <= option.response < group.q or not usable(group, ciphertexts[0]):
            return None
        alpha, beta = ciphertexts[0]
        factor = group.divide(beta, value)
        expected = decryption_challenge(
            group, self._extended, indices, (alpha, beta), commitments, factor
        )
        if option.challenge != expected:
            return None
        v, c = int(option.response), int(option.challenge)
        claim = Claim(members=[alpha, factor])
        terms = ((claim.base(alpha), v), (claim.base(factor), c))
        claim.equations.append(Equation(commitments[0], v, c, ()))
        claim.equations.append(Equation(commitments[1], 0, 0, terms))
        return claim

    def proof(
        self,
        option: Option,
        indices: tuple[int, int],
        ciphertexts: Sequence[tuple[mpz, mpz]],
        known: bool = False,
    ) -> None:
        """Check 10.A and 10.B of an option that may be of any of these ciphertexts.

        `known` says that a batch has found 10.B to hold for the first of them.
        """
        if option.response is None or option.value is None or option.challenge is None:
            return
        inside = 0 <= option.response < self._group.q
        if not self._findings.check("10.A", inside, option.place, "v is not below q", _SERVER):
            return
        parts = option.value, option.challenge, option.response
        option.proven = known or any(
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
        small = option.count < self._group.q
        power = (
            self._table.power(option.count)
            if small
            else self._group.power(self._vote_key, option.count)
        )
        option.counted = option.value == power
        message = f"T is not K^{option.count}"
        self._findings.check("10.C", option.counted, option.place, message, _SERVER)
