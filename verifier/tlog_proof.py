"""Proofs about the log's tree: inclusion and consistency (RFC 6962), and the file of one.

A `.tlog-proof` (C2SP tlog-proof) has an index, the audit path of the leaf there, and the
checkpoint whose root the path leads to. What it is a proof of, the leaf, is not in it.

The proofs are taken apart from the root down, as RFC 6962 builds them: a tree of n leaves
splits at the largest power of two below n.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from verifier.hashing import HASH_WIDTH
from verifier.merkle import node_hash
from verifier.note import MAX_NOTE, Checkpoint, NoteError, parse_checkpoint, parse_size, unbase64

HEADER = "c2sp.org/tlog-proof@v1"
MAX_EXTRA = 64 << 10
MAX_PATH = 63
"""Hashes of an audit path at most: as many levels has a tree of 2^63 leaves."""
MAX_PROOF = MAX_NOTE + 2 * MAX_EXTRA
"""Bytes of a file at most."""


class ProofError(ValueError):
    """A proof does not lead where it should."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What a file says: index, path (32 bytes each), checkpoint, extra data or None."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: Checkpoint
    extra: bytes | None


def parse_hash(text: str) -> bytes:
    """Decode a hash of 32 bytes in base64. Raises NoteError."""
    digest = unbase64(text, "a hash of the proof")
    if len(digest) != HASH_WIDTH:
        raise NoteError(f"a hash of the proof is {len(digest)} bytes long, not {HASH_WIDTH}")
    return digest


def parse_proof(data: bytes) -> Proof:
    """Parse a `.tlog-proof`. Raises NoteError; nothing is verified."""
    if len(data) > MAX_PROOF:
        raise NoteError(f"it has {len(data)} bytes, more than {MAX_PROOF}")
    head, blank, note = data.partition(b"\n\n")
    if not blank or not head.isascii():
        raise NoteError("no lines in ASCII, an empty line and a checkpoint")
    lines = head.decode("ascii").split("\n")
    if lines[0] != HEADER:
        raise NoteError(f"it does not begin with the line {HEADER}")
    position, extra = 1, None
    if len(lines) > position and lines[position].startswith("extra "):
        extra = unbase64(lines[position].removeprefix("extra "), "the extra line")
        if not 0 < len(extra) <= MAX_EXTRA:
            raise NoteError(f"the extra line holds {len(extra)} bytes, not 1 to {MAX_EXTRA}")
        position += 1
    if len(lines) <= position or not lines[position].startswith("index "):
        raise NoteError("there is no index line where it belongs")
    index = parse_size(lines[position].removeprefix("index "), "the index")
    path = lines[position + 1 :]
    if len(path) > MAX_PATH:
        raise NoteError(f"it has {len(path)} hashes, more than {MAX_PATH}")
    hashes = tuple(parse_hash(line) for line in path)
    return Proof(index, hashes, parse_checkpoint(note, extensions=True), extra)


def _split(size: int) -> int:
    """Return the largest power of two below a size, which is at least 2."""
    return 1 << ((size - 1).bit_length() - 1)


def root_over(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """Return the root that an audit path leads to (RFC 6962, 2.1.1). Raises ProofError."""
    if not 0 <= index < size:
        raise ProofError(f"there is no leaf {index} in a tree of {size}")
    if size == 1:
        if path:
            raise ProofError("the audit path is too long")
        return leaf
    if not path:
        raise ProofError("the audit path is too short")
    left = _split(size)
    if index < left:
        return node_hash(root_over(leaf, index, left, path[:-1]), path[-1])
    return node_hash(path[-1], root_over(leaf, index - left, size - left, path[:-1]))


def verify_inclusion(
    leaf: bytes, index: int, size: int, root: bytes, path: Sequence[bytes]
) -> None:
    """Check that a leaf hash stands at an index of the tree. Raises ProofError."""
    if root_over(leaf, index, size, path) != root:
        raise ProofError("the audit path leads to another root")


def verify_consistency(
    old: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that a tree grew from a smaller one (RFC 6962, 2.1.2). Raises ProofError."""
    if not 0 <= old <= size:
        raise ProofError(f"a tree of {size} cannot have grown from one of {old}")
    if old == 0:
        if proof or old_root != hashlib.sha256().digest():
            raise ProofError("a tree of no leaves has one root, and needs no proof")
        if size == 0 and root != old_root:
            raise ProofError("a tree of no leaves has one root")
        return
    if _roots(old, size, proof, old_root) != (old_root, root):
        raise ProofError("the consistency proof leads to other roots")


def _roots(old: int, size: int, proof: Sequence[bytes], known: bytes | None) -> tuple[bytes, bytes]:
    """Return the roots of the first `old` leaves and of all, as the proof has them.

    `known` is the old root where the old tree is itself a node of the larger one, and
    None where that node has to be given.
    """
    if old == size:
        if len(proof) != (known is None):
            raise ProofError("the consistency proof has the wrong length")
        node = proof[0] if known is None else known
        return node, node
    if not proof:
        raise ProofError("the consistency proof is too short")
    left, sibling = _split(size), proof[-1]
    if old <= left:
        before, after = _roots(old, left, proof[:-1], known)
        return before, node_hash(after, sibling)
    before, after = _roots(old - left, size - left, proof[:-1], None)
    return node_hash(sibling, before), node_hash(sibling, after)
