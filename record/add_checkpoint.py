"""The request with which a log asks a witness for its cosignature (C2SP tlog-witness).

    old 20852014
    <hashes of the consistency proof, in base64, one a line>

    <the checkpoint with its signatures>

A witness answers 200 with signature lines (`cosignature.parse_answer`), or 409 with the
size that it knows (`parse_known_size`): then the proof has to begin there.
"""

from __future__ import annotations

from dataclasses import dataclass

from crypto.errors import Malformed
from record import note
from record.checkpoint import SignedCheckpoint, parse_checkpoint, parse_size
from record.hash_lines import format_hashes, parse_hashes, split_checkpoint

PATH = "add-checkpoint"
"""Below a witness's submission prefix."""
SIZE_TYPE = "text/x.tlog.size"
"""The content type of an answer 409."""
MAX_BYTES = note.MAX_BYTES + 4096


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """The claim that the tree of `old_size` leaves grew into that of the checkpoint.

    `proof` are the hashes of RFC 6962, 2.1.2, 32 bytes each; `note` is the signed
    checkpoint, byte for byte, and `signed` what it says.
    """

    old_size: int
    proof: tuple[bytes, ...]
    note: bytes
    signed: SignedCheckpoint


def format_add_checkpoint(old_size: int, proof: tuple[bytes, ...], checkpoint: bytes) -> bytes:
    """The body of the request."""
    return "\n".join([f"old {old_size}", *format_hashes(proof), "", ""]).encode() + checkpoint


def parse_add_checkpoint(data: bytes, field: str = "request") -> AddCheckpoint:
    """The request in a body; raises Malformed. Nothing in it is verified."""
    if len(data) > MAX_BYTES:
        raise Malformed(field, f"has more than {MAX_BYTES} bytes")
    (first, *lines), checkpoint = split_checkpoint(data, field)
    if not first.startswith("old "):
        raise Malformed(field, "does not begin with `old <size>`")
    old_size = parse_size(first.removeprefix("old "), f"{field}, old size")
    proof = parse_hashes(lines, field)
    signed = parse_checkpoint(checkpoint, f"{field}, checkpoint", any_log=True)
    return AddCheckpoint(old_size, proof, checkpoint, signed)


def parse_known_size(data: bytes, field: str = "answer") -> int:
    """The size in the answer 409: decimal, then a newline; raises Malformed."""
    text = data[:32].decode("ascii", "replace")
    if not text.endswith("\n") or len(data) > 32:
        raise Malformed(field, "is not a tree size and a newline")
    return parse_size(text[:-1], field)
