"""ElGamal encryption of small numbers in the exponent of the key (spec 3.3.1).

A value sigma is encrypted as (g^xi, K^(sigma + xi)): the base of the value is K
itself, not g. Products of ciphertexts encrypt sums of values.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gmpy2 import mpz

from crypto.group import FixedBase, Group


class PublicKey:
    """A joint public key, K or K-hat, with a table for its powers.

    The element must be in the subgroup of order q; see `Group.check_member`. The
    table is built at the first `power` and not pickled.
    """

    __slots__ = ("_table", "element", "group")

    def __init__(self, group: Group, element: mpz) -> None:
        self.group = group
        self.element = element
        self._table = FixedBase(group, element)

    def __repr__(self) -> str:
        return f"PublicKey({self.group!r}, {self.group.encode_element(self.element).hex()[:16]}...)"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, PublicKey)
            and self.group == other.group
            and self.element == other.element
        )

    def __hash__(self) -> int:
        return hash((self.group, self.element))

    def __reduce__(self) -> tuple[Any, ...]:
        return PublicKey, (self.group, self.element)

    @property
    def table(self) -> FixedBase:
        """The table of K."""
        return self._table

    def power(self, exponent: int | mpz) -> mpz:
        """K^exponent mod p; the exponent, reduced mod q, may be secret."""
        return self._table.power(exponent)


@dataclass(frozen=True, slots=True)
class Ciphertext:
    """An encryption (alpha, beta), or a product of encryptions (A, B): elements."""

    alpha: mpz
    beta: mpz


def encrypt(key: PublicKey, value: int, nonce: mpz) -> Ciphertext:
    """Enc(sigma, xi) = (g^xi, K^(sigma + xi)) (31)."""
    return Ciphertext(key.group.g_power(nonce), key.power(value + nonce))


def accumulate(group: Group, ciphertexts: Iterable[Ciphertext]) -> Ciphertext:
    """The product of the ciphertexts (79); (1, 1), which encrypts 0, if there are none."""
    a, b, p = mpz(1), mpz(1), group.p
    for ciphertext in ciphertexts:
        a = a * ciphertext.alpha % p
        b = b * ciphertext.beta % p
    return Ciphertext(a, b)
