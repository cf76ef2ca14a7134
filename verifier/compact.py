"""A map from digests to small integers that costs about 50 bytes an item.

Uniqueness is the one thing that needs memory for every ballot, so it is kept small:
an open-addressed table in two flat arrays. Keys pass through BLAKE2b under a random
key, so that nobody can prepare a record whose keys collide.
"""

from __future__ import annotations

import hashlib
import secrets
from array import array

_KEY_WIDTH = 16
_LOAD = 0.6


class DigestMap:
    """Maps byte strings to integers 0 <= value < 2^63; a key keeps its first value."""

    def __init__(self) -> None:
        """Start empty, under a fresh key."""
        self._secret = secrets.token_bytes(16)
        self._count = 0
        self._allocate(1024)

    def _allocate(self, slots: int) -> None:
        self._slots = slots
        self._keys = bytearray(slots * _KEY_WIDTH)
        # 0 marks an empty slot: a value is stored plus one.
        self._values = array("Q", bytes(8 * slots))

    def __len__(self) -> int:
        """How many keys are in it."""
        return self._count

    def _find(self, digest: bytes) -> int:
        slot = int.from_bytes(digest[:8], "little") & (self._slots - 1)
        while self._values[slot]:
            if self._keys[slot * _KEY_WIDTH : (slot + 1) * _KEY_WIDTH] == digest:
                break
            slot = (slot + 1) & (self._slots - 1)
        return slot

    def _digest(self, key: bytes) -> bytes:
        return hashlib.blake2b(key, key=self._secret, digest_size=_KEY_WIDTH).digest()

    def get(self, key: bytes) -> int | None:
        """Return the value of a key, or None."""
        stored = self._values[self._find(self._digest(key))]
        return stored - 1 if stored else None

    def add(self, key: bytes, value: int) -> int | None:
        """Store a new key and return None; for a known key return the value it has."""
        digest = self._digest(key)
        slot = self._find(digest)
        if self._values[slot]:
            return self._values[slot] - 1
        self._put(slot, digest, value + 1)
        self._count += 1
        if self._count > self._slots * _LOAD:
            self._grow()
        return None

    def _put(self, slot: int, digest: bytes, stored: int) -> None:
        self._keys[slot * _KEY_WIDTH : (slot + 1) * _KEY_WIDTH] = digest
        self._values[slot] = stored

    def _grow(self) -> None:
        keys, values = self._keys, self._values
        self._allocate(self._slots * 2)
        for old, stored in enumerate(values):
            if stored:
                digest = bytes(keys[old * _KEY_WIDTH : (old + 1) * _KEY_WIDTH])
                self._put(self._find(digest), digest, stored)
