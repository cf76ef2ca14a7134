"""Writing the published directory: files derived from a log that only grows.

What a directory holds is never contradicted. Full tiles and bundles, and
artifacts that a published checkpoint covers, stay as they are; partial tiles of
older sizes stay beside the newer ones; the checkpoint comes last, and only for a
tree that contains the published one. So a crash leaves files that mean nothing yet,
and running again over the same log finishes them.

`ArchiveWriter.write` publishes a whole log once. A `Publication` follows a log: each
`publish` costs what is new, and at most a partial tile and bundle besides.
"""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO

from crypto.errors import Rejected
from record.checkpoint import Checkpoint, VerifierKey, parse_checkpoint, verify_checkpoint
from record.entry import entry_for
from record.merkle import MerkleTree, leaf_hash
from record.tiles import WIDTH, Bundle, TileBuilder, bundles_of, format_bundle, tiles_of

CHECKPOINT = "checkpoint"
"""The file that is published last."""

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

    def follow(self) -> Publication:
        """For a log that grows: begins with artifact 0, and compares what is there already.

        Raises Malformed or Rejected for a published checkpoint that is not the log's.
        """
        return Publication(self._root, self._key, self._published())

    def _published(self) -> Checkpoint | None:
        try:
            data = (self._root / CHECKPOINT).read_bytes()
        except FileNotFoundError:
            return None
        return verify_checkpoint(data, self._key)

    def _sign(self, tree: MerkleTree, published: Checkpoint | None, sign: Sign) -> Checkpoint:
        checkpoint = Checkpoint(self._key.name, tree.size, tree.root())
        if checkpoint != published:
            note = sign(checkpoint)
            if verify_checkpoint(note, self._key) != checkpoint:
                raise ValueError("the signing function signed another checkpoint")
            _replace(self._root / CHECKPOINT, note)
        return checkpoint


class Publication:
    """A directory that is brought up to date again and again; see `ArchiveWriter.follow`.

    After an error `close` it: another one compares again what is there.
    """

    def __init__(self, root: Path, key: VerifierKey, published: Checkpoint | None) -> None:
        """For `ArchiveWriter` alone."""
        self._root, self._key = root, key
        self._log = _Log(root, published)
        self._note = b""

    @property
    def size(self) -> int:
        """How many artifacts it has taken."""
        return self._log.tree.size

    def extend(self, artifacts: Iterable[bytes]) -> None:
        """Takes the next artifacts; nobody is shown them yet. Raises as `write` does."""
        for artifact in artifacts:
            self._log.append(artifact)

    def publish(self, note: bytes) -> Checkpoint:
        """Writes the files of what was taken, then this checkpoint of it.

        Again with more signatures it replaces the note. Raises Rejected if it is not the
        checkpoint of what was taken, or a larger one is published; otherwise as `write`.
        """
        tree = self._log.tree
        checkpoint = verify_checkpoint(note, self._key)
        if (checkpoint.size, checkpoint.root) != (tree.size, tree.root()):
            problem = f"the {tree.size} artifacts are not those of the checkpoint"
            raise Rejected(CHECK, problem, where=CHECKPOINT, advice=_FORK)
        self._log.finish()
        if self.note() != note:
            _replace(self._root / CHECKPOINT, note)
        self._note = note
        self._log.published = checkpoint
        return checkpoint

    def note(self) -> bytes:
        """The published checkpoint as it is on the disk; empty if there is none."""
        try:
            return (self._root / CHECKPOINT).read_bytes()
        except FileNotFoundError:
            return b""

    def untouched(self) -> bool:
        """Whether the published checkpoint is the one that `publish` wrote last."""
        return self.note() == self._note

    def close(self) -> None:
        """Forgets what was taken and not published."""
        self._log.close()


class _Log:
    """The files of a log while its artifacts stream by."""

    def __init__(self, root: Path, published: Checkpoint | None) -> None:
        self.tree = MerkleTree()
        self.published = published
        self._root = root
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
        covered = self.published is not None and self.tree.size < self.published.size
        self._artifacts.write(_varint(len(artifact)) + artifact, covered)
        self._entries.append(entry)
        leaf = leaf_hash(entry)
        self.tree.append(leaf)
        if len(self._entries) == WIDTH:
            self._write_bundle()
            self.close()
            self._entries = []
        for tile, data in self._tiles.append(leaf):
            _write_once(self._root, tile.path, data)

    def finish(self) -> None:
        """Writes what is partial, and refuses a log that is too short. More may follow."""
        self._check_published()
        if self.published is not None and self.tree.size < self.published.size:
            problem = (
                f"the published checkpoint covers {self.published.size} artifacts, "
                f"this log has {self.tree.size}"
            )
            raise Rejected(CHECK, problem, where="checkpoint", advice=_FORK)
        if self._entries:
            self._write_bundle()
        for tile, data in self._tiles.partial():
            _write_once(self._root, tile.path, data)

    def close(self) -> None:
        """Forgets a file of artifacts that was not finished."""
        if self._artifacts is not None:
            self._artifacts.discard()
            self._artifacts = None

    def _check_published(self) -> None:
        published = self.published
        if published is None or published.size != self.tree.size:
            return
        if published.root != self.tree.root():
            problem = f"the first {published.size} artifacts are not those of the checkpoint"
            raise Rejected(CHECK, problem, where="checkpoint", advice=_FORK)

    def _write_bundle(self) -> None:
        index = (self.tree.size - 1) // WIDTH
        bundle = Bundle(index, len(self._entries))
        if self._artifacts is not None:
            self._artifacts.commit()
        _write_once(self._root, bundle.entries_path, format_bundle(self._entries))


_FORK = (
    "A log must not fork: publish from a database that has everything, "
    "never from an older backup, or into another directory."
)


class _GrowingFile:
    """A file to which bytes are only ever appended, in its place.

    What is written is compared with the file as far as that goes, and only what exceeds
    it is appended. A longer file stays: nothing published shrinks. Nobody reads what no
    checkpoint covers, so what a crash left half-written there may be replaced.
    """

    def __init__(self, root: Path, path: str) -> None:
        self._path = path
        self._place = root / path
        self._end = 0
        self._dirty = False
        try:
            self._file: IO[bytes] | None = self._place.open("rb")
        except FileNotFoundError:
            self._file = None
        self._writable = False
        # What `discard` leaves.
        self._kept = 0 if self._file is None else os.fstat(self._file.fileno()).st_size
        self._new = self._file is None

    def write(self, data: bytes, covered: bool) -> None:
        """Compares or appends the next bytes; `covered` ones may not be there otherwise."""
        known = b"" if self._file is None else self._file.read(len(data))
        if known != data[: len(known)]:
            if covered:
                raise _contradiction(self._path)
            file = self._grow()
            file.truncate(self._end)
            self._kept = min(self._kept, self._end)
            known = b""
        if rest := data[len(known) :]:
            file = self._grow()
            file.seek(self._end + len(known))
            file.write(rest)
            self._dirty = True
        self._end += len(data)

    def commit(self) -> None:
        """All that was written is on the disk."""
        if self._dirty and self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            if self._new:
                _sync(self._place.parent)
            self._dirty, self._new = False, False
        self._kept = max(self._kept, self._end)

    def discard(self) -> None:
        """The file as it was before what was not committed, and closed."""
        if self._file is None:
            return
        try:
            if self._dirty:
                self._file.truncate(self._kept)
        finally:
            # What could not be flushed is not wanted either.
            with suppress(OSError):
                self._file.close()
        if self._new:
            self._place.unlink(missing_ok=True)
        self._file = None

    def _grow(self) -> IO[bytes]:
        """The file, to be written to."""
        if self._file is None or not self._writable:
            _make_folder(self._place.parent)
            if self._file is not None:
                self._file.close()
            self._file = self._place.open("x+b" if self._new else "r+b")
            self._file.seek(self._end)
            self._writable = True
        return self._file


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
