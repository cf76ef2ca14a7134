"""A tree as its tiles tell it: roots and proofs from a few tiles instead of all leaves.

The tiles come from whoever serves them. So nothing computed here means anything until it
led to the root of a verified checkpoint: `root()` compared with it, or a proof verified.
"""

from __future__ import annotations

from collections.abc import Callable

from record.merkle import EMPTY_ROOT, node_hash, root_of
from record.tiles import WIDTH, Tile, parse_tile

ReadTile = Callable[[Tile], bytes]
"""The bytes of a tile, of exactly its width."""

_BITS = 8  # 2^8 hashes in a tile
_MAX_KEPT = 64


class TileTree:
    """The tree of `size` leaves, read through `read`; keeps the last tiles it has read."""

    def __init__(self, size: int, read: ReadTile) -> None:
        self.size = size
        self._read = read
        self._kept: dict[Tile, tuple[bytes, ...]] = {}

    def root(self) -> bytes:
        """The root, from the partial tiles at the right edge: at most eight of them."""
        return self.root_at(self.size)

    def root_at(self, size: int) -> bytes:
        """The root of the first `size` leaves. Raises ValueError if there are fewer."""
        if not 0 <= size <= self.size:
            raise ValueError(f"no {size} leaves in a tree of {self.size}")
        return self._range(0, size) if size else EMPTY_ROOT

    def leaf(self, index: int) -> bytes:
        """The hash of leaf `index`, from 0. Raises ValueError if there is none."""
        self._check_leaf(index)
        return self._range(index, index + 1)

    def inclusion_proof(self, index: int) -> tuple[bytes, ...]:
        """The audit path of leaf `index`, from the leaf upwards (RFC 6962, 2.1.1)."""
        self._check_leaf(index)
        path, _ = self._descend(index + 1, lambda start, end: end - start == 1)
        return tuple(reversed(path))

    def consistency_proof(self, old_size: int) -> tuple[bytes, ...]:
        """That the first `old_size` leaves, 1 to all, grew into this tree (RFC 6962, 2.1.2)."""
        if not 1 <= old_size <= self.size:
            raise ValueError(f"a tree of {self.size} cannot have grown from one of {old_size}")
        path, start = self._descend(old_size, lambda _, end: end == old_size)
        # Whoever checks the proof knows the old root; a part of it has to be given.
        if start > 0:
            path.append(self._range(start, old_size))
        return tuple(reversed(path))

    def _descend(self, goal: int, arrived: Callable[[int, int], bool]) -> tuple[list[bytes], int]:
        """The siblings on the way down to a subtree that ends at `goal`, and where it starts."""
        path: list[bytes] = []
        start, end = 0, self.size
        while not arrived(start, end):
            middle = start + _split(end - start)
            if goal <= middle:
                path.append(self._range(middle, end))
                end = middle
            else:
                path.append(self._range(start, middle))
                start = middle
        return path, start

    def _check_leaf(self, index: int) -> None:
        if not 0 <= index < self.size:
            raise ValueError(f"no leaf {index} in a tree of {self.size}")

    def _range(self, start: int, end: int) -> bytes:
        """The root of the leaves from `start` up to `end`, a subtree of some tree."""
        count = end - start
        if count & (count - 1) == 0:
            return self._complete(start, count.bit_length() - 1)
        middle = start + _split(count)
        return node_hash(self._range(start, middle), self._range(middle, end))

    def _complete(self, start: int, height: int) -> bytes:
        """The root of the complete subtree of 2^height leaves at `start`, a multiple of that."""
        level, rest = divmod(height, _BITS)
        first = start >> _BITS * level
        hashes = self._tile(level, first // WIDTH)
        offset = first % WIDTH
        return root_of(hashes[offset : offset + (1 << rest)])

    def _tile(self, level: int, index: int) -> tuple[bytes, ...]:
        tile = Tile(level, index, min(WIDTH, (self.size >> _BITS * level) - index * WIDTH))
        if tile not in self._kept:
            if len(self._kept) >= _MAX_KEPT:
                self._kept.clear()
            self._kept[tile] = parse_tile(self._read(tile), tile.width, tile.path)
        return self._kept[tile]


def _split(count: int) -> int:
    """The largest power of two below `count`, which is at least 2."""
    return 1 << (count - 1).bit_length() - 1
