"""A published record below a URL, as the verifier's kind of archive.

    verify("https://example.org/election-2005", opener=open_record)

That a file cannot be had now says nothing about the record: it ends the verification, and
fails no check. Only a server's answer that it has no such file is a missing file.
"""

from __future__ import annotations

import io
from contextlib import ExitStack

from crypto.errors import Malformed
from observers.errors import NotThere, Unreachable
from observers.source import Source, open_source
from observers.source import Stream as SourceStream
from verifier.archive import Archive, FileDamaged, FileMissing, NotARecord, Stream, open_archive

_BUFFER = 1 << 16
_MARKS = ("checkpoint", "artifacts/000")


def is_url(place: str) -> bool:
    """Whether a record is read over HTTP from there."""
    return place.startswith(("http://", "https://"))


def open_record(place: str) -> Archive:
    """Open a record at a URL, in a directory or in a .zip. Raises NotARecord."""
    if not is_url(place):
        return open_archive(place)
    try:
        archive = UrlArchive(open_source(place))
    except Malformed as error:
        raise NotARecord(str(error)) from error
    for mark in _MARKS:
        try:
            with archive.open(mark):
                return archive
        except FileMissing:
            continue
    archive.close()
    raise NotARecord(f"{place} holds no record: no file 'checkpoint' and no folder 'artifacts'")


class UrlArchive:
    """A record below a URL. What cannot be reached is NotARecord."""

    def __init__(self, source: Source) -> None:
        """Take where its files are."""
        self._source = source

    def open(self, name: str) -> Stream:
        """Ask for a file; its bytes are fetched as they are read."""
        try:
            return Stream(name, io.BufferedReader(_Remote(self._source, name), _BUFFER))
        except NotThere as error:
            raise FileMissing(f"{name} is not there") from error
        except Malformed as error:
            raise FileDamaged(f"{name} cannot be read: {error}") from error

    def close(self) -> None:
        """End the connections."""
        self._source.close()


class _Remote(io.RawIOBase):
    """One file; reading it from another place on is another request."""

    def __init__(self, source: Source, path: str) -> None:
        self._source, self._path = source, path
        self._position = 0
        self._opened = ExitStack()
        self._stream = self._request()

    def _request(self) -> SourceStream:
        try:
            return self._opened.enter_context(self._source.open(self._path, self._position))
        except NotThere:
            raise
        except Unreachable as error:
            raise NotARecord(f"the record cannot be read: {error}") from error

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_CUR:
            offset += self._position
        elif whence != io.SEEK_SET:
            raise OSError("the length of a file that is read over HTTP is not known")
        if offset != self._position:
            self._opened.close()
            self._position = offset
            try:
                self._stream = self._request()
            except (NotThere, Malformed) as error:
                raise OSError(str(error)) from error
        return offset

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        try:
            data = self._stream.read(len(buffer))
        except Unreachable as error:
            raise NotARecord(f"the record cannot be read: {error}") from error
        except Malformed as error:
            raise OSError(str(error)) from error
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._opened.close()
        super().close()
