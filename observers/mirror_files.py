"""Which files a mirror needs for a checkpoint, and that each is right before it is kept.

Hash tiles come from the top: the partial ones at the right edge lead to the root, and
each full tile is known by the hash above it. Entry bundles are held against their leaf
hashes, artifacts against their entries. Hints are copied as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeVar

from crypto.errors import Rejected, SailauError
from observers.artifact_files import CHECK as ENTRY_CHECK
from observers.artifact_files import copy_artifacts
from observers.errors import NotThere
from observers.heads import TREE_CHECK, Head, check_tiles
from observers.hint_files import copy_hints
from observers.source import DirectorySource, Source
from record.merkle import leaf_hash, root_of
from record.tile_tree import TileTree
from record.tiles import WIDTH, Bundle, Tile, format_bundle, parse_bundle, parse_tile, tiles_of
from storage.files import replacing, sync_directory

Progress = Callable[[int, int], None]
"""Told how many files are done, of how many."""

_MAX_BUNDLE = WIDTH * (2 + 65_535)
_BATCH = 64

T = TypeVar("T")


class MirrorFiles:
    """The tiles, bundles and artifacts of one mirror. `trusted`: entries whose artifacts
    were copied, and hashed, in earlier runs."""

    def __init__(
        self, source: Source, root: Path, artifacts: bool, jobs: int, progress: Progress | None
    ) -> None:
        self.trusted = 0
        self._source, self._local, self._root = source, DirectorySource(root), root
        self._artifacts, self._jobs = artifacts, jobs
        self._progress = progress or (lambda done, total: None)
        self._verified = 0  # leaves of which everything was verified by this object
        self._directories: set[Path] = set()
        self._done = self._total = 0

    def update(self, head: Head) -> None:
        """Fetch and check what is missing for this checkpoint, and have it on the disk.

        Raises Misbehaviour or Rejected (R.tile, R.entry), Malformed, Unreachable, OSError.
        """
        edge = [tile for tile in tiles_of(head.size) if tile.width < WIDTH]
        full = self._full_tiles(head.size)
        first, last = self._verified // WIDTH, -(-head.size // WIDTH)
        bundles = [Bundle(i, min(WIDTH, head.size - i * WIDTH)) for i in range(first, last)]
        self._done, self._total = 0, sum(map(len, full)) + len(bundles)
        if self._verified < head.size:
            self._edge(head, edge)
            for tiles in full:
                self._each(tiles, lambda tile: self._tile(tile, head.size))
            self._each(bundles, self._bundle)
        self._sync()
        self._verified = self.trusted = head.size

    def _full_tiles(self, size: int) -> list[list[Tile]]:
        """The full tiles that are not verified yet, a list a level, from the top down."""
        levels: list[list[Tile]] = []
        level = 0
        while count := size >> 8 * (level + 1):
            known = self._verified >> 8 * (level + 1)
            levels.append([Tile(level, index) for index in range(known, count)])
            level += 1
        return levels[::-1]

    def _edge(self, head: Head, edge: list[Tile]) -> None:
        """The partial tiles: they are right together, if they lead to the root."""
        found = {tile: self._held(tile) for tile in edge}
        missing = [tile for tile in edge if found[tile] is None]
        if not missing and self._leads(head, found):
            return
        found = {tile: self._source.read_tile(tile) for tile in edge}
        check_tiles(head, TileTree(head.size, lambda tile: found[tile] or b""))
        for tile, data in found.items():
            self._write(tile.path, data or b"")

    def _leads(self, head: Head, found: dict[Tile, bytes | None]) -> bool:
        return TileTree(head.size, lambda tile: found[tile] or b"").root() == head.checkpoint.root

    def _held(self, tile: Tile) -> bytes | None:
        try:
            data = self._local.read(tile.path, WIDTH * 32)
            parse_tile(data, tile.width, tile.path)
        except SailauError:
            return None
        return data

    def _tile(self, tile: Tile, size: int) -> None:
        """A full tile: the one whose root stands in the tile above it."""
        above = Tile(tile.level + 1, tile.index // WIDTH)
        width = min(WIDTH, (size >> 8 * above.level) - above.index * WIDTH)
        above = Tile(above.level, above.index, width)
        hashes = parse_tile(self._local.read(above.path, WIDTH * 32), width, above.path)
        expected = hashes[tile.index % WIDTH]
        data = self._held(tile)
        if data is not None and root_of(parse_tile(data, WIDTH, tile.path)) == expected:
            return
        data = self._source.read_tile(tile)
        if root_of(parse_tile(data, WIDTH, tile.path)) != expected:
            problem = "the tile's root is not the hash in the tile above it"
            raise Rejected(TREE_CHECK, problem, where=tile.path)
        self._write(tile.path, data)

    def _bundle(self, bundle: Bundle) -> None:
        tile = Tile(0, bundle.index, bundle.width)
        leaves = parse_tile(self._local.read(tile.path, WIDTH * 32), tile.width, tile.path)
        try:
            data = self._local.read(bundle.entries_path, _MAX_BUNDLE)
            entries = _check_entries(data, bundle, leaves)
        except SailauError:
            data = self._fetch_bundle(bundle)
            entries = _check_entries(data, bundle, leaves)
            self._write(bundle.entries_path, data)
        if self._artifacts and not self._has_artifacts(bundle):
            copy_artifacts(self._source, self._local, self._root, bundle, entries)
            self._directories.add((self._root / bundle.artifacts_path).parent)
            if copy_hints(self._source, self._local, self._root, bundle):
                self._directories.add((self._root / bundle.hints_path).parent)

    def _fetch_bundle(self, bundle: Bundle) -> bytes:
        """The bundle; a partial one that is gone is cut from the full one."""
        try:
            return self._source.read(bundle.entries_path, _MAX_BUNDLE)
        except NotThere:
            if bundle.width == WIDTH:
                raise
            full = Bundle(bundle.index)
            data = self._source.read(full.entries_path, _MAX_BUNDLE)
            entries = parse_bundle(data, WIDTH, full.entries_path)
            return format_bundle(entries[: bundle.width])

    def _has_artifacts(self, bundle: Bundle) -> bool:
        covered = bundle.index * WIDTH + bundle.width <= self.trusted
        return covered and (self._root / bundle.artifacts_path).is_file()

    def _write(self, path: str, data: bytes) -> None:
        place = self._root / path
        with replacing(place) as file:
            file.write(data)
        self._directories.add(place.parent)

    def _sync(self) -> None:
        for directory in self._directories:
            sync_directory(directory)
        self._directories.clear()

    def _each(self, items: Iterable[T], do: Callable[[T], None]) -> None:
        """Do it for all, some at a time; the first error ends it."""
        with ThreadPoolExecutor(self._jobs) as pool:
            try:
                for batch in _batches(items):
                    for _ in pool.map(do, batch):
                        self._done += 1
                        self._progress(self._done, self._total)
            except BaseException:
                # Who interrupts does not wait for what has not begun.
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _check_entries(data: bytes, bundle: Bundle, leaves: tuple[bytes, ...]) -> tuple[bytes, ...]:
    entries = parse_bundle(data, bundle.width, bundle.entries_path)
    for number, (entry, leaf) in enumerate(zip(entries, leaves, strict=True)):
        if leaf_hash(entry) != leaf:
            where = f"{bundle.entries_path}, entry {bundle.index * WIDTH + number}"
            raise Rejected(ENTRY_CHECK, "the entry does not hash to its leaf", where=where)
    return entries


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while batch := list(islice(rest, _BATCH)):
        yield batch
