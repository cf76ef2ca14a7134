"""Products of many powers, in far fewer multiplications than one power after the other.

After Bos and Coster: with a >= b the two greatest exponents, x^a y^b = x^(a - b) (x y)^b.
One multiplication so takes the greatest exponent down by about the logarithm of how many
there are. Of the ways to do this in Python it is the fastest from ten to ten thousand
selections of a ballot: against interleaved windows (Straus) below that, and against
buckets (Pippenger), which draw level at some thirty thousand elements.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappushpop

from gmpy2 import mpz, powmod

from crypto.group import Group

_FAR = 4  # a quotient of exponents from which a power is cheaper than subtracting again


def multi_power(group: Group, terms: Iterable[tuple[mpz, int | mpz]]) -> mpz:
    """The product of x^e mod p for every (x, e); public exponents, none below 0."""
    p, wanted = group.p, [(x, int(e)) for x, e in terms if e]
    if not wanted:
        return mpz(1)
    values = [x for x, _ in wanted]
    # An entry of the heap is an exponent with its place behind it, as one number below 0.
    width = len(values).bit_length()
    mask = (1 << width) - 1
    heap = [-(e << width | i) for i, (_, e) in enumerate(wanted)]
    heapify(heap)
    greatest = -heappop(heap)
    while heap:
        a, i = greatest >> width, greatest & mask
        second = -heap[0]
        b, j = second >> width, second & mask
        if a < _FAR * b:
            values[j] = values[j] * values[i] % p
            a -= b
        else:
            quotient, a = divmod(a, b)
            values[j] = values[j] * powmod(values[i], quotient, p) % p
        greatest = -heappushpop(heap, -(a << width | i)) if a else -heappop(heap)
    return powmod(values[greatest & mask], greatest >> width, p)
