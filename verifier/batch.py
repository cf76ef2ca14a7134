"""Thousands of proofs as one product (docs/verification.md, "Batches").

A proof whose commitments are known is a few equations: g^x K^y times powers of some bases
is a commitment. `Batch.holds` checks the equations of any number of proofs with one product
under exponents that nobody can foresee, and with it that every number in them is in the
group. That a batch holds says of each of its proofs what the exact check would say; that
it does not hold says nothing but that one of them is to be found.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from gmpy2 import mpz

from verifier.group import FixedBase, Group
from verifier.multipower import square_product

SECURITY = 128
"""Bits of a random exponent: a batch with a fault holds with probability at most 2^-128."""
_WIDTH = SECURITY // 8

SUITABLE = frozenset({"standard", "reduced-3072"})
"""Sets for which p - 1 = 2qs, with q and s primes above 2^128 and p = 3 mod 4. Under others,
numbers outside the group could have an order so small that a product overlooks them."""

_PATIENCE = 5
"""A search gives up when so many times as many claims were tried as there are: enough for
four wrong ones anywhere. Where more are wrong, to compute them costs less than to search."""

Terms = tuple[tuple[int, int], ...]
"""Powers in an equation: (which factor of the claim, exponent)."""


@dataclass(frozen=True, slots=True)
class Equation:
    """g^`g` K^`k` times the product of factor^exponent over `terms` is `commitment`.

    `common` is a further power, of a base that is known to be in the group and that many
    claims have: (base, exponent).
    """

    commitment: mpz
    g: int
    k: int
    terms: Terms
    common: tuple[mpz, int] | None = None


@dataclass(slots=True)
class Claim:
    """What a proof, or all proofs of a ballot, say: equations, and elements of the group.

    Numbers are between 1 and p - 1, exponents below q. That `members` and commitments are
    in the group is checked. Each base is either known to be in the group, or has an
    equation with an exponent that is not 0 and no other base of which that is not known:
    then its being in the group is checked as well.

    Equations are about factors: a base, or a product of bases, which is not multiplied out
    and costs nothing more however many equations it stands in.
    """

    bases: list[mpz] = field(default_factory=list)
    factors: list[tuple[int, ...]] = field(default_factory=list)
    equations: list[Equation] = field(default_factory=list)
    members: list[mpz] = field(default_factory=list)

    def base(self, x: mpz) -> int:
        """Add a base; return the number of the factor that it is."""
        self.factors.append((len(self.bases),))
        self.bases.append(x)
        return len(self.factors) - 1

    def product(self, numbers: Iterable[int]) -> int:
        """Add the product of factors; return its number as a factor."""
        self.factors.append(tuple(base for i in numbers for base in self.factors[i]))
        return len(self.factors) - 1

    @property
    def size(self) -> int:
        """How many powers it costs, roughly."""
        return 2 * len(self.bases) + len(self.equations) + len(self.members)


def _random(count: int) -> list[int]:
    data = secrets.token_bytes(_WIDTH * count)
    return [int.from_bytes(data[i : i + _WIDTH], "big") for i in range(0, len(data), _WIDTH)]


class _Sum:
    """All equations of some claims, each to a random power, multiplied together."""

    def __init__(self, claims: Sequence[Claim], q: mpz) -> None:
        self.commitments = [e.commitment for claim in claims for e in claim.equations]
        self.weights = _random(len(self.commitments))
        self.bases: list[mpz] = []
        self.exponents: list[int] = []
        self.g = self.k = 0
        order, weights = int(q), iter(self.weights)
        common: dict[mpz, int] = {}
        for claim in claims:
            powers = [0] * len(claim.factors)
            for equation in claim.equations:
                weight = next(weights)
                self.g += weight * equation.g
                self.k += weight * equation.k
                for factor, exponent in equation.terms:
                    powers[factor] += weight * exponent
                if equation.common is not None:
                    x, exponent = equation.common
                    common[x] = common.get(x, 0) + weight * exponent
            exponents = [0] * len(claim.bases)
            for bases, power in zip(claim.factors, powers, strict=True):
                for base in bases:
                    exponents[base] += power
            self.bases += claim.bases
            self.exponents += [exponent % order for exponent in exponents]
        self.bases += common
        self.exponents += [exponent % order for exponent in common.values()]
        self.g %= order
        self.k %= order


class Batch:
    """Checks claims together, under one K; the group has to be suitable."""

    def __init__(self, group: Group, key: FixedBase) -> None:
        """Take the table of K."""
        self._group = group
        self._key = key

    def holds(self, claims: Sequence[Claim]) -> bool:
        """Whether every claim holds."""
        if not claims:
            return True
        group, p, q = self._group, self._group.p, self._group.q
        total = _Sum(claims, q)
        members = [x for claim in claims for x in claim.members]
        right = square_product(total.commitments, total.weights, SECURITY, p)
        others = square_product(members, _random(len(members)), SECURITY, p)
        if right is None or others is None or group.power(right * others % p, q) != 1:
            return False
        left = square_product(total.bases, total.exponents, q.bit_length(), p)
        if left is None:
            return False
        return bool(left * group.g_power(total.g) * self._key.power(total.k) % p == right)

    def search(self, claims: Sequence[Claim | None]) -> list[bool]:
        """Say of each claim whether it was found to hold, by halving what does not.

        None stands for what cannot be claimed, and is not found to hold. Neither is what
        stands in a part that was not tried any more: the largest are tried first, and where
        very much is wrong the rest is left.
        """
        found = [False] * len(claims)
        everything = [i for i, claim in enumerate(claims) if claim is not None]
        pending, left = deque([everything]), _PATIENCE * len(everything)
        while pending and left >= len(pending[0]):
            part = pending.popleft()
            left -= len(part)
            if self.holds([claim for i in part if (claim := claims[i]) is not None]):
                for i in part:
                    found[i] = True
            elif len(part) > 1:
                half = len(part) // 2
                pending += [part[:half], part[half:]]
        return found


def batch_for(group: Group, key: mpz, table: FixedBase) -> Batch | None:
    """Return how claims under K are checked together; None if the group or K do not allow it."""
    suitable = group.parameters.name in SUITABLE and group.is_member(key)
    return Batch(group, table) if suitable else None
