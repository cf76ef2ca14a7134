"""A mirror: the published files of a log, copied as they grow and never believed unchecked.

    with Mirror(open_source(url), directory, policy) as mirror:
        mirror.update()

What is in the directory is a published record like any other: serve it with any web
server, verify it with the verifier. Its checkpoint is written last, when everything that
it covers is on the disk. A run that was interrupted goes on where it was: files that are
there and right are not fetched again, and files that are damaged are.

A checkpoint that was once seen is remembered before anything is fetched for it
(`.checkpoint.seen`), so that no interruption makes the mirror forget what a log signed.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from identity.files import FileLock
from observers.evidence import keeping
from observers.heads import Head, check_continues, check_smaller
from observers.mirror_files import MirrorFiles, Progress
from observers.source import DirectorySource, Source
from record import note
from record.policy import Judgement, Policy
from record.tile_tree import TileTree
from storage.files import make_directory, sync_directory, write_durably

_CHECKPOINT = "checkpoint"
_SEEN = ".checkpoint.seen"
EVIDENCE = "evidence"
"""Where a mirror keeps both notes of a log that contradicts itself."""


class Mirror:
    """One log in one directory. Holds the directory's lock until `close`."""

    def __init__(
        self,
        source: Source,
        directory: Path,
        policy: Policy,
        *,
        artifacts: bool = True,
        check: bool = False,
        jobs: int = 4,
        progress: Progress | None = None,
    ) -> None:
        """Without `artifacts`, any tlog-tiles log can be mirrored.

        With `check`, artifacts copied in earlier runs are read and hashed again as well;
        tiles and entries always are. Raises KeystoreInUse if another process mirrors
        into the directory, OSError.
        """
        make_directory(directory)
        self._lock = FileLock(directory / ".mirror")
        self._source, self._local = source, DirectorySource(directory)
        self._root, self._policy = directory, policy
        self._files = MirrorFiles(source, directory, artifacts, jobs, progress)
        known = self._known(_CHECKPOINT)
        self._files.trusted = known.size if known and not check else 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the directory and end the connections."""
        self._source.close()
        self._lock.release()

    def update(self) -> Judgement:
        """Copy everything up to the log's checkpoint of now; what its signatures amount to.

        Raises Misbehaviour if it does not continue what was seen before (both notes are
        then in `evidence/`), Rejected or Malformed if it or a file does not verify,
        Unreachable, OSError. The mirror is then a record of its older checkpoint still.
        """
        data = self._source.read(_CHECKPOINT, note.MAX_BYTES)
        judgement = self._policy.judge(data)
        head = Head(judgement.checkpoint, data)
        mirrored, seen = self._known(_CHECKPOINT), self._known(_SEEN)
        with keeping(self._root / EVIDENCE):
            tree = TileTree(head.size, self._source.read_tile)
            for older in (mirrored, seen):
                if older is not None:
                    self._check(older, head, tree, complete=older is mirrored)
            # After that: who forks is caught whether or not anybody cosigned.
            self._policy.check_quorum(judgement)
            if mirrored is None or mirrored.checkpoint != head.checkpoint:
                write_durably(self._root / _SEEN, data)
            self._files.update(head)
        self._finish(head, mirrored)
        return judgement

    def _check(self, older: Head, head: Head, tree: TileTree, *, complete: bool) -> None:
        """Whether `head` continues what was seen; `complete`: we have all tiles of `older`."""
        if complete and head.size < older.size:
            check_smaller(older, head, TileTree(older.size, self._local.read_tile))
        check_continues(older, head, tree)

    def _finish(self, head: Head, mirrored: Head | None) -> None:
        """Give the mirror its new checkpoint; of two notes of one, the better cosigned."""
        if mirrored is None or mirrored.checkpoint != head.checkpoint:
            (self._root / _SEEN).replace(self._root / _CHECKPOINT)
            sync_directory(self._root)
        elif mirrored.note != head.note and self._cosigners(head) >= self._cosigners(mirrored):
            write_durably(self._root / _CHECKPOINT, head.note)

    def _cosigners(self, head: Head) -> int:
        return len(self._policy.judge(head.note).cosignatures)

    def _known(self, name: str) -> Head | None:
        """A checkpoint of ours; raises if it is there and no longer verifies."""
        try:
            data = (self._root / name).read_bytes()
        except FileNotFoundError:
            return None
        return Head(self._policy.judge(data, str(self._root / name)).checkpoint, data)
