"""The record's log: artifacts file by file, and the tree that commits to them.

`Log.survey` reads every artifact once; `Log.again` reads a stretch of them a second
time and `Log.at` a single one. A second reading that differs from the first raises
`Changed`: what was checked must be what was counted.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator

from verifier.archive import Archive, FileDamaged, FileMissing, Stream, read_file
from verifier.compact import DigestMap
from verifier.findings import Findings, Place
from verifier.frames import Frames, Item, kind_of_entry, split_bundle
from verifier.hashing import HASH_WIDTH
from verifier.merkle import TILE_WIDTH, Frontier, Tiles, leaf_hash, tile_name, tile_path
from verifier.schema import pb
from verifier.wire import MAX_ARTIFACT

_MAX_BUNDLE = TILE_WIDTH * 130
_CHUNK = 1 << 20
_PUBLISHER = "publisher"


class Changed(Exception):
    """A file of the record changed while it was being verified."""


def _read_to_the_end(stream: Stream) -> None:
    """Read what the checkpoint does not cover, as far as artifacts could go.

    Only at its end does a .zip say that a file is damaged. That has to be now: when the
    file is read again it would look as if it had changed.
    """
    for _ in range(TILE_WIDTH * (MAX_ARTIFACT // _CHUNK)):
        if not stream.read(_CHUNK):
            return


def _artifacts_path(file: int) -> str:
    return f"artifacts/{tile_name(file)}"


class Reading:
    """Another reading of one artifact file, here or in another process."""

    def __init__(self, archive: Archive, file: int, count: int) -> None:
        """Take how many artifacts to read."""
        self._archive = archive
        self._path = _artifacts_path(file)
        self._numbers = range(file * TILE_WIDTH, file * TILE_WIDTH + count)
        self.digest = b""
        """The SHA-256 of what was read, once `items` has come to its end."""

    def items(self) -> Iterator[Item]:
        """Yield the artifacts. Raises Changed where they cannot be read this time."""
        try:
            with self._archive.open(self._path) as stream:
                frames = Frames(stream)
                for number in self._numbers:
                    data = frames.next()
                    if data is None:
                        raise Changed(f"{self._path} became shorter while it was being verified")
                    yield Item(number, data)
                self.digest = frames.digest.digest()
        except (FileMissing, FileDamaged) as error:
            raise Changed(f"{self._path} changed while it was being verified: {error}") from error


class Log:
    """The artifacts of a record, and the checks R.entry, R.tile and of the root."""

    def __init__(self, archive: Archive, findings: Findings, size: int | None) -> None:
        """Take the checkpoint's size, or None if no checkpoint could be read."""
        self._archive = archive
        self._findings = findings
        self._size = size
        self._digests: list[bytes] = []
        self._offsets = array("Q")
        self._known = DigestMap()
        self._copies: dict[int, int] = {}
        self._bundle: list[bytes] | None = None
        self._tile: bytes | None = None
        self._tiles = Tiles()
        self._frontier = Frontier()
        self._sizes: frozenset[int] = frozenset()
        self._indexes: frozenset[int] = frozenset()
        self.roots: dict[int, bytes] = {}
        """The roots of the sizes that `watch` named, as far as was read."""
        self.leaves: dict[int, bytes] = {}
        """The leaf hashes of the indices that `watch` named, as far as was read."""
        self.cut = False
        """Whether reading had to stop before the end."""

    def watch(self, sizes: frozenset[int], indexes: frozenset[int]) -> None:
        """Keep the roots of these sizes and these leaves in the first reading."""
        self._sizes, self._indexes = sizes, indexes
        if 0 in sizes:
            self.roots[0] = self._frontier.root()

    # --- the first reading ---------------------------------------------------

    def survey(self) -> Iterator[Item]:
        """Yield every artifact once. After each, `commit` must be called."""
        file = 0
        while not self.cut and (self._size is None or file * TILE_WIDTH < self._size):
            before = self._frontier.size
            yield from self._survey_file(file)
            if self._size is None and self._frontier.size - before < TILE_WIDTH:
                return
            file += 1

    def _survey_file(self, file: int) -> Iterator[Item]:
        first = file * TILE_WIDTH
        width = TILE_WIDTH if self._size is None else min(TILE_WIDTH, self._size - first)
        path = _artifacts_path(file)
        self._open_tiles(file, width)
        try:
            with self._archive.open(path) as stream:
                frames = Frames(stream)
                for number in range(first, first + width):
                    data = frames.next()
                    if data is None:
                        self._missing(number, path)
                        break
                    if frames.crooked:
                        self._fail("R.encoding", path, f"the length of artifact {number} is padded")
                    self._offsets.append(frames.start)
                    yield Item(number, data)
                self._digests.append(frames.digest.digest())
                _read_to_the_end(stream)
        except FileMissing:
            self._missing(first, path)
        except FileDamaged as error:
            self.cut = True
            self._fail("R.entry", path, str(error))

    def _missing(self, number: int, path: str) -> None:
        if self._size is not None:
            self.cut = True
            self._fail("R.entry", path, f"artifact {number} and what follows it are not there")

    def _fail(self, check: str, file: str, message: str) -> None:
        self._findings.failed(check, Place(file=file), message, _PUBLISHER)

    def _open_tiles(self, file: int, width: int) -> None:
        path = tile_path("entries", file, width)
        self._bundle, self._tile = None, None
        if self._size is None:
            return
        try:
            self._bundle = split_bundle(read_file(self._archive, path, _MAX_BUNDLE), width)
        except (FileMissing, FileDamaged, ValueError) as error:
            self._fail("R.entry", path, str(error))
        self._tile = self._read_tile(0, file, width)

    def _read_tile(self, level: int, number: int, width: int) -> bytes | None:
        path = tile_path(level, number, width)
        try:
            data = read_file(self._archive, path, TILE_WIDTH * HASH_WIDTH)
        except (FileMissing, FileDamaged) as error:
            self._fail("R.tile", path, str(error))
            return None
        if len(data) != width * HASH_WIDTH:
            self._fail("R.tile", path, f"it holds {len(data)} bytes, not {width} hashes of 32")
            return None
        return data

    # --- the tree ---------------------------------------------------------------

    def commit(self, item: Item, kind: int | None) -> int | None:
        """Check the entry of an artifact, and add its leaf to the tree.

        `kind` is the field number of its statement, None if it could not be read.
        Returns the number of an earlier artifact with the same bytes, if there is one.
        """
        sha256 = hashlib.sha256(item.data).digest()
        row = item.number % TILE_WIDTH
        published = None if self._bundle is None else self._bundle[row]
        computed = pb.Entry(kind=kind or 0, sha256=sha256, size=len(item.data))
        if kind is None and published is not None:
            computed.kind = kind_of_entry(published)
        entry = computed.SerializeToString(deterministic=True)
        if published is not None:
            self._findings.check(
                "R.entry",
                published == entry,
                Place(artifact=item.number),
                "the log's entry is not that of the artifact: its kind, SHA-256 or size differs",
                _PUBLISHER,
            )
        leaves = {leaf_hash(entry)} | ({leaf_hash(published)} if published is not None else set())
        leaf = leaf_hash(entry)
        if self._tile is not None:
            stored = self._tile[row * HASH_WIDTH : (row + 1) * HASH_WIDTH]
            message = "the leaf hash in the tile is not that of the entry"
            place = Place(artifact=item.number)
            if self._findings.check("R.tile", stored in leaves, place, message, _PUBLISHER):
                leaf = stored
        self._frontier.append(leaf)
        if item.number in self._indexes:
            self.leaves[item.number] = leaf
        if self._frontier.size in self._sizes:
            self.roots[self._frontier.size] = self._frontier.root()
        for level, number, hashes in self._tiles.append(leaf):
            self._check_tile(level, number, hashes)
        earlier = self._known.add(sha256, item.number)
        if earlier is not None and item.number in self._indexes:
            self._copies[item.number] = earlier
        return earlier

    def _check_tile(self, level: int, number: int, hashes: list[bytes]) -> None:
        if level == 0 or self._size is None:
            return
        data = self._read_tile(level, number, len(hashes))
        if data is not None:
            path = tile_path(level, number, len(hashes))
            message = "its hashes are not those of the tiles below"
            place = Place(file=path)
            self._findings.check("R.tile", data == b"".join(hashes), place, message, _PUBLISHER)

    def finish(self) -> tuple[int, bytes]:
        """Check the partial tiles; return the size and root of the tree that was read."""
        if not self.cut:
            for level, number, hashes in self._tiles.partial():
                self._check_tile(level, number, hashes)
        return self._frontier.size, self._frontier.root()

    def root(self) -> bytes:
        """Return the root of the tree as it is now, with what was committed last as its last."""
        return self._frontier.root()

    # --- reading again -------------------------------------------------------------

    @property
    def size(self) -> int:
        """How many artifacts were read."""
        return self._frontier.size

    def again(self, start: int, stop: int) -> Iterator[Item]:
        """Yield the artifacts from `start` to before `stop` a second time. Raises Changed.

        A file is compared with the first reading when its end is reached, so what was
        yielded counts only once the iterator is exhausted.
        """
        files = range(start // TILE_WIDTH, len(self._digests)) if start < stop else ()
        for file in files:
            if file * TILE_WIDTH < stop:
                yield from (x for x in self._file_again(file) if start <= x.number < stop)

    def _file_again(self, file: int) -> Iterator[Item]:
        reading = Reading(self._archive, file, self.covered(file))
        yield from reading.items()
        self.compare(file, reading.digest)

    def covered(self, file: int) -> int:
        """Return how many of a file's artifacts were read; 0 if it could not be read."""
        if file >= len(self._digests):
            return 0
        return min(TILE_WIDTH, self.size - file * TILE_WIDTH)

    def compare(self, file: int, digest: bytes) -> None:
        """Compare the SHA-256 of a file's artifacts with the first reading. Raises Changed."""
        if digest != self._digests[file]:
            raise Changed(f"{_artifacts_path(file)} changed while it was being verified")

    def at(self, number: int) -> bytes:
        """Return one artifact again, by its number. Raises Changed.

        One that repeats an earlier one can be had if its index was named to `watch`.
        """
        path = _artifacts_path(number // TILE_WIDTH)
        try:
            with self._archive.open(path) as stream:
                stream.seek(self._offsets[number])
                data = Frames(stream).next() or b""
        except (FileMissing, FileDamaged) as error:
            raise Changed(f"{path} changed while it was being verified: {error}") from error
        first = self._copies.get(number, number)
        if self._known.get(hashlib.sha256(data).digest()) != first:
            raise Changed(f"{path} changed while it was being verified")
        return data
