"""Private files: who may read them, who has them open, how they are replaced.

Everything here works on paths without symbolic links (`os.path.realpath`), and
writes only files that belong to the user alone (mode 0600).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from identity.errors import (
    KeystoreDamaged,
    KeystoreInUse,
    KeystoreMissing,
    KeystoreTooOpen,
    KeystoreWriteFailed,
)

OTHERS = stat.S_IRWXG | stat.S_IRWXO
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class FileLock:
    """An exclusive lock beside a file (`<file>.lock`), held until `release`.

    A file of its own, because replacing the locked file would replace the lock
    with it; and never deleted, because deleting it would let two processes hold
    a lock of that name. The system drops the lock when a process dies.
    """

    def __init__(self, path: Path) -> None:
        """Take the lock or raise KeystoreInUse at once; never waits."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._descriptor: int | None = os.open(f"{path}.lock", flags, 0o600)
        except OSError as error:
            raise KeystoreWriteFailed(f"{path}.lock: {error.strerror}") from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.release()
            raise KeystoreInUse(
                f"{path} is in use by another process. Stop that one first"
            ) from None

    def release(self) -> None:
        """Give the lock back. Doing so twice does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def check_directory(directory: Path) -> None:
    """Raise KeystoreMissing or KeystoreTooOpen unless only its owner can write there.

    Whoever may write in the directory can put another file in the place of ours.
    """
    try:
        mode = directory.stat().st_mode
    except OSError as error:
        raise KeystoreMissing(f"{directory}: {error.strerror}") from None
    if not stat.S_ISDIR(mode):
        raise KeystoreMissing(f"{directory} is not a directory")
    if mode & OTHERS_WRITE:
        raise KeystoreTooOpen(
            f"other users may write in the directory {directory}. Try: chmod 700 {directory}"
        )


def read_private(path: Path, limit: int) -> bytes:
    """Return at most `limit` bytes of a file that nobody else may open.

    Raises KeystoreMissing, KeystoreTooOpen, or KeystoreDamaged if it is no
    plain file or larger.
    """
    with _opened(path) as descriptor:
        if os.fstat(descriptor).st_mode & OTHERS:
            raise KeystoreTooOpen(f"other users may open {path}. Try: chmod 600 {path}")
        return _contents(path, descriptor, limit)


def read_from_medium(path: Path, limit: int) -> bytes:
    """Return at most `limit` bytes of a file, from the medium and not from memory.

    Memory sticks have no modes, so nobody asks here who else may open the file. Raises
    KeystoreMissing or KeystoreDamaged.
    """
    with _opened(path) as descriptor:
        # What was just written is dropped from the system's cache, where that can be asked for.
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        return _contents(path, descriptor, limit)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise KeystoreMissing(f"{path}: {error.strerror}") from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise KeystoreDamaged(f"{path} is not a plain file")
        yield descriptor
    finally:
        os.close(descriptor)


def _contents(path: Path, descriptor: int, limit: int) -> bytes:
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        try:
            data = file.read(limit + 1)
        except OSError as error:
            raise KeystoreDamaged(f"{path}: {error.strerror}") from None
    if len(data) > limit:
        raise KeystoreDamaged(f"{path} is larger than {limit} bytes")
    return data


def replace_durably(path: Path, data: bytes) -> None:
    """Put `data` in the place of the file so that a crash leaves the old or the new.

    The caller holds the file's lock: the temporary name is a fixed one, so that
    a crash leaves at most one such file. Raises KeystoreWriteFailed.
    """
    temporary = path.with_name(f".{path.name}.new")
    try:
        temporary.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_directory(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise KeystoreWriteFailed(f"{path} could not be written: {error.strerror}") from None


def _sync_directory(directory: Path) -> None:
    """Without this the new name itself may be lost when the power fails."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
