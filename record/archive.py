"""The published record: a directory of static files, or a .zip of it.

docs/record.md, "The log", says which files there are. `ArchiveWriter` derives
them from a log of artifacts and never contradicts what is published;
`read_archive` reads them back and hands on nothing that does not belong to the
signed checkpoint. Both stream: a record may be much larger than the memory.

    key = verifier_key("example.org/election-2005", public_key)
    ArchiveWriter("record", key).write(artifacts, partial(sign_checkpoint, private_key=secret))
    with read_archive("record") as record:
        for artifact in record.artifacts(key):
            ...

This reader is for programs that use a record. Who wants to know whether an
election was right runs the verifier, which has its own.
"""

from __future__ import annotations

from record.archive_reader import ArchiveReader, read_archive
from record.archive_writer import ArchiveWriter, Hints, Sign, pack_zip
from record.entry import MAX_ARTIFACT, entry_for

__all__ = [
    "MAX_ARTIFACT",
    "ArchiveReader",
    "ArchiveWriter",
    "Hints",
    "Sign",
    "entry_for",
    "pack_zip",
    "read_archive",
]
