"""Every checkpoint that was ever signed, compared with the artifacts as they are folded."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ballotbox.errors import StoreContradicted, StoreDamaged
from ballotbox.high_water import Head, behind, forked
from ballotbox.store import Store, StoredCheckpoint

_AT_ONCE = 4096


class SignedHeads:
    """The signed checkpoints, a few at a time, in the order of their sizes.

    `heads` are those that others know, or the high-water mark: what contradicts the log among
    them is in `contradiction`, for the log itself is whole.
    """

    def __init__(self, store: Store, heads: Sequence[Head]) -> None:
        self._store = store
        self._heads = heads
        self.contradiction: StoreContradicted | None = None
        self._waiting: list[StoredCheckpoint] = []
        self._next = 0
        self._load()

    def check(self, size: int, root: Callable[[], bytes]) -> None:
        """The tree of this size has this root: raises StoreDamaged if another was signed."""
        for head in self._heads:
            if head.size == size and head.root not in (b"", root()):
                self._contradicts(forked(size, head))
        if not self._waiting or self._waiting[0].size != size:
            return
        known = self._waiting.pop(0)
        if known.root != root():
            raise _forked(f"the first {size} artifacts are not those that were signed")
        if not self._waiting:
            self._load()

    def end(self, size: int) -> None:
        """Nothing of a larger tree was signed."""
        for head in self._heads:
            if head.size > size:
                self._contradicts(behind(size, head))
        if self._waiting:
            newest = self._store.newest_checkpoint() or self._waiting[-1]
            raise _forked(f"{size} artifacts are left of {newest.size} that a checkpoint covers")

    def _contradicts(self, error: StoreContradicted) -> None:
        self.contradiction = self.contradiction or error

    def _load(self) -> None:
        found = self._store.checkpoints(self._next, _AT_ONCE)
        self._waiting = list(found)
        if found:
            self._next = found[-1].size + 1


def _forked(problem: str) -> StoreDamaged:
    return StoreDamaged(
        f"{problem}. A log must not fork: restore the database that signed the checkpoint"
    )
