"""Checkpoints: the signed head of the log, as C2SP signed-note and tlog-checkpoint.

A checkpoint is a text of three lines (origin, tree size, root in base64), a blank
line and signature lines. The log's key is pinned in the election artifact as a
C2SP verifier key; its name is the origin. Signatures of other keys (witnesses)
are carried along and ignored. Nothing of a checkpoint means anything before
`verify_checkpoint` has passed it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from crypto.errors import Malformed, Rejected
from record.merkle import HASH_BYTES

MAX_BYTES = 256 * 1024
"""A checkpoint with 16 post-quantum witness signatures has about 80 KiB."""
MAX_SIGNATURES = 100
MAX_ORIGIN = 200
MAX_SIZE = 2**63 - 1

CHECK = "R.checkpoint"
"""The id of the check that a checkpoint is signed by the log it names."""

_ED25519 = b"\x01"
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """Who signs a log: origin, key id (4 bytes) and Ed25519 public key (32 bytes)."""

    name: str
    key_id: bytes
    public_key: bytes

    def __str__(self) -> str:
        """As in the election artifact: <origin>+<8 hex digits>+<base64>."""
        key = base64.b64encode(_ED25519 + self.public_key).decode("ascii")
        return f"{self.name}+{self.key_id.hex()}+{key}"


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
class NoteSignature:
    """One signature line: key name, key id (4 bytes), signature."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A parsed note. Its checkpoint is a claim until `verify_checkpoint` has passed."""

    checkpoint: Checkpoint
    text: str
    signatures: tuple[NoteSignature, ...]


# --- Keys ------------------------------------------------------------------------


def verifier_key(origin: str, public_key: bytes) -> VerifierKey:
    """The key of the log `origin`. Raises Malformed if that is no origin."""
    check_origin(origin)
    if len(public_key) != 32:
        raise ValueError("an Ed25519 public key has 32 bytes")
    digest = hashlib.sha256(origin.encode() + b"\n" + _ED25519 + public_key).digest()
    return VerifierKey(origin, digest[:4], public_key)


def parse_verifier_key(text: str, field: str = "log_key") -> VerifierKey:
    """The key that a text like `origin+0123abcd+AX...` says.

    Raises Malformed: three parts, an origin, an Ed25519 key (type 01) and the key
    id that belongs to both.
    """
    name, plus, rest = text.partition("+")
    key_id, second_plus, encoded = rest.partition("+")
    if not plus or not second_plus:
        raise Malformed(field, "is not of the form <origin>+<key id>+<key>")
    check_origin(name, field)
    key = _base64(encoded, field)
    if len(key) != 33 or key[:1] != _ED25519:
        raise Malformed(field, "is not an Ed25519 key", "Keys of other types are not used here.")
    made = verifier_key(name, key[1:])
    if made.key_id.hex() != key_id:
        raise Malformed(field, "has a key id that does not belong to its origin and key")
    return made


def check_origin(origin: str, field: str = "origin") -> None:
    """Raises Malformed unless `origin` can name a log and its key.

    1 to 200 printable characters without white space and plus signs, best a URL
    without its scheme ("example.org/election-2005").
    """
    advice = "Use a URL without scheme, like example.org/election-2005."
    if not 0 < len(origin) <= MAX_ORIGIN:
        problem = f"has {len(origin)} characters as an origin, not 1..{MAX_ORIGIN}"
        raise Malformed(field, problem, advice)
    if not origin.isprintable() or "+" in origin or any(c.isspace() for c in origin):
        problem = "has white space, a plus sign or an unprintable character in its origin"
        raise Malformed(field, problem, advice)


# --- Signing and reading -----------------------------------------------------------


def sign_checkpoint(checkpoint: Checkpoint, private_key: Ed25519PrivateKey) -> bytes:
    """The signed note of a checkpoint, by the key of its origin."""
    text = checkpoint.text()
    key = verifier_key(checkpoint.origin, private_key.public_key().public_bytes_raw())
    signature = key.key_id + private_key.sign(text.encode())
    return f"{text}\n— {key.name} {base64.b64encode(signature).decode('ascii')}\n".encode()


def parse_checkpoint(data: bytes, field: str = "checkpoint") -> SignedCheckpoint:
    """The note that `data` holds, signatures unchecked; raises Malformed."""
    text, lines = _split_note(_decode(data, field), field)
    if len(lines) > MAX_SIGNATURES:
        raise Malformed(field, f"has {len(lines)} signatures, more than {MAX_SIGNATURES}")
    signatures = tuple(_signature(line, field) for line in lines)
    return SignedCheckpoint(_checkpoint(text, field), text, signatures)


def verify_checkpoint(data: bytes, key: VerifierKey, field: str = "checkpoint") -> Checkpoint:
    """The checkpoint in `data`, signed by the log whose key is `key`.

    Raises Malformed if it is no checkpoint, Rejected if it is another log's or
    the log's signature is missing or false.
    """
    signed = parse_checkpoint(data, field)
    if signed.checkpoint.origin != key.name:
        problem = f"the checkpoint is of {signed.checkpoint.origin}, not of {key.name}"
        raise Rejected(CHECK, problem, where=field)
    ours = [s for s in signed.signatures if (s.name, s.key_id) == (key.name, key.key_id)]
    if not ours:
        raise Rejected(CHECK, f"no signature of {key.name}", where=field)
    public_key = Ed25519PublicKey.from_public_bytes(key.public_key)
    for signature in ours:
        try:
            public_key.verify(signature.signature, signed.text.encode())
        except InvalidSignature:
            problem = "the signature does not fit the text"
            raise Rejected(CHECK, problem, culprit=key.name, where=field) from None
    return signed.checkpoint


def _decode(data: bytes, field: str) -> str:
    if len(data) > MAX_BYTES:
        raise Malformed(field, f"has {len(data)} bytes, more than {MAX_BYTES}")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(field, f"is not UTF-8 at byte {error.start}") from None
    if any(c < " " and c != "\n" for c in text):
        raise Malformed(field, "has a control character")
    return text


def _split_note(note: str, field: str) -> tuple[str, list[str]]:
    """The signed text with its last newline, and the signature lines without theirs."""
    text, blank, signatures = note.rpartition("\n\n")
    if not blank or not signatures.endswith("\n"):
        raise Malformed(field, "is not a signed note: text, blank line, signature lines")
    return text + "\n", signatures[:-1].split("\n")


def _signature(line: str, field: str) -> NoteSignature:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "—":
        raise Malformed(field, "has a signature line that is not `— <key name> <base64>`")
    name = parts[1]
    if not name or "+" in name or any(c.isspace() for c in name):
        raise Malformed(field, "has a signature by a key without a proper name")
    signature = _base64(parts[2], field)
    if len(signature) < 5:
        raise Malformed(field, "has an empty signature")
    return NoteSignature(name, signature[:4], signature[4:])


def _checkpoint(text: str, field: str) -> Checkpoint:
    lines = text[:-1].split("\n")
    if len(lines) != 3:
        problem = f"has {len(lines)} lines before its signatures instead of 3"
        raise Malformed(field, problem, "Origin, tree size and root, one line each.")
    origin, size, root = lines
    check_origin(origin, field)
    if not _SIZE.fullmatch(size) or int(size) > MAX_SIZE:
        raise Malformed(field, "has a tree size that is not a decimal number below 2^63")
    digest = _base64(root, field)
    if len(digest) != HASH_BYTES:
        raise Malformed(field, f"has a root of {len(digest)} bytes instead of {HASH_BYTES}")
    return Checkpoint(origin, int(size), digest)


def _base64(text: str, field: str) -> bytes:
    """Standard base64 in its only canonical form."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not data or base64.b64encode(data).decode("ascii") != text:
        raise Malformed(field, "has something that is not canonical base64")
    return data
