"""What C2SP's tlog-proof and tlog-witness are both made of.

    <a line or more of its own>
    <the hashes of a proof, in base64, one a line>

    <a checkpoint with its signatures>

The hashes alone stand in disputes, too.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence

from crypto.errors import Malformed
from record.checkpoint import parse_hash

MAX_HASHES = 63
"""A tree of 2^63 leaves has so many levels."""


def split_checkpoint(data: bytes, field: str) -> tuple[list[str], bytes]:
    """The lines before the empty line, at least one, and all that follows it; raises Malformed."""
    head, blank, checkpoint = data.partition(b"\n\n")
    if not blank:
        raise Malformed(field, "has no empty line before its checkpoint")
    try:
        return head.decode("ascii").split("\n"), checkpoint
    except UnicodeDecodeError:
        raise Malformed(field, "has a letter outside ASCII before its checkpoint") from None


def parse_hashes(lines: Sequence[str], field: str, limit: int = MAX_HASHES) -> tuple[bytes, ...]:
    """The hashes of a proof, 32 bytes each and at most `limit`, from lines without their ends.

    Raises Malformed.
    """
    if len(lines) > limit:
        raise Malformed(field, f"has {len(lines)} hashes, more than {limit}")
    return tuple(parse_hash(line, field) for line in lines)


def format_hashes(hashes: Iterable[bytes]) -> list[str]:
    """The lines of a proof, without their ends."""
    return [base64.b64encode(digest).decode("ascii") for digest in hashes]
