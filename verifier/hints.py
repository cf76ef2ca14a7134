"""Hints: commitments of ballots' proofs, from a file that nobody vouches for.

Whatever is wrong with them is passed over: a ballot without usable hints is checked
without. They are used for speed alone, and every commitment that is taken from them is
hashed and proved right before anything follows from it.
"""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.message import DecodeError

from verifier.archive import Archive, FileDamaged, FileMissing
from verifier.frames import Frames
from verifier.merkle import tile_name
from verifier.schema import pb


def hints_path(file: int) -> str:
    """The path of the hints beside `artifacts/<N>`."""
    return f"hints/{tile_name(file)}"


def has_hints(archive: Archive, file: int) -> bool:
    """Whether there is such a file; what is in it is another question."""
    try:
        with archive.open(hints_path(file)):
            return True
    except (FileMissing, FileDamaged):
        return False


def read_hints(archive: Archive, file: int) -> Iterator[bytes]:
    """Yield the entry of each artifact of a file, b"" where there is none; never ends.

    One entry is in memory at a time, and none is longer than an artifact may be.
    """
    try:
        with archive.open(hints_path(file)) as stream:
            frames = Frames(stream)
            while (data := frames.next()) is not None:
                yield data
    except (FileMissing, FileDamaged):
        pass
    while True:
        yield b""


def parse_hints(data: bytes) -> list[bytes]:
    """The encoded commitments of a ballot's proofs, in order; [] if there are none."""
    try:
        return list(pb.BallotHints.FromString(data).proofs) if data else []
    except (DecodeError, ValueError, RecursionError):
        return []
