"""Many powers at once: products of powers, and several powers of one base.

Everything here is public, so nothing is said about timing. All of it is exact: whoever
calls gets what single powers would give, only sooner.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from gmpy2 import jacobi, mpz

Digits = list[tuple[int, int]]
"""An exponent as odd digits: (position of the digit's lowest bit, digit)."""

_WINDOW = 4
"""Bits of a digit: 256-bit exponents have about 51 such digits, of 8 values."""
_ODD = 1 << (_WINDOW - 1)


def digits(exponent: int) -> Digits:
    """Write an exponent as the sum of digit * 2^position, with odd digits below 16."""
    found: Digits = []
    position = 0
    while exponent:
        zeros = (exponent & -exponent).bit_length() - 1
        exponent >>= zeros
        position += zeros
        found.append((position, exponent & ((1 << _WINDOW) - 1)))
        exponent >>= _WINDOW
        position += _WINDOW
    return found


class Chain:
    """One base and its repeated squares, which all of its powers share.

    `squares[i]` is base^(2^i) mod p for i up to `bits`. A further power costs 67
    multiplications where a power alone costs 330.
    """

    def __init__(self, base: mpz, p: mpz, bits: int) -> None:
        """Square a base as often as exponents of so many bits need."""
        self.base = base
        self._p = p
        self._bits = bits
        squares = [base]
        for _ in range(bits):
            base = base * base % p
            squares.append(base)
        self.squares = squares

    def power(self, exponent: Digits) -> mpz:
        """base to an exponent below 2^bits, by what each digit is multiplied with (Yao)."""
        p, squares = self._p, self.squares
        rows: list[mpz | None] = [None] * _ODD
        for position, digit in exponent:
            row = rows[digit >> 1]
            square = squares[position]
            rows[digit >> 1] = square if row is None else row * square % p
        # The product of rows[k]^(2k+1): `tail` is that of rows[k:], `twice` of all tails but
        # the last, each of which is to be counted twice.
        tail, twice = mpz(1), mpz(1)
        for row in rows[:0:-1]:
            if row is not None:
                tail = tail * row % p
            twice = twice * tail % p
        first = rows[0]
        if first is not None:
            tail = tail * first % p
        return twice * twice % p * tail % p

    def has_order(self, q: mpz) -> bool:
        """Whether base^q = 1, for q of `bits` bits.

        As base^(2^bits) = base^(2^bits - q): the left is there, and where q is just below
        a power of two, as in every known set, the right is a handful of multiplications.
        """
        rest, right = (1 << self._bits) - int(q), mpz(1)
        for position in range(rest.bit_length()):
            if rest >> position & 1:
                right = right * self.squares[position] % self._p
        return self.squares[self._bits] == right


# --- products of powers -----------------------------------------------------------------


def interleaved(bases: Sequence[mpz], exponents: Sequence[int], p: mpz) -> mpz:
    """The product of bases[i]^exponents[i], with one row of squarings for all (Straus)."""
    schedule: dict[int, list[mpz]] = {}
    for base, exponent in zip(bases, exponents, strict=True):
        square = base * base % p
        odd = [base]
        for _ in range(_ODD - 1):
            odd.append(odd[-1] * square % p)
        for position, digit in digits(exponent):
            schedule.setdefault(position, []).append(odd[digit >> 1])
    result = mpz(1)
    for position in range(max(schedule, default=-1), -1, -1):
        result = result * result % p
        for factor in schedule.get(position, ()):
            result = result * factor % p
    return result


def bit_products(
    bases: Sequence[mpz], exponents: Sequence[int], bits: int, window: int, p: mpz
) -> list[mpz]:
    """For each bit t, lowest first, the product of the bases whose exponent has bit t.

    By buckets (Pippenger): a base is multiplied into the bucket of its digit, once for
    every window of bits. A window's buckets are then folded in half, from the top: the
    upper half is what has the highest bit, and joins the lower half for the other bits.
    """
    products: list[mpz] = []
    mask = (1 << window) - 1
    for shift in range(0, bits, window):
        buckets: list[mpz | None] = [None] * (mask + 1)
        for base, exponent in zip(bases, exponents, strict=True):
            digit = (exponent >> shift) & mask
            if digit:
                held = buckets[digit]
                buckets[digit] = base if held is None else held * base % p
        products += _fold(buckets, window, p)
    return products[:bits]


def _fold(buckets: list[mpz | None], window: int, p: mpz) -> list[mpz]:
    found = []
    for bit in reversed(range(window)):
        half = 1 << bit
        product = mpz(1)
        for i in range(half, 2 * half):
            upper = buckets[i]
            if upper is not None:
                product = product * upper % p
                lower = buckets[i - half]
                buckets[i - half] = upper if lower is None else lower * upper % p
        found.append(product)
    return found[::-1]


def from_bits(products: Sequence[mpz], p: mpz) -> mpz:
    """The product of products[t]^(2^t)."""
    result = mpz(1)
    for product in reversed(products):
        result = result * result % p * product % p
    return result


def multiplications(count: int, bits: int, window: int) -> float:
    """Those of a product of so many powers, by buckets; interleaved, if the window is 0."""
    if not window:  # a table, and a digit in every five bits
        return bits + count * (_ODD + bits / (_WINDOW + 1))
    return -(-bits // window) * (count * (1 - 0.5**window) + (2 << window)) + 5 * bits


def best_window(count: int, bits: int) -> int:
    """The bits of a window with the fewest multiplications; 0 where interleaving has fewer."""
    # Interleaved, each base has its Jacobi symbol computed, which takes as long as three.
    best, fewest = 0, multiplications(count, bits, 0) + 3 * count
    fewest = fewest if count < 2000 else inf  # its tables take room
    for window in range(2, 15):
        cost = multiplications(count, bits, window)
        if cost < fewest:
            best, fewest = window, cost
    return best


def square_product(bases: Sequence[mpz], exponents: Sequence[int], bits: int, p: mpz) -> mpz | None:
    """The product of bases[i]^exponents[i]; None if a base is found to be no square mod p.

    Whoever chose the bases must not have known the exponents. A base that is no square has
    the Jacobi symbol -1. Of few bases every symbol is computed. Of many, those of the bit
    products: they are all 1 only if the exponents of all non-squares add up to 0, bit by
    bit mod 2. `docs/verification.md`, "Batches", says how rarely that happens.
    """
    window = best_window(len(bases), bits)
    if not window:
        if any(jacobi(base, p) != 1 for base in bases):
            return None
        return interleaved(bases, exponents, p)
    products = bit_products(bases, exponents, bits, window, p)
    # Of fewer bases than bits it is cheaper to look at each.
    suspects = products if len(products) < len(bases) else bases
    if any(jacobi(x, p) != 1 for x in suspects):
        return None
    return from_bits(products, p)
