"""Signed notes and checkpoints of the log (C2SP signed-note and tlog-checkpoint)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

MAX_NOTE = 256 << 10
"""Bytes of a signed note at most; far above any honest number of signatures."""
MAX_SIGNATURES = 100
MAX_SIZE = 2**63 - 1
"""Leaves of a tree at most, as far as anybody counts."""

ED25519 = 1
"""Type of a key that signs notes: a log's."""
COSIGNATURE = 4
"""Type of a key that signs a time and a note: a witness's."""
_ID_WIDTH = 4


class NoteError(ValueError):
    """A verifier key or a checkpoint is malformed, or its signature does not hold."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key: `<name>+<8 hex digits>+<base64 of the type and the key>`.

    A log's has type 01, a witness's 04. The type is hashed into the id, so that a
    signature of the one kind is never taken for one of the other.
    """

    text: str
    name: str
    key_id: bytes
    public_key: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's signed statement of its size and root; signatures are not checked yet."""

    origin: str
    size: int
    root: bytes
    text: bytes
    signatures: tuple[tuple[str, bytes], ...]
    """Of each line: the key's name, and the key's id with the signature."""
    extended: bool = False
    """Whether lines follow the root, which a log of ours never signs."""

    def signed_by(self, key: VerifierKey) -> list[bytes]:
        """Return the signatures with a key's name and id, unchecked."""
        return [
            signature[_ID_WIDTH:]
            for name, signature in self.signatures
            if name == key.name and signature[:_ID_WIDTH] == key.key_id
        ]


def unbase64(text: str, what: str) -> bytes:
    """Decode base64 in its one canonical form. Raises NoteError."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError(f"{what} is not base64") from error
    if base64.b64encode(data).decode() != text:
        raise NoteError(f"{what} is not canonical base64")
    return data


def _check_name(name: str) -> None:
    if not name or "+" in name or any(character.isspace() for character in name):
        raise NoteError("a key's name is empty or contains white space or '+'")


def parse_verifier_key(text: str, kind: int = ED25519) -> VerifierKey:
    """Parse a C2SP verifier key of a type, ED25519 or COSIGNATURE. Raises NoteError."""
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise NoteError("a verifier key has three parts: <name>+<8 hex digits>+<base64>")
    name, key_id, encoded = parts
    _check_name(name)
    data = unbase64(encoded, "the verifier key")
    if len(data) != 33 or data[0] != kind:
        raise NoteError(f"the verifier key is not an Ed25519 key (type {kind:02x}, 32 bytes)")
    expected = hashlib.sha256(name.encode() + b"\n" + data).digest()[:_ID_WIDTH]
    if key_id != expected.hex():
        raise NoteError(f"the verifier key's id is not {expected.hex()}, the hash of its parts")
    return VerifierKey(text, name, expected, data[1:])


def _parse_signature(line: str) -> tuple[str, bytes]:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "\u2014":
        raise NoteError("a signature line is not '\u2014 <name> <base64>'")
    _check_name(parts[1])
    signature = unbase64(parts[2], "a signature")
    if len(signature) <= _ID_WIDTH:
        raise NoteError("a signature is too short")
    return parts[1], signature


def parse_size(text: str, what: str) -> int:
    """Parse a tree size or an index: decimal, below 2^63. Raises NoteError."""
    plain = text.isascii() and text.isdigit() and len(text) <= len(str(MAX_SIZE))
    if not plain or str(int(text)) != text or int(text) > MAX_SIZE:
        raise NoteError(f"{what} is not a plain decimal number below 2^63")
    return int(text)


def parse_checkpoint(data: bytes, *, extensions: bool = False) -> Checkpoint:
    """Parse a checkpoint: origin, size, root; a blank line; signatures. Raises NoteError.

    `extensions` allows lines after the root, as tlog-checkpoint allows them to any log.
    """
    if len(data) > MAX_NOTE:
        raise NoteError(f"the checkpoint has {len(data)} bytes, more than {MAX_NOTE}")
    try:
        note = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NoteError("the checkpoint is not UTF-8") from error
    if any(character < " " and character != "\n" for character in note):
        raise NoteError("the checkpoint contains control characters")
    text, separator, signatures = note.rpartition("\n\n")
    if not separator or not signatures.endswith("\n"):
        raise NoteError("the checkpoint has no signature lines after a blank line")
    lines = text.split("\n")
    if not (len(lines) == 3 or (extensions and len(lines) > 3)) or not all(lines):
        raise NoteError("the checkpoint's text is not the three lines origin, size, root")
    origin, size, root = lines[:3]
    digest = unbase64(root, "the checkpoint's root")
    if len(digest) != 32:
        raise NoteError("the checkpoint's root is not 32 bytes")
    signed = signatures[:-1].split("\n")
    if len(signed) > MAX_SIGNATURES:
        raise NoteError(f"the checkpoint has {len(signed)} signatures, more than {MAX_SIGNATURES}")
    return Checkpoint(
        origin,
        parse_size(size, "the checkpoint's tree size"),
        digest,
        (text + "\n").encode(),
        tuple(_parse_signature(line) for line in signed),
        len(lines) > 3,
    )


def verify_checkpoint(checkpoint: Checkpoint, key: VerifierKey) -> None:
    """Check origin and signature under a log's key; other keys' lines are ignored.

    Raises NoteError.
    """
    if checkpoint.origin != key.name:
        raise NoteError(f"its origin is {checkpoint.origin!r}, its key's name {key.name!r}")
    ours = checkpoint.signed_by(key)
    if not ours:
        raise NoteError("it carries no signature of the log's key")
    for signature in ours:
        if not ed25519_holds(key.public_key, signature, checkpoint.text):
            raise NoteError("the log's signature is wrong")


def ed25519_holds(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether an Ed25519 signature holds; a malformed key or signature does not."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
