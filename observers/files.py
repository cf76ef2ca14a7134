"""Public files that are written so that a crash leaves the old one or the new one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def replacing(place: Path) -> Iterator[IO[bytes]]:
    """A new file that takes its name when the block ends well; synced, its directory not.

    One writer for each name at a time: the temporary name is fixed, so that what a crash
    leaves is overwritten the next time. Raises OSError.
    """
    make_directory(place.parent)
    temporary = place.with_name(f".{place.name}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(place)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_durably(place: Path, data: bytes) -> None:
    """Replace a file; it is on the disk when this returns. Raises OSError."""
    with replacing(place) as file:
        file.write(data)
    sync_directory(place.parent)


def make_directory(directory: Path) -> None:
    """Make it and what is missing above it, durably. Raises OSError."""
    missing = [d for d in (directory, *directory.parents) if not d.exists()]
    for new in reversed(missing):
        new.mkdir(exist_ok=True)
        sync_directory(new.parent)


def sync_directory(directory: Path) -> None:
    """Without this a new name may be lost when the power fails."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
