"""Small discrete logarithms, by Shanks' baby steps and giant steps (spec 3.6.2)."""

from __future__ import annotations

from math import isqrt
from threading import Lock

from gmpy2 import mpz

from crypto.errors import InvalidProof
from crypto.group import Group

_KEY_MASK = 2**128 - 1


class DiscreteLog:
    """Finds t in K^t for t up to a bound, with about 2 sqrt(bound) multiplications.

    The table of baby steps K^0, K^1, .. grows with the largest bound asked for
    and serves every call after; for a bound of 10^8 it has 10,001 entries, about
    1 MB. It is keyed by the lowest 128 bits of an element; a hit is only taken
    after comparing the whole. One object may be used from several threads.
    """

    def __init__(self, group: Group, base: mpz) -> None:
        self._group = group
        self._base = base
        self._steps: dict[int, int] = {}
        self._size = 0
        self._next = mpz(1)  # base^size
        self._lock = Lock()

    def find(self, element: mpz, bound: int) -> int:
        """The smallest t with 0 <= t <= bound and base^t = `element`.

        Raises `InvalidProof` if there is none. Not for secrets: the time taken
        tells the result.
        """
        if bound < 0:
            raise ValueError("the bound is negative")
        group = self._group
        size, stride = self._grow(isqrt(bound) + 1)
        current = element
        for start in range(0, bound + 1, size):
            offset = self._steps.get(int(current & _KEY_MASK))
            if offset is not None and start + offset <= bound:
                t = start + offset
                if group.power(self._base, t) == element:
                    return t
            current = current * stride % group.p
        raise InvalidProof(f"the element is no power of the base up to {bound}")

    def _grow(self, size: int) -> tuple[int, mpz]:
        """Have at least `size` baby steps; return their number and base^-number."""
        p = self._group.p
        with self._lock:
            while self._size < size:
                # In a toy group the powers come round: the first one stays.
                self._steps.setdefault(int(self._next & _KEY_MASK), self._size)
                self._next = self._next * self._base % p
                self._size += 1
            return self._size, self._group.inverse(self._next)
