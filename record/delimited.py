"""Pieces one after the other, each with its length in front: files of artifacts and of hints.

A length is a varint of at most 4 bytes in its shortest form (docs/record.md).
"""

from __future__ import annotations

from typing import Protocol

from crypto.errors import Malformed
from record.entry import MAX_ARTIFACT

_PART = 1 << 16


class Readable(Protocol):
    """An open file of whatever kind."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes, some unless at the end."""
        ...


def delimited(data: bytes) -> bytes:
    """A piece with its length in front."""
    return _varint(len(data)) + data


def _varint(number: int) -> bytes:
    """A number that is not negative, 7 bits a byte, the lowest first."""
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def read_delimited(file: Readable, where: str, limit: int = MAX_ARTIFACT) -> bytes:
    """The next piece, without its length. Raises Malformed, and what the file raises."""
    size = 0
    for shift in range(0, 28, 7):
        byte = _exactly(file, 1, where)[0]
        size |= (byte & 0x7F) << shift
        if byte >= 0x80:
            continue
        if byte == 0 and shift:
            raise Malformed(where, "has a length that is not in its shortest form")
        if size <= limit:
            return _exactly(file, size, where)
        break
    raise Malformed(where, f"is said to be longer than {limit} bytes")


def _exactly(file: Readable, size: int, where: str) -> bytes:
    # In parts: a claimed length is believed only as far as there are bytes.
    parts: list[bytes] = []
    missing = size
    while missing:
        part = file.read(min(missing, _PART))
        if not part:
            raise Malformed(where, "breaks off")
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
