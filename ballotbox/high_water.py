"""The high-water mark: what was signed last, kept where the database is not.

A log forks when a database is restored from an older backup and signs on. So the newest
signed checkpoint also stands in a small file of the server's home, and in the published
directory, and witnesses know it: no tree is signed that does not contain all of these.

    mark = HighWater(home / "high-water", key, published=directory)
    mark.check(size, root)          before a signature: this is what the log holds
    mark.raise_to(checkpoint)       after the commit, before anybody is told
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ballotbox.errors import StoreContradicted, StoreDamaged, StoreFailed
from ballotbox.store import StoredCheckpoint
from crypto.errors import Malformed, Rejected
from identity.errors import KeystoreWriteFailed
from identity.files import replace_durably
from record.archive_writer import CHECKPOINT
from record.checkpoint import MAX_BYTES, Checkpoint, VerifierKey, verify_checkpoint

_Stamp = tuple[int, int, int]


class Source(StrEnum):
    """Who knows of a tree."""

    MARK = "mark"
    PUBLISHED = "published"
    REPORTED = "reported"


_TOLD = {Source.MARK: "the high-water mark", Source.PUBLISHED: "the published checkpoint"}


@dataclass(frozen=True, slots=True)
class Head:
    """A tree that the log has signed: size, root (32 bytes; unknown: empty), and who says so.

    `where` is the same for people.
    """

    size: int
    root: bytes
    where: str
    source: Source = Source.REPORTED

    @property
    def told(self) -> str:
        """`where` without the paths of this machine."""
        return _TOLD.get(self.source, self.where)


class HighWater:
    """Everything outside the database that knows how far the log has come. Thread-safe."""

    def __init__(self, path: Path | None, key: VerifierKey, published: Path | None = None) -> None:
        """`path` is the mark's file, `published` the published directory; each may be none.

        Raises StoreDamaged if the mark cannot be read: it is not begun anew by itself.
        """
        self._path = path
        self._key = key
        self._published = None if published is None else published / CHECKPOINT
        self._guard = threading.Lock()
        self._reported: dict[str, Head] = {}
        self._seen: tuple[_Stamp, Head | None] | None = None
        self._mark = self._read_mark()

    def heads(self) -> tuple[Head, ...]:
        """The trees that are known to be signed."""
        with self._guard:
            mark = () if self._mark is None else (self._mark,)
            published = self._published_head()
            return (*mark, *(() if published is None else (published,)), *self._reported.values())

    def check(self, size: int, root: bytes) -> None:
        """Raises StoreContradicted if more than these `size` artifacts, or others, were signed."""
        for head in self.heads():
            if head.size > size:
                raise behind(size, head)
            if head.size == size and head.root and head.root != root:
                raise forked(size, head)

    def raise_to(self, checkpoint: StoredCheckpoint) -> None:
        """Keep the mark of a checkpoint that is stored; a smaller one changes nothing.

        Raises StoreFailed; then nobody may be told of it yet.
        """
        with self._guard:
            if self._mark is not None and checkpoint.size <= self._mark.size:
                return
            if self._path is not None:
                try:
                    replace_durably(self._path, checkpoint.note)
                except KeystoreWriteFailed as error:
                    raise StoreFailed(f"the high-water mark: {error}. Is the disk full?") from None
            self._mark = self._marked(checkpoint.size, checkpoint.root)

    def report(self, where: str, size: int, root: bytes = b"") -> None:
        """Somebody has seen a tree of the log of this size."""
        with self._guard:
            known = self._reported.get(where)
            if known is None or known.size < size:
                self._reported[where] = Head(size, root, where)

    def _marked(self, size: int, root: bytes) -> Head:
        path = "" if self._path is None else f" {self._path}"
        return Head(size, root, f"the high-water mark{path}", Source.MARK)

    def _read_mark(self) -> Head | None:
        if self._path is None:
            return None
        try:
            head = _verified(self._path, self._key)
        except FileNotFoundError:
            return None
        except (OSError, Malformed, Rejected) as error:
            raise StoreDamaged(
                f"the high-water mark cannot be read: {error}. Compare the database with the "
                f"published checkpoint and with the witnesses, then delete {self._path}"
            ) from None
        return self._marked(head.size, head.root)

    def _published_head(self) -> Head | None:
        """What the published checkpoint says; what is not signed by us says nothing."""
        if self._published is None:
            return None
        try:
            found = self._published.stat()
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
            if self._seen is None or self._seen[0] != stamp:
                head = _verified(self._published, self._key)
                where = f"the published checkpoint {self._published}"
                self._seen = stamp, Head(head.size, head.root, where, Source.PUBLISHED)
        except (OSError, Malformed, Rejected):
            return None
        return self._seen[1]


def behind(size: int, head: Head) -> StoreContradicted:
    """The error of a database that is older than what was signed."""
    return StoreContradicted(
        f"the database ends at {size} artifacts, but {head.where} is of {head.size}: this is an "
        "older copy, and a log must not fork. Nothing is signed. Restore the newest database; if "
        "it is lost, fill this one up from the published record or a mirror of it with "
        "`sailau serve --recover DIR` (docs/operations.md, 'After a restore')",
        f"the server's database is an older copy: it ends at {size} artifacts, but {head.told} is "
        f"of {head.size}, so nothing is stored until its administrator restores the newest one, or "
        "fills this one up with `sailau serve --recover DIR` (docs/operations.md, 'After a "
        "restore'); what was acknowledged may be read, and devices keep what they have",
    )


def forked(size: int, head: Head) -> StoreContradicted:
    """The error of a database that holds something else than what was signed."""
    return StoreContradicted(
        f"the first {size} artifacts are not those of {head.where}: a log must not fork. Nothing "
        "is signed. Find the database that signed it (docs/operations.md, 'After a restore')",
        f"the server's database is not the log that was signed: its first {size} artifacts are not "
        f"those of {head.told}, so nothing is stored until its administrator finds the database "
        "that signed them (docs/operations.md, 'After a restore')",
    )


def _verified(path: Path, key: VerifierKey) -> Checkpoint:
    with path.open("rb") as file:
        return verify_checkpoint(file.read(MAX_BYTES + 1), key, str(path))
