"""Several powers of one element that share their squarings (after Yao).

    chain = Squarings(group, alpha)
    chain.check_member("alpha")
    a, b = chain.power(c_0), chain.power(c_1)

The chain x, x^2, x^4 .. costs as much as one exponentiation. With it a power costs
another 60 multiplications in the standard group, and the check that x^q = 1 next to none,
since q is so close to a power of two.
"""

from __future__ import annotations

from functools import lru_cache

from gmpy2 import mpz

from crypto.errors import InvalidProof, Part
from crypto.group import Group

_WINDOW = 4  # bits of a digit; digits are odd, so there are half as many products


class Squarings:
    """x^(2^i) mod p for i = 0 .. the bits of q. For public exponents."""

    __slots__ = ("group", "squares")

    def __init__(self, group: Group, x: mpz) -> None:
        self.group = group
        p, squares = group.p, [x]
        for _ in range(group.parameters.q.bit_length()):
            x = x * x % p
            squares.append(x)
        self.squares = squares

    def check_member(self, field: str) -> None:
        """Raise `InvalidProof` unless the element is in the subgroup, as `Group.check_member`."""
        group, squares = self.group, self.squares
        plus, minus = _order_digits(group)
        if not 0 < squares[0] < group.p or group.product(squares[i] for i in plus) != group.product(
            squares[i] for i in minus
        ):
            raise InvalidProof(f"{field} is not in the subgroup of order q", Part.MEMBERSHIP)

    def power(self, exponent: int | mpz) -> mpz:
        """x^exponent mod p for 0 <= exponent < q."""
        p, squares, e, position = self.group.p, self.squares, int(exponent), 0
        # digits[k] is the product of what has the digit 2k + 1.
        digits = [mpz(1)] * (1 << _WINDOW - 1)
        while e:
            zeros = (e & -e).bit_length() - 1
            e >>= zeros
            position += zeros
            k = (e & (1 << _WINDOW) - 1) >> 1
            digits[k] = digits[k] * squares[position] % p
            e >>= _WINDOW
            position += _WINDOW
        # The product of digits[k]^(2k + 1): that of digits[k]^k, squared, and of all once.
        all_once = half = mpz(1)
        for product in reversed(digits[1:]):
            all_once = all_once * product % p
            half = half * all_once % p
        return half * half % p * (all_once * digits[0] % p) % p


@lru_cache(maxsize=16)
def _order_digits(group: Group) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """q as a sum of powers of two less another such sum: their exponents (non-adjacent form)."""
    q, position = group.parameters.q, 0
    plus: list[int] = []
    minus: list[int] = []
    while q:
        if q & 1:
            (plus if q & 3 == 1 else minus).append(position)
            q -= 2 - (q & 3)
        q >>= 1
        position += 1
    return tuple(plus), tuple(minus)
