"""Verifiable secret sharing among trustees (spec 3.2.2, 3.6.4).

Trustee i draws a polynomial P_i of degree k - 1, publishes commitments to its
coefficients and gives every trustee l the share P_i(l). The sum P of all
polynomials shares the secret key s = P(0) of the election, of which trustee l
holds z_l = P(l); any k of those determine it, and nobody ever computes it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from gmpy2 import invert, mpz

from crypto.errors import InvalidProof, Part
from crypto.group import Group


@dataclass(frozen=True, slots=True, repr=False)
class Polynomial:
    """P_i(x) = sum a_i,j x^j (7): k secret coefficients, the constant one first."""

    coefficients: tuple[mpz, ...]

    @classmethod
    def generate(cls, group: Group, k: int) -> Polynomial:
        """Draw k coefficients uniformly from Z_q."""
        if k < 1:
            raise ValueError("a polynomial has at least one coefficient")
        return cls(tuple(group.random_scalar() for _ in range(k)))

    def __repr__(self) -> str:
        return "Polynomial(<redacted>)"

    def commitments(self, group: Group) -> tuple[mpz, ...]:
        """K_i,j = g^(a_i,j) for every coefficient (8)."""
        return tuple(group.g_power(a_j) for a_j in self.coefficients)

    def evaluate(self, group: Group, x: int) -> mpz:
        """P_i(x) mod q. At x = l it is trustee l's share."""
        result = mpz(0)
        for a_j in reversed(self.coefficients):
            result = (result * x + a_j) % group.q
        return result


def commitment_value(group: Group, commitments: Sequence[mpz], x: int) -> mpz:
    """g^(P_i(x)), from the commitments to P_i alone (14)."""
    powers = (group.power(k_j, pow(x, j, group.parameters.q)) for j, k_j in enumerate(commitments))
    return group.product(powers)


def verify_share(group: Group, share: mpz, commitments: Sequence[mpz], x: int) -> None:
    """Check a share P_i(x) against the commitments of its sender (28, 29).

    The commitments were checked before (`schnorr.verify_keys`). Raises
    `InvalidProof`.
    """
    group.check_scalar(share, "the share", Part.SHAPE)
    if group.g_power(share) != commitment_value(group, commitments, x):
        raise InvalidProof("the share does not fit the commitments of its sender")


def secret_key_share(group: Group, shares: Iterable[mpz]) -> mpz:
    """z_i = P(i), the sum of the shares P_j(i) of all trustees j, i itself included (24)."""
    return sum(shares, mpz(0)) % group.q


def public_key_share(group: Group, all_commitments: Sequence[Sequence[mpz]], i: int) -> mpz:
    """g^(P(i)) = g^(z_i), from every trustee's commitments: the inner product of (94).

    `all_commitments[j - 1]` are the k commitments of trustee j.
    """
    columns = zip(*all_commitments, strict=True)
    return commitment_value(group, [group.product(column) for column in columns], i)


def lagrange(group: Group, i: int, available: Collection[int]) -> mpz:
    """The coefficient w_i for the set U of available trustees (85).

    `available` is U: distinct indices from 1 on, i among them, or `ValueError`.
    """
    if i not in available or len(set(available)) != len(available) or min(available) < 1:
        raise ValueError("not a set of trustee indices with the trustee's own")
    q, numerator, denominator = group.q, mpz(1), mpz(1)
    for j in available:
        if j != i:
            numerator = numerator * j % q
            denominator = denominator * (j - i) % q
    return numerator * invert(denominator, q) % q
