"""Arithmetic mod p, and tables for the two bases that every proof uses."""

from __future__ import annotations

from functools import lru_cache

from gmpy2 import invert, mpz, powmod

from verifier.parameters import Parameters

Integer = int | mpz


class FixedBase:
    """Powers of one base from a table with a row for every byte of the exponent.

    For 4096-bit p that is 32 rows of 256 elements, 4.5 MB and 30 ms to make; a power
    then costs a tenth of a powmod. Exponents here are public, so nothing is said
    about timing.
    """

    def __init__(self, base: Integer, p: Integer, width: int) -> None:
        """Make the table for exponents of `width` bytes."""
        self._p = mpz(p)
        self._rows: list[list[mpz]] = []
        step = mpz(base) % self._p
        for _ in range(width):
            row = [mpz(1)]
            for _ in range(255):
                row.append(row[-1] * step % self._p)
            self._rows.append(row)
            step = row[-1] * step % self._p

    def power(self, exponent: Integer) -> mpz:
        """base^exponent mod p for 0 <= exponent < 256^width."""
        result = mpz(1)
        digits = int(exponent).to_bytes(len(self._rows), "little")
        for row, digit in zip(self._rows, digits, strict=True):
            if digit:
                result = result * row[digit] % self._p
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

    def table(self, base: Integer) -> FixedBase:
        """Make a table for exponents below q."""
        return FixedBase(base, self.p, self.scalar_width)

    def g_power(self, exponent: Integer) -> mpz:
        """g^exponent for 0 <= exponent < q."""
        if self._g_table is None:
            self._g_table = self.table(self.g)
        return self._g_table.power(exponent)

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


@lru_cache(maxsize=4)
def group_for(parameters: Parameters) -> Group:
    """Return the one Group of these parameters, so that its table is made once."""
    return Group(parameters)
