"""The hashes of the log in memory: from them come its proofs.

32 bytes an artifact and 1/255 more: all that the level-0 tiles hold, and those above.
Hashes are only ever appended, so that a proof for any size that once was can be read
while the log grows.
"""

from __future__ import annotations

from crypto.errors import Malformed
from record.entry import entry_for
from record.merkle import HASH_BYTES, leaf_hash, root_of
from record.tile_tree import TileTree
from record.tiles import WIDTH, Tile, parse_tile

_TILE = WIDTH * HASH_BYTES


class Leaves:
    """The tree of a log. One writer at a time; readers do not mind it."""

    def __init__(self) -> None:
        self._levels: list[bytearray] = [bytearray()]

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return len(self._levels[0]) // HASH_BYTES

    def append(self, artifact: bytes) -> None:
        """Take the next artifact's leaf."""
        node, level = leaf_hash(entry_for(artifact)), 0
        while True:
            hashes = self._levels[level]
            hashes += node
            if len(hashes) % _TILE:
                return
            node = root_of(parse_tile(bytes(hashes[-_TILE:]), WIDTH, "leaves"))
            level += 1
            if level == len(self._levels):
                self._levels.append(bytearray())

    def holds(self, index: int, artifact: bytes) -> bool:
        """Whether these bytes are artifact `index`, as far as that is known here.

        Of one beyond the last leaf nothing is known.
        """
        if index >= self.size:
            return True
        start = index * HASH_BYTES
        try:
            node = leaf_hash(entry_for(artifact))
        except Malformed:
            return False
        return node == self._levels[0][start : start + HASH_BYTES]

    def tree(self, size: int) -> TileTree:
        """The tree of the first `size` artifacts. Raises ValueError if there are fewer."""
        if not 0 <= size <= self.size:
            raise ValueError(f"no {size} artifacts in a log of {self.size}")
        return TileTree(size, self._tile)

    def _tile(self, tile: Tile) -> bytes:
        start = tile.index * _TILE
        return bytes(self._levels[tile.level][start : start + tile.width * HASH_BYTES])
