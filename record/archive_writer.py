"""Writing the published directory: files derived from a log that only grows.

What a directory holds is never contradicted. Full tiles and bundles, and
artifacts once written, stay as they are; partial tiles of older sizes stay
beside the newer ones; the checkpoint comes last, and only for a tree that
contains the published one. So a crash leaves files that mean nothing yet, and
running again over the same log finishes them.
"""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO

from crypto.errors import Rejected
from record.checkpoint import Checkpoint, VerifierKey, parse_checkpoint, verify_checkpoint
from record.entry import entry_for
from record.merkle import MerkleTree, leaf_hash
from record.tiles import WIDTH, Bundle, TileBuilder, bundles_of, format_bundle, tiles_of

CHECK = "R.append-only"
"""The id of the check that a directory only ever grows."""

Sign = Callable[[Checkpoint], bytes]
"""Makes the signed note of a checkpoint."""


class ArchiveWriter:
    """Publishes the log whose checkpoints `key` verifies in a directory.

    One writer at a time: nothing here guards a directory against two.
    """

    def __init__(self, directory: str | Path, key: VerifierKey) -> None:
        self._root = Path(directory)
        self._key = key

    def write(self, artifacts: Iterable[bytes], sign: Sign) -> Checkpoint:
        """Writes the whole log, from artifact 0, and then its checkpoint.

        Files that are there already are compared and kept. Raises Rejected if they
        contradict this log or the published checkpoint is of a longer or another
        one, Malformed for something that is no artifact or no checkpoint, OSError
        if the disk fails; the published checkpoint is then as it was.
        """
        published = self._published()
        log = _Log(self._root, published)
        try:
            for artifact in artifacts:
                log.append(artifact)
            log.finish()
        finally:
            log.close()
        return self._sign(log.tree, published, sign)

    def _published(self) -> Checkpoint | None:
        try:
            data = (self._root / "checkpoint").read_bytes()
        except FileNotFoundError:
            return None
        return verify_checkpoint(data, self._key)

    def _sign(self, tree: MerkleTree, published: Checkpoint | None, sign: Sign) -> Checkpoint:
        checkpoint = Checkpoint(self._key.name, tree.size, tree.root())
        if checkpoint != published:
            note = sign(checkpoint)
            if verify_checkpoint(note, self._key) != checkpoint:
                raise ValueError("the signing function signed another checkpoint")
            _replace(self._root / "checkpoint", note)
        return checkpoint


class _Log:
    """The files of a log while its artifacts stream by."""

    def __init__(self, root: Path, published: Checkpoint | None) -> None:
        self.tree = MerkleTree()
        self._root = root
        self._published = published
        self._tiles = TileBuilder()
        self._entries: list[bytes] = []
        self._artifacts: _GrowingFile | None = None

    def append(self, artifact: bytes) -> None:
        """Takes the next artifact; writes the files that it completes."""
        self._check_published()
        entry = entry_for(artifact, f"artifact {self.tree.size}")
        if self._artifacts is None:
            path = Bundle(self.tree.size // WIDTH).artifacts_path
            self._artifacts = _GrowingFile(self._root, path)
        self._artifacts.write(_varint(len(artifact)) + artifact)
        self._entries.append(entry)
        leaf = leaf_hash(entry)
        self.tree.append(leaf)
        if len(self._entries) == WIDTH:
            self._close_bundle()
        for tile, data in self._tiles.append(leaf):
            _write_once(self._root, tile.path, data)

    def finish(self) -> None:
        """Writes what is partial, and refuses a log that is too short."""
        self._check_published()
        if self._published is not None and self.tree.size < self._published.size:
            problem = (
                f"the published checkpoint covers {self._published.size} artifacts, "
                f"this log has {self.tree.size}"
            )
            raise Rejected(CHECK, problem, where="checkpoint", advice=_FORK)
        if self._entries:
            self._close_bundle()
        for tile, data in self._tiles.partial():
            _write_once(self._root, tile.path, data)

    def close(self) -> None:
        """Forgets a file of artifacts that was not finished."""
        if self._artifacts is not None:
            self._artifacts.discard()
            self._artifacts = None

    def _check_published(self) -> None:
        published = self._published
        if published is None or published.size != self.tree.size:
            return
        if published.root != self.tree.root():
            problem = f"the first {published.size} artifacts are not those of the checkpoint"
            raise Rejected(CHECK, problem, where="checkpoint", advice=_FORK)

    def _close_bundle(self) -> None:
        index = (self.tree.size - 1) // WIDTH
        bundle = Bundle(index, len(self._entries))
        if self._artifacts is not None:
            self._artifacts.commit()
        _write_once(self._root, bundle.entries_path, format_bundle(self._entries))
        self._artifacts = None
        self._entries = []


_FORK = (
    "A log must not fork: publish from a database that has everything, "
    "never from an older backup, or into another directory."
)


class _GrowingFile:
    """A file to which bytes are only ever appended, replaced as a whole.

    What is written is compared with the old file as far as that goes; only what
    exceeds it makes a new one. A longer old file stays: nothing published shrinks.
    """

    def __init__(self, root: Path, path: str) -> None:
        self._path = path
        self._place = root / path
        self._new: IO[bytes] | None = None
        try:
            self._old: IO[bytes] | None = self._place.open("rb")
        except FileNotFoundError:
            self._old = None

    def write(self, data: bytes) -> None:
        rest = data
        if self._old is not None:
            known = self._old.read(len(data))
            rest = data[len(known) :]
            if known != data[: len(known)]:
                raise _contradiction(self._path)
        if rest:
            self._grow().write(rest)

    def commit(self) -> None:
        if self._new is not None:
            self._new.close()
            _settle(self._place)
        self._close_old()

    def discard(self) -> None:
        if self._new is not None:
            self._new.close()
            _temporary(self._place).unlink(missing_ok=True)
        self._close_old()

    def _grow(self) -> IO[bytes]:
        if self._new is None:
            _make_folder(self._place.parent)
            self._new = _temporary(self._place).open("wb")
            if self._old is not None:
                self._old.seek(0)
                shutil.copyfileobj(self._old, self._new)
                self._close_old()
        return self._new

    def _close_old(self) -> None:
        if self._old is not None:
            self._old.close()
            self._old = None


def _write_once(root: Path, path: str, data: bytes) -> None:
    """Writes a file that never changes; refuses if it stands there otherwise."""
    place = root / path
    try:
        known = place.read_bytes()
    except FileNotFoundError:
        _replace(place, data)
        return
    if known != data:
        raise _contradiction(path)


def _replace(place: Path, data: bytes) -> None:
    _make_folder(place.parent)
    _temporary(place).write_bytes(data)
    _settle(place)


def _temporary(place: Path) -> Path:
    # The name is fixed, so that what a crash leaves is overwritten the next time.
    return place.with_name(f".{place.name}.tmp")


def _settle(place: Path) -> None:
    """Gives a finished temporary file its name, safe against loss of power."""
    temporary = _temporary(place)
    _sync(temporary)
    temporary.replace(place)
    _sync(place.parent)


def _make_folder(folder: Path) -> None:
    missing = [f for f in (folder, *folder.parents) if not f.exists()]
    for new in reversed(missing):
        new.mkdir(exist_ok=True)
        _sync(new.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _contradiction(path: str) -> Rejected:
    problem = "the directory holds other bytes there than this log has"
    return Rejected(CHECK, problem, where=path, advice=_FORK)


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def pack_zip(directory: str | Path, file: str | Path) -> None:
    """Packs a published directory into a .zip: what its checkpoint covers, no more.

    The same record makes the same bytes. Ciphertexts do not compress, so nothing
    is compressed. Raises Malformed if the checkpoint is none, OSError if a file is
    missing or the disk fails.
    """
    root, place = Path(directory), Path(file)
    size = parse_checkpoint((root / "checkpoint").read_bytes()).checkpoint.size
    paths = ["checkpoint", *(tile.path for tile in tiles_of(size))]
    for bundle in bundles_of(size):
        paths += [bundle.entries_path, bundle.artifacts_path]
    _make_folder(place.parent)
    try:
        with zipfile.ZipFile(_temporary(place), "w", zipfile.ZIP_STORED) as packed:
            for path in sorted(paths):
                _pack(packed, path, root / path)
        _settle(place)
    finally:
        _temporary(place).unlink(missing_ok=True)


def _pack(packed: zipfile.ZipFile, path: str, place: Path) -> None:
    member = zipfile.ZipInfo(path)
    member.external_attr = 0o644 << 16
    member.file_size = place.stat().st_size
    with place.open("rb") as source, packed.open(member, "w") as target:
        shutil.copyfileobj(source, target)
