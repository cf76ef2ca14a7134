"""Tiles: the log's tree and entries as static files (C2SP tlog-tiles).

Level 0 holds the leaf hashes, level L+1 the roots of the full tiles of level L,
256 to a tile. Which tiles there are depends only on the size of the tree:
`tiles_of` and `bundles_of` list them, `TileBuilder` makes them from a stream of
leaf hashes and keeps no more than one partial tile a level.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from crypto.errors import Malformed
from record.merkle import HASH_BYTES, root_of

WIDTH = 256
"""Hashes in a full tile, entries in a full bundle, artifacts in a full file."""

_LENGTH_BYTES = 2


@dataclass(frozen=True, slots=True)
class Tile:
    """Where a tile stands: level from 0, index in its level, width 1..256."""

    level: int
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Below the root of the published directory, with forward slashes."""
        return f"tile/{self.level}/{index_path(self.index)}{_suffix(self.width)}"


@dataclass(frozen=True, slots=True)
class Bundle:
    """Where up to 256 entries and their artifacts stand: index, width 1..256."""

    index: int
    width: int = WIDTH

    @property
    def entries_path(self) -> str:
        """The entry bundle; a partial one has its width in its path."""
        return f"tile/entries/{index_path(self.index)}{_suffix(self.width)}"

    @property
    def artifacts_path(self) -> str:
        """The artifacts, a file that grows under one name."""
        return f"artifacts/{index_path(self.index)}"

    @property
    def hints_path(self) -> str:
        """What may stand beside the artifacts (docs/record.md, "Hints"), and may be missing."""
        return f"hints/{index_path(self.index)}"


def index_path(index: int) -> str:
    """1234067 as `x001/x234/067`. Raises ValueError if negative."""
    if index < 0:
        raise ValueError("an index is not negative")
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    return "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])


def tiles_of(size: int) -> Iterator[Tile]:
    """The tiles of a tree of `size` leaves, by level; full ones, then the partial one."""
    level, hashes = 0, size
    while hashes:
        full, rest = divmod(hashes, WIDTH)
        yield from (Tile(level, index) for index in range(full))
        if rest:
            yield Tile(level, full, rest)
        level, hashes = level + 1, full


def bundles_of(size: int) -> Iterator[Bundle]:
    """The entry bundles of a log of `size` entries; the last may be partial."""
    full, rest = divmod(size, WIDTH)
    yield from (Bundle(index) for index in range(full))
    if rest:
        yield Bundle(full, rest)


class TileBuilder:
    """Turns leaf hashes into tiles while they stream by."""

    __slots__ = ("_levels",)

    def __init__(self) -> None:
        # A level: how many tiles it has completed, and the hashes since then.
        self._levels: list[tuple[int, list[bytes]]] = []

    def append(self, leaf: bytes) -> tuple[tuple[Tile, bytes], ...]:
        """Takes the next leaf hash; the tiles it completes, from level 0 upwards."""
        completed: list[tuple[Tile, bytes]] = []
        node, level = leaf, 0
        while True:
            if level == len(self._levels):
                self._levels.append((0, []))
            index, hashes = self._levels[level]
            hashes.append(node)
            if len(hashes) < WIDTH:
                return tuple(completed)
            completed.append((Tile(level, index), b"".join(hashes)))
            self._levels[level] = (index + 1, [])
            node, level = root_of(hashes), level + 1

    def partial(self) -> tuple[tuple[Tile, bytes], ...]:
        """The partial tiles of the leaves so far, from level 0 upwards."""
        return tuple(
            (Tile(level, index, len(hashes)), b"".join(hashes))
            for level, (index, hashes) in enumerate(self._levels)
            if hashes
        )


def parse_tile(data: bytes, width: int, field: str) -> tuple[bytes, ...]:
    """The `width` hashes of a tile; raises Malformed."""
    if len(data) != width * HASH_BYTES:
        raise Malformed(field, f"has {len(data)} bytes instead of {width * HASH_BYTES}")
    return tuple(data[i : i + HASH_BYTES] for i in range(0, len(data), HASH_BYTES))


def format_bundle(entries: tuple[bytes, ...] | list[bytes]) -> bytes:
    """Entries, each with its length in 2 bytes in front. ValueError if one is too long."""
    for entry in entries:
        if len(entry) >= 1 << 8 * _LENGTH_BYTES:
            raise ValueError("an entry has at most 65,535 bytes")
    return b"".join(len(entry).to_bytes(_LENGTH_BYTES, "big") + entry for entry in entries)


def parse_bundle(data: bytes, width: int, field: str) -> tuple[bytes, ...]:
    """The `width` entries of a bundle; raises Malformed if it has more, fewer or a part."""
    entries: list[bytes] = []
    start = 0
    while start < len(data) and len(entries) < width:
        head = data[start : start + _LENGTH_BYTES]
        start += _LENGTH_BYTES
        end = start + int.from_bytes(head, "big")
        if len(head) < _LENGTH_BYTES or end > len(data):
            raise Malformed(field, f"breaks off in entry {len(entries)}")
        entries.append(data[start:end])
        start = end
    if len(entries) != width or start != len(data):
        raise Malformed(field, f"does not hold {width} entries, as its place says")
    return tuple(entries)


def _suffix(width: int) -> str:
    if not 1 <= width <= WIDTH:
        raise ValueError(f"a width is 1..{WIDTH}")
    return "" if width == WIDTH else f".p/{width}"
