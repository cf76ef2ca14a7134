"""Reading the files of a published record, from a directory or a .zip.

Nothing here trusts the record: names are made by the reader and never taken from it,
every read is bounded, links out of the directory are refused, and whatever is wrong
with a file comes out as `FileMissing` or `FileDamaged`.
"""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol


class NotARecord(Exception):
    """There is no record to verify here (exit code 2)."""


class FileMissing(Exception):
    """A file of the record is not there."""


class FileDamaged(Exception):
    """A file of the record cannot be read."""


_READ_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    OSError,
    EOFError,
    RuntimeError,
    NotImplementedError,
    ValueError,
)


class Stream:
    """An open file of the record. Reads are bounded; failures are FileDamaged."""

    def __init__(self, name: str, raw: IO[bytes]) -> None:
        """Wrap an open binary file."""
        self.name = name
        self._raw = raw

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, fewer only at the end of the file."""
        try:
            return self._raw.read(size)
        except _READ_ERRORS as error:
            raise FileDamaged(f"{self.name} cannot be read: {error}") from error

    def seek(self, offset: int) -> None:
        """Go to an offset from the start."""
        try:
            self._raw.seek(offset)
        except _READ_ERRORS as error:
            raise FileDamaged(f"{self.name} cannot be read: {error}") from error

    def __enter__(self) -> Stream:
        """Use it in a with statement."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self._raw.close()


class Archive(Protocol):
    """A published record's files."""

    def open(self, name: str) -> Stream:
        """Open a file by its path in the record. Raises FileMissing or FileDamaged."""
        ...

    def close(self) -> None:
        """Release what is open."""
        ...


def read_file(archive: Archive, name: str, limit: int) -> bytes:
    """Return a whole small file. Raises FileMissing, or FileDamaged above `limit` bytes."""
    with archive.open(name) as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise FileDamaged(f"{name} is longer than {limit} bytes")
    return data


class DirectoryArchive:
    """A record in a directory."""

    def __init__(self, root: Path) -> None:
        """Take the directory that holds `checkpoint`."""
        self._root = root.resolve()

    def open(self, name: str) -> Stream:
        """Open a regular file inside the directory."""
        try:
            path = (self._root / name).resolve(strict=True)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise FileMissing(f"{name} is not there") from error
        except (OSError, RuntimeError) as error:
            raise FileDamaged(f"{name} cannot be read: {error}") from error
        if not path.is_relative_to(self._root):
            raise FileDamaged(f"{name} is a link out of the record")
        try:
            # Without O_NONBLOCK a named pipe would hang the verifier.
            handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        except OSError as error:
            raise FileDamaged(f"{name} cannot be read: {error}") from error
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise FileDamaged(f"{name} is not a regular file")
        return Stream(name, os.fdopen(handle, "rb"))

    def close(self) -> None:
        """Nothing stays open."""


class ZipArchive:
    """A record in a .zip, at its root or below one folder."""

    def __init__(self, archive: zipfile.ZipFile, prefix: str) -> None:
        """Take an open archive and the folder, "" or "name/"."""
        self._archive = archive
        self._prefix = prefix

    def open(self, name: str) -> Stream:
        """Open a member; its bytes are expanded only as they are read."""
        try:
            member = self._archive.getinfo(self._prefix + name)
        except KeyError as error:
            raise FileMissing(f"{name} is not there") from error
        mode = member.external_attr >> 16
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            raise FileDamaged(f"{name} is not a regular file")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FileDamaged(f"{name} is compressed in a way this verifier does not read")
        try:
            return Stream(name, self._archive.open(member))
        except _READ_ERRORS as error:
            raise FileDamaged(f"{name} cannot be read: {error}") from error

    def close(self) -> None:
        """Close the archive."""
        self._archive.close()


_MARKS = ("checkpoint", "artifacts/000")


def _not_one(path: Path, records: int) -> NotARecord:
    if records:
        return NotARecord(f"{path} holds several records, in several folders")
    return NotARecord(f"{path} holds no record: no file 'checkpoint' and no folder 'artifacts'")


def _open_directory(path: Path) -> Archive:
    folders = [path]
    if not any((path / mark).is_file() for mark in _MARKS):
        folders = [
            child
            for child in sorted(path.iterdir())
            if child.is_dir() and any((child / mark).is_file() for mark in _MARKS)
        ]
    if len(folders) != 1:
        raise _not_one(path, len(folders))
    return DirectoryArchive(folders[0])


def _open_zip(path: Path) -> Archive:
    archive = zipfile.ZipFile(path)
    names = archive.namelist()
    if len(set(names)) != len(names):
        archive.close()
        raise NotARecord(f"{path} holds two files of one name; which one counts is anybody's guess")
    prefixes = {
        name.removesuffix(mark)
        for name in names
        for mark in _MARKS
        if name == mark or (name.endswith("/" + mark) and name.count("/") == mark.count("/") + 1)
    }
    if "" in prefixes:
        prefixes = {""}
    if len(prefixes) != 1:
        archive.close()
        raise _not_one(path, len(prefixes))
    return ZipArchive(archive, prefixes.pop())


def open_archive(path: str | os.PathLike[str]) -> Archive:
    """Open a published record. Raises NotARecord."""
    place = Path(path)
    try:
        if place.is_dir():
            return _open_directory(place)
        if not place.is_file():
            raise NotARecord(f"{place} is neither a directory nor a file")
        return _open_zip(place)
    except zipfile.BadZipFile as error:
        raise NotARecord(f"{place} is neither a directory nor a .zip: {error}") from error
    except (OSError, ValueError, NotImplementedError) as error:
        raise NotARecord(f"{place} cannot be read: {error}") from error
