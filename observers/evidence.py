"""Keeping what shows that a log misbehaved, so that it survives the program and the power."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from observers.errors import Misbehaviour
from storage.files import make_directory, sync_directory, write_durably


def keep_evidence(directory: Path, kind: str, files: Mapping[str, bytes]) -> Path:
    """Write `files` (name to content) into a directory of their own; returns it.

    Its name is `kind` and a hash of the contents: the same evidence, found again after a
    restart, is one directory. Raises OSError.
    """
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}:{len(content)}:".encode() + content)
    place = directory / f"{kind}-{digest.hexdigest()[:16]}"
    make_directory(place)
    for name, content in files.items():
        if not (place / name).exists():
            write_durably(place / name, content)
    sync_directory(place)
    return Path(os.path.abspath(place))


@contextmanager
def keeping(directory: Path) -> Iterator[None]:
    """Within this block the evidence of a Misbehaviour is kept before it goes on.

    If it cannot be written, `kept` stays None: a full disk must not hide a fork.
    """
    try:
        yield
    except Misbehaviour as error:
        with suppress(OSError):
            error.kept = keep_evidence(directory, error.fault.value, error.files)
        raise
