"""The Merkle tree of the log (RFC 6962 over SHA-256) and the names of its tiles."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

TILE_WIDTH = 256


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(00 || data)."""
    return hashlib.sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(01 || left || right)."""
    return hashlib.sha256(b"\1" + left + right).digest()


class Frontier:
    """The root of a growing list of equal subtrees, in memory logarithmic in its length."""

    def __init__(self) -> None:
        """Start with no leaf."""
        self._stack: list[tuple[int, bytes]] = []
        self.size = 0

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        height = 0
        while self._stack and self._stack[-1][0] == height:
            leaf = node_hash(self._stack.pop()[1], leaf)
            height += 1
        self._stack.append((height, leaf))
        self.size += 1

    def root(self) -> bytes:
        """Return the tree's root; of no leaf at all, SHA-256 of nothing."""
        if not self._stack:
            return hashlib.sha256(b"").digest()
        root = self._stack[-1][1]
        for _, left in reversed(self._stack[:-1]):
            root = node_hash(left, root)
        return root


def tile_name(number: int) -> str:
    """Write a tile's number in groups of three digits: 1234067 is x001/x234/067."""
    digits = str(number)
    digits = digits.zfill((len(digits) + 2) // 3 * 3)
    groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    return "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])


def tile_path(level: int | str, number: int, width: int) -> str:
    """`tile/<L>/<N>` of a full tile, with `.p/<W>` of a partial one."""
    suffix = "" if width == TILE_WIDTH else f".p/{width}"
    return f"tile/{level}/{tile_name(number)}{suffix}"


class Tiles:
    """The tiles of a growing tree: hands each out when it is full, the rest at the end."""

    def __init__(self) -> None:
        """Start with an empty tree."""
        self._levels: list[list[bytes]] = []
        self._numbers: list[int] = []

    def append(self, leaf: bytes) -> Iterator[tuple[int, int, list[bytes]]]:
        """Add one leaf hash; yield (level, number, hashes) of each tile it completes."""
        level, digest = 0, leaf
        while True:
            if level == len(self._levels):
                self._levels.append([])
                self._numbers.append(0)
            row = self._levels[level]
            row.append(digest)
            if len(row) < TILE_WIDTH:
                return
            yield level, self._numbers[level], list(row)
            tree = Frontier()
            for item in row:
                tree.append(item)
            digest = tree.root()
            row.clear()
            self._numbers[level] += 1
            level += 1

    def partial(self) -> Iterator[tuple[int, int, list[bytes]]]:
        """Yield (level, number, hashes) of each tile that is not full, never an empty one."""
        for level, row in enumerate(self._levels):
            if row:
                yield level, self._numbers[level], list(row)
