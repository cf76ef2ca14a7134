"""The framing of the record's files: artifacts behind a varint, entries behind two bytes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from verifier.archive import FileDamaged, Stream
from verifier.schema import pb
from verifier.wire import MAX_ARTIFACT


@dataclass(frozen=True, slots=True)
class Item:
    """One artifact: its number in the log and its bytes."""

    number: int
    data: bytes


class Frames:
    """Reads length-delimited artifacts from one file."""

    def __init__(self, stream: Stream) -> None:
        """Read from where the stream stands."""
        self._stream = stream
        self._offset = 0
        self.digest = hashlib.sha256()
        self.start = 0
        """Where the frame of the last artifact begins."""
        self.crooked = False
        """Whether its length was not written in the shortest way."""

    def _take(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._offset += len(data)
        self.digest.update(data)
        return data

    def _length(self) -> int | None:
        length, shift = 0, 0
        while shift < 35:
            byte = self._take(1)
            if not byte:
                if shift:
                    raise FileDamaged(f"{self._stream.name} ends inside a length")
                return None
            length |= (byte[0] & 0x7F) << shift
            shift += 7
            if byte[0] < 0x80:
                self.crooked = byte[0] == 0 and shift > 7
                return length
        raise FileDamaged(f"{self._stream.name}: a length of more than five bytes")

    def next(self) -> bytes | None:
        """Return the next artifact, or None at the end."""
        self.start = self._offset
        length = self._length()
        if length is None:
            return None
        if length > MAX_ARTIFACT:
            raise FileDamaged(
                f"{self._stream.name}: an artifact of {length} bytes; {MAX_ARTIFACT} are allowed"
            )
        data = self._take(length)
        if len(data) != length:
            raise FileDamaged(f"{self._stream.name} ends inside an artifact")
        return data


def split_bundle(data: bytes, width: int) -> list[bytes]:
    """Split an entry bundle into `width` entries. Raises ValueError."""
    entries, position = [], 0
    while position < len(data):
        length = int.from_bytes(data[position : position + 2], "big")
        end = position + 2 + length
        if position + 2 > len(data) or end > len(data):
            raise ValueError("the entry bundle ends inside an entry")
        entries.append(data[position + 2 : end])
        position = end
    if len(entries) != width:
        raise ValueError(f"the entry bundle holds {len(entries)} entries, not {width}")
    return entries


def kind_of_entry(published: bytes) -> int:
    """Return the kind an entry names, 0 if it cannot be read."""
    try:
        return int(pb.Entry.FromString(published).kind)
    except (DecodeError, ValueError):
        return 0
