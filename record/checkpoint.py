"""Checkpoints: the signed head of the log, as C2SP signed-note and tlog-checkpoint.

A checkpoint is a text of three lines (origin, tree size, root in base64), a blank
line and signature lines. The log's key is pinned in the election artifact as a
C2SP verifier key; its name is the origin. Signatures of other keys (witnesses)
are carried along and ignored here: `cosignature` and `policy` judge them. Nothing
of a checkpoint means anything before `verify_checkpoint` has passed it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from crypto.errors import InvalidProof, Malformed, Rejected
from record.merkle import HASH_BYTES
from record.note import (
    MAX_BYTES,
    MAX_ORIGIN,
    MAX_SIGNATURES,
    NoteSignature,
    VerifierKey,
    check_origin,
    parse_base64,
    parse_note,
    parse_verifier_key,
    signatures_by,
    verifier_key,
    verify_ed25519,
)

__all__ = [
    "CHECK",
    "MAX_BYTES",
    "MAX_ORIGIN",
    "MAX_SIGNATURES",
    "MAX_SIZE",
    "Checkpoint",
    "NoteSignature",
    "SignedCheckpoint",
    "VerifierKey",
    "check_origin",
    "parse_checkpoint",
    "parse_size",
    "parse_verifier_key",
    "sign_checkpoint",
    "verifier_key",
    "verify_checkpoint",
    "verify_log_signatures",
]

MAX_SIZE = 2**63 - 1

CHECK = "R.checkpoint"
"""The id of the check that a checkpoint is signed by the log it names."""

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log: origin, number of leaves, root (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """What is signed: three lines, each ended by a newline."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode('ascii')}\n"


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A parsed note. Its checkpoint is a claim until `verify_checkpoint` has passed.

    `text` is what is signed: another log than ours may have lines after the root.
    """

    checkpoint: Checkpoint
    text: str
    signatures: tuple[NoteSignature, ...]


def sign_checkpoint(checkpoint: Checkpoint, private_key: Ed25519PrivateKey) -> bytes:
    """The signed note of a checkpoint, by the key of its origin."""
    text = checkpoint.text()
    key = verifier_key(checkpoint.origin, private_key.public_key().public_bytes_raw())
    signature = NoteSignature(key.name, key.key_id, private_key.sign(text.encode()))
    return f"{text}\n{signature.line()}".encode()


def parse_checkpoint(
    data: bytes, field: str = "checkpoint", *, any_log: bool = False
) -> SignedCheckpoint:
    """The note that `data` holds, signatures unchecked; raises Malformed.

    With `any_log`, whatever tlog-checkpoint allows to any log: an origin that is no
    key name, and extension lines. A record of ours has neither.
    """
    note = parse_note(data, field)
    return SignedCheckpoint(_checkpoint(note.text, field, any_log), note.text, note.signatures)


def verify_checkpoint(data: bytes, key: VerifierKey, field: str = "checkpoint") -> Checkpoint:
    """The checkpoint in `data`, signed by the log whose key is `key`.

    Raises Malformed if it is no checkpoint, Rejected if it is another log's or
    the log's signature is missing or false.
    """
    signed = parse_checkpoint(data, field)
    verify_log_signatures(signed, [key], field)
    return signed.checkpoint


def verify_log_signatures(
    signed: SignedCheckpoint, keys: Iterable[VerifierKey], field: str = "checkpoint"
) -> VerifierKey:
    """The first of a log's `keys` that has signed; none of them may have signed falsely.

    Raises Rejected if the checkpoint is another log's, no key has signed it, or a
    signature with the name and id of one of the keys does not fit.
    """
    keys = list(keys)
    origin = signed.checkpoint.origin
    ours = [key for key in keys if key.name == origin]
    if not ours:
        names = ", ".join(dict.fromkeys(key.name for key in keys)) or "any known log"
        raise Rejected(CHECK, f"the checkpoint is of {origin}, not of {names}", where=field)
    signers = [key for key in ours if _has_signed(signed, key, field)]
    if not signers:
        raise Rejected(CHECK, f"no signature of {origin}", where=field)
    return signers[0]


def _has_signed(signed: SignedCheckpoint, key: VerifierKey, field: str) -> bool:
    signatures = signatures_by(signed.signatures, key)
    for signature in signatures:
        try:
            verify_ed25519(key, signature.signature, signed.text.encode())
        except InvalidProof as error:
            raise Rejected(CHECK, error.problem, culprit=key.name, where=field) from None
    return bool(signatures)


def parse_size(text: str, field: str) -> int:
    """A tree size or an index: decimal, no leading zeroes, below 2^63; raises Malformed."""
    if not _SIZE.fullmatch(text) or int(text) > MAX_SIZE:
        raise Malformed(field, "is not a decimal number below 2^63 without leading zeroes")
    return int(text)


def parse_hash(text: str, field: str, what: str = "hash") -> bytes:
    """A hash of 32 bytes in base64; raises Malformed, which calls it `what`."""
    digest = parse_base64(text, field)
    if len(digest) != HASH_BYTES:
        raise Malformed(field, f"has a {what} of {len(digest)} bytes instead of {HASH_BYTES}")
    return digest


def _checkpoint(text: str, field: str, any_log: bool) -> Checkpoint:
    lines = text[:-1].split("\n")
    if len(lines) != 3 and not (any_log and len(lines) > 3):
        problem = f"has {len(lines)} lines before its signatures instead of 3"
        raise Malformed(field, problem, "Origin, tree size and root, one line each.")
    if not all(lines):
        raise Malformed(field, "has an empty line before its signatures")
    origin, size, root = lines[:3]
    if not any_log:
        check_origin(origin, field)
    digest = parse_hash(root, field, "root")
    return Checkpoint(origin, parse_size(size, field), digest)
