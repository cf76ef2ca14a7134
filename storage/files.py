"""Public files that are written so that a crash leaves the old one or the new one.

One writer for each name at a time: temporary names are fixed, so that what a crash leaves is
overwritten the next time. Everything raises OSError, and then the old file is there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def replacing(place: Path) -> Iterator[IO[bytes]]:
    """A new file that takes its name when the block ends well; synced, its directory not."""
    with _settling(place) as temporary, temporary.open("wb") as file:
        yield file


def write_durably(place: Path, data: bytes) -> None:
    """Replace a file; it is on the disk when this returns."""
    with _settling(place) as temporary:
        temporary.write_bytes(data)
    sync_directory(place.parent)


def make_directory(directory: Path) -> None:
    """Make it and what is missing above it, durably."""
    missing = [d for d in (directory, *directory.parents) if not d.exists()]
    for new in reversed(missing):
        new.mkdir(exist_ok=True)
        sync_directory(new.parent)


def sync_directory(directory: Path) -> None:
    """Without this a new name may be lost when the power fails."""
    _sync(directory)


@contextmanager
def _settling(place: Path) -> Iterator[Path]:
    """A temporary file's name; what is written there by the end of the block gets the place."""
    make_directory(place.parent)
    temporary = place.with_name(f".{place.name}.tmp")
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(place)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
