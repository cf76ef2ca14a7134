"""Arithmetic mod p, and tables for the two bases that every proof uses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import lcm, prod

from gmpy2 import invert, mpz, powmod

from verifier.multipower import Chain
from verifier.parameters import Parameters

Integer = int | mpz


class FixedBase:
    """Powers of one base from a table with a row for every `window` bits of the exponent.

    For 4096-bit p and 8 bits that is 32 rows of 256 elements, 4.5 MB and 30 ms to make; a
    power then costs a tenth of a powmod. With 10 bits it is 15 MB and 100 ms, and a fifth
    less a power. Exponents here are public, so nothing is said about timing.
    """

    def __init__(self, base: Integer, p: Integer, bits: int, window: int = 8) -> None:
        """Make the table for exponents of so many bits."""
        self._p = mpz(p)
        self._window = window
        self._rows: list[list[mpz]] = []
        step = mpz(base) % self._p
        for _ in range(0, bits, window):
            row = [mpz(1)]
            for _ in range((1 << window) - 1):
                row.append(row[-1] * step % self._p)
            self._rows.append(row)
            step = row[-1] * step % self._p

    def power(self, exponent: Integer) -> mpz:
        """base^exponent mod p for an exponent of no more bits than the table is for."""
        p, window, mask = self._p, self._window, (1 << self._window) - 1
        result, rest = mpz(1), int(exponent)
        for row in self._rows:
            digit = rest & mask
            if digit:
                result = result * row[digit] % p
            rest >>= window
        if rest:
            raise OverflowError("the exponent has more bits than the table")
        return result


class Group:
    """The group of order q in Z_p*, and the encodings that p and q fix."""

    def __init__(self, parameters: Parameters) -> None:
        """Take a known set of parameters; nothing is checked about it here."""
        self.parameters = parameters
        self.p = mpz(parameters.p)
        self.q = mpz(parameters.q)
        self.g = mpz(parameters.g)
        self.element_width = parameters.element_width
        self.scalar_width = parameters.scalar_width
        self._g_table: FixedBase | None = None

    def element(self, x: Integer) -> bytes:
        """Encode an integer mod p (5.1.1)."""
        return int(x).to_bytes(self.element_width, "big")

    def scalar(self, x: Integer) -> bytes:
        """Encode an integer mod q (5.1.2)."""
        return int(x).to_bytes(self.scalar_width, "big")

    def is_member(self, x: Integer) -> bool:
        """Whether x is in Z_p^r: 0 < x < p and x^q mod p = 1 (as 6.A says it)."""
        return 0 < x < self.p and powmod(x, self.q, self.p) == 1

    def chain(self, base: Integer) -> Chain:
        """Square a base for exponents below q; its powers and its order then cost little."""
        return Chain(mpz(base), self.p, self.q.bit_length())

    def member(self, x: Integer) -> Chain | None:
        """Return the chain of an element of Z_p^r, None if x is none (as 6.A says it)."""
        chain = self.chain(x) if 0 < x < self.p else None
        return chain if chain is not None and chain.has_order(self.q) else None

    def table(self, base: Integer) -> FixedBase:
        """Make a table for exponents below q."""
        return FixedBase(base, self.p, 8 * self.scalar_width)

    def large_table(self, base: Integer) -> FixedBase:
        """Make a table that is larger and faster, for thousands of powers."""
        return FixedBase(base, self.p, 8 * self.scalar_width, 10)

    def g_power(self, exponent: Integer) -> mpz:
        """g^exponent for 0 <= exponent < q."""
        if self._g_table is None:
            self._g_table = self.table(self.g)
        return self._g_table.power(exponent)

    def enlarge(self) -> None:
        """Make the table of g a large one, where thousands of powers are to come."""
        self._g_table = self.large_table(self.g)

    def power(self, base: Integer, exponent: Integer) -> mpz:
        """base^exponent mod p."""
        return powmod(base, exponent, self.p)

    def divide(self, a: Integer, b: Integer) -> mpz:
        """a / b mod p for 0 < b < p."""
        return mpz(a) * invert(b, self.p) % self.p

    def lagrange(self, i: int, trustees: tuple[int, ...]) -> mpz:
        """w_i of the set U (eq. 85); U holds distinct indices below q."""
        w = mpz(1)
        for other in trustees:
            if other != i:
                w = w * other * invert(mpz(other - i) % self.q, self.q) % self.q
        return w


@dataclass(frozen=True, slots=True)
class Weights:
    """The Lagrange coefficients w_i of a set U as n_i / d: small numbers, some negative.

    The product of M_i^w_i (86) is that of M_i^n_i to the power of `root`, 1/d mod q: one
    long exponent for all trustees instead of one for each.
    """

    numerators: dict[int, int]
    root: mpz

    @classmethod
    def of(cls, trustees: tuple[int, ...], q: mpz) -> Weights:
        """Return the weights of distinct indices below q."""
        above = {i: prod(x for x in trustees if x != i) for i in trustees}
        below = {i: prod(x - i for x in trustees if x != i) for i in trustees}
        common = lcm(*below.values())
        numerators = {i: above[i] * common // below[i] for i in trustees}
        if max((abs(n).bit_length() for n in numerators.values()), default=0) > q.bit_length() // 2:
            # Of many trustees they are no longer small.
            inverse = {i: int(invert(mpz(x) % q, q)) for i, x in below.items()}
            return cls({i: int(above[i] * inverse[i] % q) for i in trustees}, mpz(1))
        return cls(numerators, invert(mpz(common) % q, q))


@lru_cache(maxsize=4)
def group_for(parameters: Parameters) -> Group:
    """Return the one Group of these parameters, so that its table is made once."""
    return Group(parameters)
