"""Verifiable secret sharing among trustees (spec 3.2.2, 3.6.4).

Trustee i draws a polynomial P_i of degree k - 1, publishes commitments to its
coefficients and gives every trustee l the share P_i(l). The sum P of all
polynomials shares the secret key s = P(0) of the election, of which trustee l
holds z_l = P(l); any k of those determine it, and nobody ever computes it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from heapq import heapify, heappop, heappush
from math import lcm, prod
from types import MappingProxyType

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


# --- interpolation


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


@dataclass(frozen=True, slots=True)
class Interpolation:
    """The coefficients w_i of one set U (85), ready to be raised to again and again.

    As rational numbers the coefficients have a common denominator: w_i = n_i / D, where
    n_i and D have about two bits for each trustee of U. In a group of order q therefore

        product of x_i^w_i  =  (product of x_i^n_i)^(1 / D mod q),

    some ten multiplications for each trustee and one exponentiation, where the left
    side has one exponentiation for each trustee. `negative` are the i whose n_i is
    below 0, `root` is 1 / D, and `steps` what `_steps` says of all |n_i|.
    """

    coefficients: Mapping[int, mpz]
    negative: tuple[int, ...]
    root: mpz
    steps: tuple[tuple[int, int], ...]

    def combine(self, group: Group, elements: Mapping[int, mpz]) -> mpz:
        """The product of x_i^w_i over U, whose indices are the keys of `elements`.

        Every x_i has to be in the subgroup of order q, where the equation above holds;
        elsewhere something else may come out than by raising to each w_i in Z_q.
        """
        return self.combine_all(group, [elements])[0]

    def combine_all(self, group: Group, rows: Sequence[Mapping[int, mpz]]) -> list[mpz]:
        """`combine` of each row; many rows share one inversion."""
        p, negative = group.p, frozenset(self.negative)
        inverses = iter(_inverses(group, [row[i] for row in rows for i in self.negative]))
        found = []
        for row in rows:
            values = [next(inverses) if i in negative else row[i] for i in self.coefficients]
            for x, y in self.steps:
                values.append(values[x] * values[y] % p)
            found.append(values[-1])
        return found if self.root == 1 else [group.power(x, self.root) for x in found]


def interpolation(group: Group, available: Collection[int]) -> Interpolation:
    """The coefficients for U, computed once; raises as `lagrange` does."""
    return _interpolation(group, tuple(sorted(available)))


@lru_cache(maxsize=64)
def _interpolation(group: Group, available: tuple[int, ...]) -> Interpolation:
    coefficients = {i: lagrange(group, i, available) for i in available}
    fractions = {
        i: prod((Fraction(j, j - i) for j in available if j != i), start=Fraction(1))
        for i in available
    }
    common = lcm(*(w.denominator for w in fractions.values()))
    numerators = {i: int(w * common) for i, w in fractions.items()}
    return Interpolation(
        MappingProxyType(coefficients),
        tuple(i for i, n in numerators.items() if n < 0),
        invert(mpz(common), group.q),
        tuple(_steps([abs(n) for n in numerators.values()])),
    )


def _steps(exponents: Sequence[int]) -> list[tuple[int, int]]:
    """How to multiply all x^n together, for positive n: the last product is that.

    Each step appends the product of two earlier values, which it names by position; the
    first values are the x. After Bos and Coster: with a >= b the two greatest exponents,
    x^a y^b is (x y)^b x^(a - b). Where a is much greater, x is squared first.
    """
    queue = [(-n, position) for position, n in enumerate(exponents)]
    heapify(queue)
    steps: list[tuple[int, int]] = []
    while len(queue) > 1 or queue[0][0] < -1:
        a, x = _greatest(queue)
        b, y = _greatest(queue) if queue else (0, x)
        new = len(exponents) + len(steps)
        if a >= 3 * b:
            left = [(a // 2, new), (a % 2, x), (b, y)]
            steps.append((x, x))
        else:
            left = [(b, new), (a - b, x)]
            steps.append((x, y))
        for n, position in left:
            if n:
                heappush(queue, (-n, position))
    return steps


def _greatest(queue: list[tuple[int, int]]) -> tuple[int, int]:
    n, position = heappop(queue)
    return -n, position


def _inverses(group: Group, elements: Sequence[mpz]) -> list[mpz]:
    """x^-1 of every x, with one inversion and three multiplications each (Montgomery)."""
    p, products = group.p, [mpz(1)]
    for x in elements:
        products.append(products[-1] * x % p)
    inverse, found = group.inverse(products.pop()), []
    for x, before in zip(reversed(elements), reversed(products), strict=True):
        found.append(inverse * before % p)
        inverse = inverse * x % p
    return found[::-1]
