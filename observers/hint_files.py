"""Files of hints, which no checkpoint covers: a mirror copies them as they are, or does without.

Who verifies is faster with hints and believes none of them (docs/record.md, "Hints"). So
nothing is held against them here, and a file that cannot be had is not missed. All that
they could do is fill a disk: a file of hints is therefore bounded by its artifacts' file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from crypto.errors import Malformed, SailauError
from observers.errors import Denied, NotThere
from observers.source import Source, Stream
from record.delimited import delimited, read_delimited
from record.hints import MAX_HINTS
from record.tiles import WIDTH, Bundle
from storage.files import replacing

SHARE = 16
"""How many times as long as the artifacts their hints may be.

A response of a proof has 32 bytes, as its challenge, and the commitments that are its hints
have two elements, 1024 bytes with the standard parameters.
"""


def copy_hints(source: Source, local: Source, root: Path, bundle: Bundle) -> bool:
    """Bring `root`'s hints of a bundle up to the source's; whether there were any to fetch.

    `local` reads `root`, which has the bundle's artifacts. What is there is kept; what the
    source does not give, or has in no readable form, is left out. Raises Unreachable if it
    cannot be asked, so that they are not lost with a line that breaks, and OSError.
    """
    path = bundle.hints_path
    count, length = _held(local, path)
    room = SHARE * (root / bundle.artifacts_path).stat().st_size - length
    with suppress(NotThere, Denied, Malformed), source.open(path, length) as stream:
        pieces = _pieces(stream, path, count, room)
        for first in pieces:
            with replacing(root / path) as file:
                if length:
                    with local.open(path) as kept:
                        file.writelines(_pieces(kept, path, 0, length))
                file.write(first)
                file.writelines(pieces)
            return True
    return False


def _held(local: Source, path: str) -> tuple[int, int]:
    """How many entries the local file begins with that are whole, and their bytes."""
    count = length = 0
    with suppress(SailauError), local.open(path) as stream:
        while True:
            length += len(_next(stream, path))
            count += 1
    return count, length


def _pieces(stream: Stream, path: str, count: int, room: int) -> Iterator[bytes]:
    """Whole entries, the next of which is number `count`, as long as they fit."""
    with suppress(Malformed):
        while count < WIDTH:
            piece = _next(stream, path)
            room -= len(piece)
            if room < 0:
                return
            yield piece
            count += 1


def _next(stream: Stream, path: str) -> bytes:
    return delimited(read_delimited(stream, path, MAX_HINTS))
