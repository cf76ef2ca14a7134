"""Where the published files of a log are read from: a web server, or a directory.

    source = open_source("https://example.org/election-2005")
    note = source.read("checkpoint", limit)

Everything is bounded: a length before it is read, a time before it is waited for. What
is read may be anything; callers hold it against a checkpoint.
"""

from __future__ import annotations

import stat
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from crypto.errors import Malformed
from observers.errors import NotThere, Unreachable
from record.tiles import WIDTH, Tile, parse_tile

_CHUNK = 1 << 16


class Stream(ABC):
    """One file while it is read."""

    @abstractmethod
    def read(self, size: int) -> bytes:
        """At most `size` bytes, some unless at the end. Raises Unreachable or Malformed."""


class Source(ABC):
    """Published files by their paths, with forward slashes."""

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    @contextmanager
    def open(self, path: str, offset: int = 0) -> Iterator[Stream]:
        """The file at `path` from `offset` on (nothing, if it is not longer).

        Raises NotThere, Unreachable or Malformed.
        """

    @abstractmethod
    def close(self) -> None:
        """Ends connections."""

    def read(self, path: str, limit: int) -> bytes:
        """All of a file of at most `limit` bytes; raises Malformed if it is longer."""
        with self.open(path) as stream:
            data = read_up_to(stream, limit + 1)
        if len(data) > limit:
            raise Malformed(path, f"has more than {limit} bytes")
        return data

    def read_tile(self, tile: Tile) -> bytes:
        """The hashes of a tile; a partial one that is gone is cut from the full one."""
        try:
            data = self.read(tile.path, WIDTH * 32)
        except NotThere:
            if tile.width == WIDTH:
                raise
            full = Tile(tile.level, tile.index)
            data = self.read(full.path, WIDTH * 32)[: tile.width * 32]
        parse_tile(data, tile.width, tile.path)
        return data


def read_up_to(stream: Stream, size: int) -> bytes:
    """`size` bytes, or fewer at the end of the file."""
    parts: list[bytes] = []
    missing = size
    while missing and (part := stream.read(min(missing, _CHUNK))):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def open_source(where: str, *, connections: int = 1) -> Source:
    """The source at a URL (http, https, file) or a directory; raises Malformed for another."""
    parts = urlsplit(where)
    if parts.scheme in ("http", "https"):
        if not parts.hostname or parts.query or parts.fragment:
            raise Malformed(where, "is not the URL below which a log publishes its files")
        from observers.http_source import HttpSource

        return HttpSource(where.rstrip("/"), connections)
    if parts.scheme == "file":
        return DirectorySource(Path(unquote(parts.path)))
    if "://" in where:
        raise Malformed(where, "is neither http, https nor file")
    return DirectorySource(Path(where))


# --- A directory ---------------------------------------------------------------------


class _FileStream(Stream):
    def __init__(self, file: IO[bytes], path: str) -> None:
        self._file, self._path = file, path

    def read(self, size: int) -> bytes:
        try:
            return self._file.read(size)
        except OSError as error:
            raise Unreachable(f"{self._path}: {error.strerror}") from None


class DirectorySource(Source):
    """A directory that somebody publishes into, or a mirror."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(root))
        self._root = root

    def close(self) -> None:
        """A directory is not held open."""

    @contextmanager
    def open(self, path: str, offset: int = 0) -> Iterator[Stream]:
        place = self._root / path
        try:
            # A pipe or a device would let the reader wait for ever.
            if not stat.S_ISREG(place.stat().st_mode):
                raise Malformed(path, "is not a regular file")
            file = place.open("rb")
        except (FileNotFoundError, NotADirectoryError):
            raise NotThere(f"{place} is missing") from None
        except OSError as error:
            raise Unreachable(f"{place}: {error.strerror}") from None
        with file:
            file.seek(offset)
            yield _FileStream(file, str(place))
