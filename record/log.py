"""How the parts of a server meet: an append-only log of artifacts and its transcript.

The ballot box owns the log; the coordinator and the tally see it through this.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from record.artifacts import Artifact, Statement
from record.transcript import Transcript


class Log(Protocol):
    """A durable record that grows at its end. Safe to use from several threads."""

    @property
    def transcript(self) -> Transcript:
        """The fold of what is stored. Read it; only the log appends to it."""
        ...

    def append(self, data: bytes) -> int:
        """Parse, check, prove and store one artifact; returns its index.

        The artifact is on disk before the call returns. Bytes that are stored
        already give the index they have. Raises `Malformed` or `Rejected`, and then
        nothing has changed.
        """
        ...

    def publish(self, statement: Statement) -> int:
        """Sign a statement of the server and append it."""
        ...

    def read(self, index: int) -> Artifact:
        """The artifact at `index`, which is below `size()`."""
        ...

    def read_bytes(self, first: int, limit: int) -> Sequence[bytes]:
        """Up to `limit` artifacts from `first` on, as stored."""
        ...

    def size(self) -> int:
        """How many artifacts are stored."""
        ...

    def wait(self, size: int, timeout: float) -> int:
        """Wait until more than `size` artifacts are stored, at most `timeout` seconds.

        Returns the size then.
        """
        ...
