"""Entries: what the log says about an artifact, and the leaf data of its tree."""

from __future__ import annotations

import hashlib

from crypto.errors import Malformed
from sailau.v1 import record_pb2

MAX_ARTIFACT = 16 * 1024 * 1024
"""Bytes of an artifact at most."""

MAX_ENTRY = 64
"""Bytes of an entry at most: a kind, a hash and a length have fewer than 50."""

_KINDS = frozenset(
    field.number for field in record_pb2.Artifact.DESCRIPTOR.oneofs_by_name["statement"].fields
)
_LENGTH_DELIMITED = 2


def entry_for(artifact: bytes, where: str = "artifact") -> bytes:
    """The serialized Entry of an artifact: its kind, its SHA-256, its length.

    The kind is read off the first bytes, so that the artifact need not be parsed.
    Raises Malformed if it has no statement or is longer than 16 MiB.
    """
    if len(artifact) > MAX_ARTIFACT:
        raise Malformed(where, f"has {len(artifact)} bytes, more than {MAX_ARTIFACT}")
    entry = record_pb2.Entry(
        kind=_kind(artifact, where),
        sha256=hashlib.sha256(artifact).digest(),
        size=len(artifact),
    )
    return entry.SerializeToString(deterministic=True)


def _kind(artifact: bytes, where: str) -> int:
    # A tag is (field number << 3) | wire type, as a varint; those of statements
    # have one byte or two.
    tag, second = (*artifact[:2], 0, 0)[:2]
    if tag >= 0x80:
        tag = tag & 0x7F | second << 7 if 0 < second < 0x80 else 0
    kind, wire_type = tag >> 3, tag & 7
    if kind not in _KINDS or wire_type != _LENGTH_DELIMITED:
        raise Malformed(where, "does not begin with a statement", "It is no artifact.")
    return int(kind)
