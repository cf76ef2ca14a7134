"""The published directory, brought up to date after each group of artifacts.

The files are derived from the database and made again where they are missing. What goes
wrong with them, a full disk or a directory that cannot be written, never stops the board:
it shows in `notices` and is tried again.

    publisher = Publisher(board, directory)
    board.subscribe(publisher.poke)
    publisher.run(stop)         in a thread of its own
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from ballotbox.board import Board
from ballotbox.errors import StoreDamaged
from ballotbox.store import StoredCheckpoint
from crypto.errors import Malformed, Rejected, SailauError
from record.archive_writer import ArchiveWriter, Publication
from record.checkpoint import parse_verifier_key

LOGGER = logging.getLogger(__name__)

INTERVAL = 1.0
"""Seconds between two checkpoints that are published, while groups come faster than that.

Meanwhile the witnesses cosign the published one, and their signatures are added to it.
"""
_IDLE = 1.0
_CHUNK = 64
_FIRST_PAUSE, _LAST_PAUSE = 1.0, 60.0


class Publisher:
    """Keeps a directory up to date with a board, in one thread; everything else is for any."""

    def __init__(self, board: Board, directory: Path, interval: float = INTERVAL) -> None:
        self._board = board
        self._directory = directory
        self._interval = interval
        key = parse_verifier_key(board.transcript.context.election.log_key)
        self._writer = ArchiveWriter(directory, key)
        self._publication: Publication | None = None
        self._head: StoredCheckpoint | None = None
        self._hints: Mapping[int, bytes] = {}
        self._since = -interval
        self._due = threading.Event()
        self._notice = ""
        self._listeners: list[Callable[[], None]] = []

    def poke(self) -> None:
        """Something is to be published: a group, or cosignatures. Waits for nothing."""
        self._due.set()

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Have `listener` called when another checkpoint was published; it must not wait."""
        self._listeners.append(listener)

    def head(self) -> StoredCheckpoint | None:
        """The checkpoint that was published last."""
        return self._head

    def notices(self) -> tuple[str, ...]:
        """What keeps the directory from being up to date, one sentence each."""
        return (self._notice,) if self._notice else ()

    def run(self, stop: threading.Event) -> None:
        """Publish what is due until `stop` is set, and then all that is left."""
        pause = _FIRST_PAUSE
        while not stop.is_set():
            self._due.clear()
            if self.attempt():
                pause = _FIRST_PAUSE
                self._due.wait(min(self._left() or _IDLE, _IDLE))
            else:
                stop.wait(pause)
                pause = min(2 * pause, _LAST_PAUSE)
        self._since = -self._interval
        self.attempt()
        self.close()

    def attempt(self) -> bool:
        """`step`, with what goes wrong said in `notices`; whether nothing did."""
        try:
            self.step()
        except Exception as error:
            self._report(error)
            return False
        if self._notice:
            LOGGER.warning("the record in %s is published again", self._directory)
            self._notice = ""
        return True

    def step(self) -> None:
        """Bring the directory up to date, as far as it is time to.

        Raises OSError, or Rejected for a directory that contradicts the log; after either
        all files are compared anew.
        """
        try:
            self._step()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the directory; the next `step` compares all of it."""
        if self._publication is not None:
            self._publication.close()
            self._publication = None

    def _step(self) -> None:
        if self._publication is not None and not self._publication.untouched():
            self.close()
        head = self._board.head()
        publication = self._publication
        if publication is None:
            publication = self._begin()
        elif self._head is not None and head.size != self._head.size and self._left():
            head = self._head  # `run` comes again
        while publication.size < head.size:
            first, most = publication.size, min(_CHUNK, head.size - publication.size)
            self._hints = self._board.read_hints(first, most)
            publication.extend(self._board.read_bytes(first, most))
        note = self._board.note(head)
        if self._head != head or publication.note() != note:
            publication.publish(note)
        if self._head != head:
            self._head, self._since = head, time.monotonic()
            for listener in self._listeners:
                listener()

    def _left(self) -> float:
        """Seconds until the next checkpoint may be published."""
        return max(self._since + self._interval - time.monotonic(), 0.0)

    def _begin(self) -> Publication:
        """Begin to compare; a new directory has the checkpoint of the empty log first."""
        self._publication = publication = self._writer.follow(self._hint)
        self._head = None
        if not publication.note():
            for empty in self._board.store.checkpoints(0, 1):
                if empty.size == 0:
                    publication.publish(self._board.note(empty))
        return publication

    def _hint(self, index: int) -> bytes:
        """The hints that came with artifact `index`, which is being published."""
        return self._hints.get(index, b"")

    def _report(self, error: Exception) -> None:
        what = str(error)
        if isinstance(error, OSError):
            what = ": ".join(str(part) for part in (error.strerror, error.filename) if part)
        known = isinstance(error, (OSError, SailauError))
        if not known:
            what = type(error).__name__
        notice = f"The record is not published in {self._directory}, and it is tried again: {what}."
        if notice != self._notice:
            LOGGER.error("%s", notice, exc_info=None if known else error)
        self._notice = notice


def check_directory(board: Board, directory: Path) -> None:
    """Raises StoreDamaged if a directory has a checkpoint that is not this log's.

    Asked once before anything is published: to publish over it would hide a mistake.
    """
    key = parse_verifier_key(board.transcript.context.election.log_key)
    try:
        ArchiveWriter(directory, key).follow().close()
    except (Malformed, Rejected) as error:
        raise StoreDamaged(f"{directory} does not belong to this log: {error}") from None
