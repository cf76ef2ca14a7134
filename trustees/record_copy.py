"""Where a trustee keeps the bytes of the record: in memory, or in a file.

Neither is trusted: `reading.Reader` checks at every start what it finds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_LENGTH = 4


class MemoryCopy:
    """A list of artifacts."""

    def __init__(self) -> None:
        self._artifacts: list[bytes] = []

    def append(self, artifact: bytes) -> None:
        """Add an artifact at the end."""
        self._artifacts.append(artifact)

    def truncate(self, size: int) -> None:
        """Forget everything but the first `size` artifacts."""
        del self._artifacts[size:]

    def __getitem__(self, index: int, /) -> bytes:
        return self._artifacts[index]

    def __len__(self) -> int:
        return len(self._artifacts)

    def __iter__(self) -> Iterator[bytes]:
        return iter(tuple(self._artifacts))


class FileCopy:
    """A file of artifacts, each with its length in 4 bytes in front, to save reading again.

    A crash can leave half an artifact at the end; it is cut off when the file is opened.
    """

    def __init__(self, path: Path | str) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._file = os.fdopen(descriptor, "r+b")
        self._starts: list[int] = []
        self._end = 0
        self._scan()

    def close(self) -> None:
        """Close the file. Twice does nothing."""
        self._file.close()

    def append(self, artifact: bytes) -> None:
        """Add an artifact at the end."""
        self._file.seek(self._end)
        self._file.write(len(artifact).to_bytes(_LENGTH, "big") + artifact)
        self._file.flush()
        self._starts.append(self._end)
        self._end += _LENGTH + len(artifact)

    def truncate(self, size: int) -> None:
        """Forget everything but the first `size` artifacts."""
        if size < len(self._starts):
            self._end = self._starts[size]
            del self._starts[size:]
            self._file.truncate(self._end)

    def __getitem__(self, index: int, /) -> bytes:
        start = self._starts[index]
        self._file.seek(start)
        size = int.from_bytes(self._file.read(_LENGTH), "big")
        return self._file.read(size)

    def __len__(self) -> int:
        return len(self._starts)

    def __iter__(self) -> Iterator[bytes]:
        return (self[index] for index in range(len(self)))

    def _scan(self) -> None:
        total = os.fstat(self._file.fileno()).st_size
        while True:
            self._file.seek(self._end)
            head = self._file.read(_LENGTH)
            size = int.from_bytes(head, "big")
            if len(head) < _LENGTH or self._end + _LENGTH + size > total:
                break
            self._starts.append(self._end)
            self._end += _LENGTH + size
        self._file.truncate(self._end)
