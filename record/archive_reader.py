"""Reading a published record: from a directory or .zip that anybody may have made.

Nothing is handed on before it is known to belong to the signed checkpoint: the
hash tiles are read first and lead to its root, and each artifact is then held
against its entry and the entry against its leaf hash. Every read is bounded, so
that memory does not grow with the number of artifacts (32 bytes per 256 of them
are kept) and hostile files end in an error.
"""

from __future__ import annotations

import hashlib
import stat
import struct
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from crypto.errors import Malformed, Rejected
from record import checkpoint as notes
from record.checkpoint import Checkpoint, VerifierKey, verify_checkpoint
from record.delimited import read_delimited
from record.entry import MAX_ENTRY, entry_for
from record.hints import MAX_HINTS
from record.merkle import HASH_BYTES, MerkleTree, leaf_hash
from record.tiles import WIDTH, Bundle, Tile, TileBuilder, bundles_of, parse_bundle, parse_tile

TREE_CHECK = "R.tile"
"""The id of the check that the hash tiles lead to the checkpoint's root."""
ENTRY_CHECK = "R.entry"
"""The id of the check that each artifact is the one its entry and leaf hash name."""

_MAX_BUNDLE = WIDTH * (2 + MAX_ENTRY)
# What the standard library raises for damaged files; RuntimeError is its word for
# a .zip that it does not know how to read.
_READ_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)
_ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class ArchiveReader:
    """A published record. Close it, or use it in a `with` statement."""

    def __init__(self, files: _Files) -> None:
        self._files = files

    def __enter__(self) -> ArchiveReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the .zip, if it is one."""
        self._files.close()

    def read(self, path: str, limit: int) -> bytes:
        """A file of the record, unchecked. Raises Malformed if it is missing or longer."""
        return self._files.read(path, limit)

    def first_artifact(self) -> bytes:
        """Artifact 0 as it stands there, unchecked: it says which key to check with.

        Raises Malformed if it is missing or no artifact can be read there.
        """
        path = Bundle(0).artifacts_path
        with self._files.open(path) as file:
            return read_delimited(file, f"{path}, artifact 0")

    def checkpoint(self, key: VerifierKey) -> Checkpoint:
        """The checkpoint, its signature checked; raises Malformed or Rejected."""
        return verify_checkpoint(self._files.read("checkpoint", notes.MAX_BYTES), key)

    def artifacts(self, key: VerifierKey) -> Iterator[bytes]:
        """Artifacts 0 to size-1 of the log whose checkpoints `key` signs, in order.

        Raises Malformed for files that are missing or cannot be read, and Rejected
        for a checkpoint that is not the log's and for files that do not belong to
        it. No artifact is yielded before the whole tree has been checked.
        """
        yield from self.artifacts_under(self.checkpoint(key))

    def artifacts_under(self, head: Checkpoint) -> Iterator[bytes]:
        """As `artifacts`, of a checkpoint that `verify_checkpoint` has passed.

        For who needs its note, too: a record that grows meanwhile has another.
        """
        digests = self._check_tree(head)
        for bundle, digest in zip(bundles_of(head.size), digests, strict=True):
            tile = Tile(0, bundle.index, bundle.width)
            data = self._files.read(tile.path, WIDTH * HASH_BYTES)
            if hashlib.sha256(data).digest() != digest:
                raise Rejected(TREE_CHECK, "the tile changed while it was read", where=tile.path)
            yield from self._bundle(bundle, parse_tile(data, tile.width, tile.path))

    def with_hints(self, key: VerifierKey) -> Iterator[tuple[bytes, bytes]]:
        """`artifacts`, each with the hints beside it (docs/record.md, "Hints").

        Those are whatever stands there: nothing where they are missing or cannot be read.
        """
        hints: Iterator[bytes] = iter(())
        for number, artifact in enumerate(self.artifacts(key)):
            if number % WIDTH == 0:
                hints = self._hints(Bundle(number // WIDTH))
            yield artifact, next(hints, b"")

    def _hints(self, bundle: Bundle) -> Iterator[bytes]:
        path = bundle.hints_path
        with suppress(Malformed), self._files.open(path) as file:
            while True:
                yield read_delimited(file, path, MAX_HINTS)

    def _check_tree(self, head: Checkpoint) -> list[bytes]:
        """Compares every tile with the tree of its leaves; SHA-256 of each leaf tile."""
        tree, builder = MerkleTree(), TileBuilder()
        digests: list[bytes] = []
        for bundle in bundles_of(head.size):
            tile = Tile(0, bundle.index, bundle.width)
            data = self._files.read(tile.path, WIDTH * HASH_BYTES)
            digests.append(hashlib.sha256(data).digest())
            for leaf in parse_tile(data, tile.width, tile.path):
                tree.append(leaf)
                for inner, expected in builder.append(leaf):
                    self._check_inner(inner, expected)
        for inner, expected in builder.partial():
            self._check_inner(inner, expected)
        if tree.root() != head.root:
            problem = "the leaf hashes lead to another root than the checkpoint's"
            raise Rejected(TREE_CHECK, problem, where="tile/0")
        return digests

    def _check_inner(self, tile: Tile, expected: bytes) -> None:
        if tile.level == 0:
            return
        if self._files.read(tile.path, WIDTH * HASH_BYTES) != expected:
            problem = "the tile does not hold the roots of the tiles below it"
            raise Rejected(TREE_CHECK, problem, where=tile.path)

    def _bundle(self, bundle: Bundle, leaves: tuple[bytes, ...]) -> Iterator[bytes]:
        path = bundle.entries_path
        entries = parse_bundle(self._files.read(path, _MAX_BUNDLE), bundle.width, path)
        with self._files.open(bundle.artifacts_path) as file:
            for offset, (entry, leaf) in enumerate(zip(entries, leaves, strict=True)):
                number = bundle.index * WIDTH + offset
                if leaf_hash(entry) != leaf:
                    problem = "the entry does not hash to its leaf"
                    raise Rejected(ENTRY_CHECK, problem, where=f"{path}, entry {number}")
                where = f"{bundle.artifacts_path}, artifact {number}"
                artifact = read_delimited(file, where)
                if entry_for(artifact, where) != entry:
                    problem = "the artifact is not the one that its entry describes"
                    raise Rejected(ENTRY_CHECK, problem, where=where)
                yield artifact


def read_archive(path: str | Path) -> ArchiveReader:
    """Opens a published directory, or a .zip with its files at the root or in one folder.

    Raises Malformed if `path` is neither or holds no checkpoint.
    """
    place = Path(path)
    if place.is_dir():
        return ArchiveReader(_Directory(place))
    if not place.is_file():
        raise Malformed(str(place), "is neither a directory nor a file")
    return ArchiveReader(_Zip(place))


# --- Where the files are -----------------------------------------------------------


class _File:
    """One open file, whose troubles are the record's and not the program's."""

    def __init__(self, file: IO[bytes], path: str) -> None:
        self._file = file
        self._path = path

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end. Raises Malformed."""
        try:
            return self._file.read(size)
        except _READ_ERRORS as error:
            raise Malformed(self._path, f"cannot be read: {error}") from None


class _Files(ABC):
    """Named files, for reading."""

    @abstractmethod
    @contextmanager
    def open(self, path: str) -> Iterator[_File]:
        """The file at `path`; raises Malformed."""

    @abstractmethod
    def close(self) -> None:
        """Frees what is held."""

    def read(self, path: str, limit: int) -> bytes:
        """All of a file that has at most `limit` bytes; raises Malformed."""
        with self.open(path) as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise Malformed(path, f"has more than {limit} bytes")
        return data


class _Directory(_Files):
    def __init__(self, root: Path) -> None:
        self._root = root

    def close(self) -> None:
        """A directory is not held open."""

    @contextmanager
    def open(self, path: str) -> Iterator[_File]:
        place = self._root / path
        try:
            # A pipe or a device would let the reader wait for ever.
            if not stat.S_ISREG(place.stat().st_mode):
                raise Malformed(path, "is not a regular file")
            file = place.open("rb")
        except (FileNotFoundError, NotADirectoryError):
            raise _missing(path) from None
        except OSError as error:
            raise Malformed(path, f"cannot be read: {error.strerror}") from None
        with file:
            yield _File(file, path)


class _Zip(_Files):
    def __init__(self, place: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(place)
        except _READ_ERRORS as error:
            raise Malformed(place.name, f"is not a readable .zip: {error}") from None
        try:
            self._prefix = _prefix(self._zip.namelist())
        except Malformed:
            self._zip.close()
            raise

    def close(self) -> None:
        self._zip.close()

    @contextmanager
    def open(self, path: str) -> Iterator[_File]:
        try:
            member = self._zip.getinfo(self._prefix + path)
        except KeyError:
            raise _missing(path) from None
        if member.compress_type not in _ZIP_METHODS or member.flag_bits & 1:
            raise Malformed(path, "is encrypted or compressed by another method than deflate")
        try:
            file = self._zip.open(member)
        except _READ_ERRORS as error:
            raise Malformed(path, f"cannot be read: {error}") from None
        with file:
            yield _File(file, path)


def _prefix(names: list[str]) -> str:
    if len(set(names)) != len(names):
        raise Malformed("zip", "holds two files of the same name", "Readers would differ in it.")
    if "checkpoint" in names:
        return ""
    folders = [name for name in names if name.count("/") == 1 and name.endswith("/checkpoint")]
    if len(folders) != 1:
        problem = f"holds {len(folders)} records" if folders else "holds no checkpoint"
        raise Malformed("zip", problem, "The files stand at its root or in one folder.")
    return folders[0].removesuffix("checkpoint")


def _missing(path: str) -> Malformed:
    return Malformed(path, "is missing", "The record was published or copied incompletely.")
