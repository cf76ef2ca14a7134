"""Filling up an older copy of the database from the published record."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from ballotbox.errors import StoreDamaged
from ballotbox.store import Store, StoredCheckpoint
from record.archive import read_archive
from record.checkpoint import MAX_BYTES, VerifierKey, parse_checkpoint, verify_checkpoint
from record.note import signatures_by

_CHUNK = 64


def recover(store: Store, directory: Path, key: VerifierKey) -> int:
    """Append what a published record or a mirror has beyond the database; returns how much.

    Every artifact is checked against the checkpoint in the directory, which the log itself
    signed: so what is appended is what was there before. A mirror that grows meanwhile is
    taken as it was at the beginning. Raises StoreDamaged if the database holds something
    else, Malformed or Rejected for a record that is damaged.
    """
    size = store.size()
    with read_archive(directory) as record:
        note = record.read("checkpoint", MAX_BYTES)
        checkpoint = verify_checkpoint(note, key)
        artifacts = record.artifacts_under(checkpoint)
        for first in range(0, min(size, checkpoint.size), _CHUNK):
            wanted = min(_CHUNK, size - first, checkpoint.size - first)
            if list(store.read(first, wanted)) != list(islice(artifacts, wanted)):
                raise StoreDamaged(
                    f"the database and {directory} differ in artifacts {first} to "
                    f"{first + wanted - 1}: this is not an older copy of the same log"
                )
        for group in _groups(artifacts):
            store.append(store.size(), group)
    newest = store.newest_checkpoint()
    if newest is None or newest.size < checkpoint.size:
        own = _own_note(note, key)
        store.add_checkpoint(StoredCheckpoint(checkpoint.size, checkpoint.root, own))
    return max(checkpoint.size - size, 0)


def _groups(artifacts: Iterator[bytes]) -> Iterator[list[bytes]]:
    while group := list(islice(artifacts, _CHUNK)):
        yield group


def _own_note(note: bytes, key: VerifierKey) -> bytes:
    """The note with the log's own signatures: witnesses are asked again."""
    signed = parse_checkpoint(note)
    lines = "".join(one.line() for one in signatures_by(signed.signatures, key))
    return f"{signed.text}\n{lines}".encode()
