"""Writing the published directory: files derived from a log that only grows.

What a directory holds is never contradicted. Full tiles and bundles, and
artifacts that a published checkpoint covers, stay as they are; partial tiles of
older sizes stay beside the newer ones; the checkpoint comes last, and only for a
tree that contains the published one. So a crash leaves files that mean nothing yet,
and running again over the same log finishes them. Hints are the exception: nobody relies
on them, so they are replaced where they differ, and given up where the disk does not take
them.

`ArchiveWriter.write` publishes a whole log once. A `Publication` follows a log: each
`publish` costs what is new, and at most a partial tile and bundle besides.
"""

from __future__ import annotations

import os
import shutil
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from crypto.errors import Rejected
from record.checkpoint import Checkpoint, VerifierKey, parse_checkpoint, verify_checkpoint
from record.delimited import delimited
from record.entry import entry_for
from record.hints import MAX_HINTS
from record.merkle import MerkleTree, leaf_hash
from record.tiles import WIDTH, Bundle, TileBuilder, bundles_of, format_bundle, tiles_of
from storage.files import make_directory, replacing, sync_directory, write_durably

CHECKPOINT = "checkpoint"
"""The file that is published last."""

_DAY = 86_400

CHECK = "R.append-only"
"""The id of the check that a directory only ever grows."""

Sign = Callable[[Checkpoint], bytes]
"""Makes the signed note of a checkpoint."""

Hints = Callable[[int], bytes]
"""The serialized BallotHints of artifact N, or nothing (docs/record.md, "Hints")."""


class ArchiveWriter:
    """Publishes the log whose checkpoints `key` verifies in a directory.

    One writer at a time: nothing here guards a directory against two.
    """

    def __init__(self, directory: str | Path, key: VerifierKey) -> None:
        self._root = Path(directory)
        self._key = key

    def write(
        self, artifacts: Iterable[bytes], sign: Sign, hints: Hints | None = None
    ) -> Checkpoint:
        """Writes the whole log, from artifact 0, and then its checkpoint.

        Where `hints` has some for an artifact, they are written beside it.
        Files that are there already are compared and kept. Raises Rejected if they
        contradict this log or the published checkpoint is of a longer or another
        one, Malformed for something that is no artifact or no checkpoint, OSError
        if the disk fails; the published checkpoint is then as it was.
        """
        published = self._published()
        log = _Log(self._root, published, hints)
        try:
            for artifact in artifacts:
                log.append(artifact)
            log.finish()
        finally:
            log.close()
        return self._sign(log.tree, published, sign)

    def follow(self, hints: Hints | None = None) -> Publication:
        """For a log that grows: begins with artifact 0, and compares what is there already.

        Where `hints` has some for an artifact, they are written beside it. Raises Malformed
        or Rejected for a published checkpoint that is not the log's.
        """
        return Publication(self._root, self._key, self._published(), hints)

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
            write_durably(self._root / CHECKPOINT, note)
        return checkpoint


class Publication:
    """A directory that is brought up to date again and again; see `ArchiveWriter.follow`.

    After an error `close` it: another one compares again what is there.
    """

    def __init__(
        self, root: Path, key: VerifierKey, published: Checkpoint | None, hints: Hints | None
    ) -> None:
        """For `ArchiveWriter` alone."""
        self._root, self._key = root, key
        self._log = _Log(root, published, hints)
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
            write_durably(self._root / CHECKPOINT, note)
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

    def __init__(self, root: Path, published: Checkpoint | None, hints: Hints | None) -> None:
        self.tree = MerkleTree()
        self.published = published
        self._root = root
        self._tiles = TileBuilder()
        self._entries: list[bytes] = []
        self._artifacts: _GrowingFile | None = None
        self._hints = None if hints is None else _HintFiles(root, hints)

    def append(self, artifact: bytes) -> None:
        """Takes the next artifact; writes the files that it completes."""
        self._check_published()
        entry = entry_for(artifact, f"artifact {self.tree.size}")
        if self._artifacts is None:
            path = Bundle(self.tree.size // WIDTH).artifacts_path
            self._artifacts = _GrowingFile(self._root, path)
        covered = self.published is not None and self.tree.size < self.published.size
        self._artifacts.write(delimited(artifact), covered)
        if self._hints is not None:
            self._hints.take(self.tree.size)
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
        if self._hints is not None:
            self._hints.close()

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
        if self._hints is not None:
            self._hints.commit()
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
                sync_directory(self._place.parent)
            _date_only(self._place)
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
            make_directory(self._place.parent)
            if self._file is not None:
                self._file.close()
            self._file = self._place.open("x+b" if self._new else "r+b")
            self._file.seek(self._end)
            self._writable = True
        return self._file


class _HintFiles:
    """The files of hints beside those of artifacts, which may fail without anybody's harm.

    A file ends with the last hints in it, and there is none where there are no hints.
    """

    def __init__(self, root: Path, hints: Hints) -> None:
        self._root, self._hints = root, hints
        self._file: _GrowingFile | None = None
        self._empty = 0  # entries without hints that are not written yet
        self._failed = False

    def take(self, number: int) -> None:
        """The hints of the next artifact."""
        hints = self._hints(number)
        if not 0 < len(hints) <= MAX_HINTS:
            self._empty += 1
        elif not self._failed:
            with self._giving_up():
                if self._file is None:
                    self._file = _GrowingFile(self._root, Bundle(number // WIDTH).hints_path)
                self._file.write(bytes(self._empty) + delimited(hints), covered=False)
                self._empty = 0

    def commit(self) -> None:
        """What was taken is in the file, for whoever reads it now."""
        if self._file is not None:
            with self._giving_up():
                self._file.commit()

    def close(self) -> None:
        """Forgets what was not committed; the next artifact begins a file."""
        if self._file is not None:
            with suppress(OSError):
                self._file.discard()
        self._file, self._empty, self._failed = None, 0, False

    @contextmanager
    def _giving_up(self) -> Iterator[None]:
        """A file that cannot be written ends where it is: what follows would be misplaced."""
        try:
            yield
        except OSError:
            self._failed = True
            if self._file is not None:
                with suppress(OSError):
                    self._file.discard()
                self._file = None


def _write_once(root: Path, path: str, data: bytes) -> None:
    """Writes a file that never changes; refuses if it stands there otherwise."""
    place = root / path
    try:
        known = place.read_bytes()
    except FileNotFoundError:
        write_durably(place, data)
        _date_only(place)
        return
    if known != data:
        raise _contradiction(path)


def _date_only(place: Path) -> None:
    """Leave a file its date and no time, which copies and web servers would pass on.

    Partial tiles stay, one for each group that was published. Of the checkpoint, which is
    replaced, caches need the time.
    """
    day = int(time.time()) // _DAY * _DAY
    with suppress(OSError):
        os.utime(place, (day, day))


def _contradiction(path: str) -> Rejected:
    problem = "the directory holds other bytes there than this log has"
    return Rejected(CHECK, problem, where=path, advice=_FORK)


def pack_zip(directory: str | Path, file: str | Path) -> None:
    """Packs a published directory into a .zip: what its checkpoint covers, and its hints.

    The same files make the same bytes. Ciphertexts do not compress, so nothing
    is compressed. Raises Malformed if the checkpoint is none, OSError if a file is
    missing or the disk fails.
    """
    root, place = Path(directory), Path(file)
    size = parse_checkpoint((root / "checkpoint").read_bytes()).checkpoint.size
    paths = ["checkpoint", *(tile.path for tile in tiles_of(size))]
    for bundle in bundles_of(size):
        paths += [bundle.entries_path, bundle.artifacts_path]
        if (root / bundle.hints_path).is_file():
            paths.append(bundle.hints_path)
    with replacing(place) as target, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as packed:
        for path in sorted(paths):
            _pack(packed, path, root / path)
    sync_directory(place.parent)


def _pack(packed: zipfile.ZipFile, path: str, place: Path) -> None:
    member = zipfile.ZipInfo(path)
    member.external_attr = 0o644 << 16
    member.file_size = place.stat().st_size
    with place.open("rb") as source, packed.open(member, "w") as target:
        shutil.copyfileobj(source, target)
