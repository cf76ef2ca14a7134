"""Files of artifacts: each artifact with its length in front, held against its entry.

Such a file grows under one name, and may hold more than a checkpoint covers. So a copy
takes as many artifacts as there are entries, keeps what it has, and asks for the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from crypto.errors import Rejected, SailauError
from observers.source import Source, Stream
from record.delimited import delimited, read_delimited
from record.entry import entry_for
from record.tiles import WIDTH, Bundle
from storage.files import replacing

CHECK = "R.entry"
"""The id of the check that each artifact is the one its entry names."""


def copy_artifacts(
    source: Source, local: Source, root: Path, bundle: Bundle, entries: Sequence[bytes]
) -> bool:
    """Bring `root`'s file of this bundle up to its entries; whether anything was fetched.

    `local` reads `root`. Raises Malformed or Rejected (R.entry) for artifacts that are not
    the entries', Unreachable, OSError; the file is then as it was.
    """
    path = bundle.artifacts_path
    count, length = _held(local, bundle, entries)
    if count == len(entries):
        return False
    with replacing(root / path) as file:
        if length:
            with local.open(path) as kept:
                for part in _parts(kept, length):
                    file.write(part)
        with source.open(path, length) as stream:
            for number in range(count, len(entries)):
                file.write(_next(stream, entries[number], _where(bundle, number)))
    return True


def _held(local: Source, bundle: Bundle, entries: Sequence[bytes]) -> tuple[int, int]:
    """How many artifacts of these entries the local file begins with, and their bytes."""
    count = length = 0
    try:
        with local.open(bundle.artifacts_path) as stream:
            for number, entry in enumerate(entries):
                length += len(_next(stream, entry, _where(bundle, number)))
                count += 1
    except SailauError:
        pass  # missing, cut, damaged: from there on it is fetched
    return count, length


def _next(stream: Stream, entry: bytes, where: str) -> bytes:
    """The next artifact of the file, its length in front; raises unless it is the entry's."""
    artifact = read_delimited(stream, where)
    if entry_for(artifact, where) != entry:
        raise Rejected(CHECK, "the artifact is not the one that its entry describes", where=where)
    return delimited(artifact)


def _parts(stream: Stream, size: int) -> Iterator[bytes]:
    while size and (part := stream.read(min(size, 1 << 16))):
        yield part
        size -= len(part)


def _where(bundle: Bundle, number: int) -> str:
    return f"{bundle.artifacts_path}, artifact {bundle.index * WIDTH + number}"
