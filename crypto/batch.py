"""Many equations and memberships, checked as one product.

docs/verification.md, "Batches in the ballot box", says what that shows and why.

    claims = Claims(group)
    claims.member(alpha, "alpha")
    claims.equation(a, group.table, v, ((alpha,), c))     # a = g^v alpha^c
    verify(group, [claims, ...])

Every equation is raised to a random exponent of its own, and all are multiplied; every
member gets another random multiple of q into its exponent. If one claim is false, the
product is 1 with a probability of at most 2^-128, whatever was chosen by whoever knows
everything but those exponents.

What that takes, and what is checked here: in Z_p* there are elements of order 2, q and s
only, s a prime (`Parameters.s`), and the products of such; q and s are above 2^128
(`batchable`); every element in a product has the Jacobi symbol 1, so that it has no part
of order 2, which a random exponent would miss every other time. That the bases of
equations are members is claimed besides, or known: `equation` cannot tell.

A claim that is false names nobody. `find_false` finds whose it is, and `unproved` does all
of this for many claimants at once.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from gmpy2 import jacobi, mpz

from crypto.errors import InvalidProof, Part, SailauError
from crypto.group import FixedBase, Group
from crypto.multi_power import multi_power
from crypto.parameters import Parameters

BITS = 128
"""Length of the random exponents; the error is 2^-BITS."""

SIZE = 2**16
"""Elements in one product: more would take memory and save next to nothing."""

Claimant = Callable[["Claims"], None]
"""Adds what somebody claims, or raises a `SailauError` if that is wrong at first sight."""


class Equation(NamedTuple):
    """commitment = table^exponent times (product of bases)^e for every (bases, e)."""

    commitment: mpz
    table: FixedBase | None
    exponent: mpz
    powers: tuple[tuple[tuple[mpz, ...], mpz], ...]


class Claims:
    """What somebody claims, of which nothing holds unless `verify` says so."""

    __slots__ = ("equations", "group", "members")

    def __init__(self, group: Group) -> None:
        """No claims yet. `ValueError` unless the group is `batchable`."""
        if not batchable(group.parameters):
            raise ValueError(f"proofs in {group!r} cannot be checked in batches")
        self.group = group
        self.members: list[mpz] = []
        self.equations: list[Equation] = []

    @property
    def size(self) -> int:
        """About how many elements it brings into the product."""
        return len(self.members) + len(self.equations)

    def member(self, x: mpz, field: str) -> None:
        """Claim that x is in the subgroup of order q.

        Raises `InvalidProof` at once for what has a part of order 2 or is no element.
        """
        self._check_odd(x, field)
        self.members.append(x)

    def equation(
        self,
        commitment: mpz,
        table: FixedBase | None,
        exponent: mpz,
        *powers: tuple[tuple[mpz, ...], mpz],
    ) -> None:
        """Claim commitment = table^exponent times (product of bases)^e for all `powers`.

        All exponents are in Z_q. The table's base and every other base must be members,
        known or claimed here. Raises `InvalidProof` at once for a commitment with a part of
        order 2, which nothing on the other side has.
        """
        self._check_odd(commitment, "a commitment")
        self.equations.append(Equation(commitment, table, exponent, powers))

    def _check_odd(self, x: mpz, field: str) -> None:
        if not 0 < x < self.group.p or jacobi(x, self.group.p) != 1:
            raise InvalidProof(f"{field} is not in the subgroup of order q", Part.MEMBERSHIP)


def batchable(parameters: Parameters) -> bool:
    """Whether a false claim shows in this group: q and s are above 2^BITS."""
    return min(parameters.q, parameters.s) > 1 << BITS


def verify(group: Group, batch: Collection[Claims]) -> None:
    """Check everything that is claimed in `batch`, all of it in this group.

    Raises `InvalidProof`, which does not say what is false.
    """
    q, random = group.q, _random_exponents(sum(claims.size for claims in batch))
    terms: list[tuple[mpz, int | mpz]] = []
    fixed: dict[FixedBase, mpz] = {}
    # By identity: one tuple of bases stands in every equation of its proof.
    sums: dict[int, tuple[tuple[mpz, ...], mpz]] = {}
    members: dict[mpz, None] = {}
    for claims in batch:
        members.update(dict.fromkeys(claims.members))
        for commitment, table, exponent, powers in claims.equations:
            r = next(random)
            terms.append((commitment, r))
            if table is not None:
                fixed[table] = fixed.get(table, 0) + r * exponent
            for elements, e in powers:
                _, known = sums.get(id(elements), (elements, 0))
                sums[id(elements)] = elements, known + r * e
    bases: dict[mpz, mpz] = {}
    for elements, e in sums.values():
        for x in elements:
            bases[x] = bases.get(x, 0) + e
    # The commitments to the power r, times the other sides to the power -r.
    for x in members:
        terms.append((x, -bases.pop(x, mpz(0)) % q + q * next(random)))
    terms.extend((x, -e % q) for x, e in bases.items())
    product = group.product(table.power(-e) for table, e in fixed.items())
    if multi_power(group, terms) * product % group.p != 1:
        raise InvalidProof("a proof of the batch does not hold")


def find_false(group: Group, batch: Sequence[Claims]) -> list[int]:
    """The places in `batch` of the claims that are false, in order; none if all hold.

    By halving: with one false among n the products together are at most three times as
    large as that of all n; with all false, as many times as n can be halved.
    """
    return _find(group, batch, 0, suspected=False)


def unproved(group: Group, claimants: Iterable[Claimant]) -> list[int]:
    """The places of those whose claims are wrong at first sight or false, in order.

    What is not among them is proved. What is has to be checked by itself: to say what is
    wrong, and because only a hint may be. All of them, where the group is not `batchable`.
    """
    found: list[int] = []
    batch: list[tuple[int, Claims]] = []
    usable, size = batchable(group.parameters), 0
    for i, claimant in enumerate(claimants):
        if not usable:
            found.append(i)
            continue
        claims = Claims(group)
        try:
            claimant(claims)
        except SailauError:
            found.append(i)
            continue
        batch.append((i, claims))
        size += claims.size
        if size >= SIZE:
            found += _places(group, batch)
            batch, size = [], 0
    return sorted(found + _places(group, batch))


def _places(group: Group, batch: Sequence[tuple[int, Claims]]) -> list[int]:
    return [batch[x][0] for x in find_false(group, [claims for _, claims in batch])]


def _find(group: Group, batch: Sequence[Claims], first: int, *, suspected: bool) -> list[int]:
    """`find_false` of a part that begins at `first`; `suspected`: something in it is false."""
    if not batch or not (suspected or _is_false(group, batch)):
        return []
    if len(batch) == 1:
        return [first]
    middle = len(batch) // 2
    left = _find(group, batch[:middle], first, suspected=False)
    return left + _find(group, batch[middle:], first + middle, suspected=not left)


def _is_false(group: Group, batch: Collection[Claims]) -> bool:
    try:
        verify(group, batch)
    except InvalidProof:
        return True
    return False


def _random_exponents(count: int) -> Iterator[int]:
    """`count` fresh numbers below 2^BITS."""
    width = BITS // 8
    data = secrets.token_bytes(width * count)
    for i in range(0, len(data), width):
        yield int.from_bytes(data[i : i + width], "big")
