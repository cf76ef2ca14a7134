"""Signed notes (C2SP signed-note): a text, a blank line, one signature line per key.

    parse_note(data)            -> Note(text, signatures)
    parse_verifier_key(vkey)    -> VerifierKey
    signature_line(key, bytes)  -> one more line for the end of a note

A key signs in one of two ways, and its type says in which: a log signs the text
itself (type 01), a witness signs the text and a time (type 04, `cosignature`).
The type is part of the key id, so a signature can never be taken for the other kind.
Signatures by keys nobody knows are carried along and ignored.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from crypto.errors import InvalidProof, Malformed

MAX_BYTES = 256 * 1024
"""A checkpoint with 16 post-quantum witness signatures has about 80 KiB."""
MAX_SIGNATURES = 100
MAX_ORIGIN = 200
KEY_ID_BYTES = 4
PUBLIC_KEY_BYTES = 32


class SignatureType(IntEnum):
    """What an Ed25519 key signs; the byte in front of the key in a verifier key."""

    NOTE = 1
    """The text of the note. Logs."""
    COSIGNATURE = 4
    """A time and the text of a checkpoint. Witnesses."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """Who signs: name (a log's is its origin), key id (4 bytes), Ed25519 public key (32)."""

    name: str
    key_id: bytes
    public_key: bytes
    kind: SignatureType = SignatureType.NOTE

    def __str__(self) -> str:
        """As in the election artifact: <name>+<8 hex digits>+<base64>."""
        key = base64.b64encode(bytes([self.kind]) + self.public_key).decode("ascii")
        return f"{self.name}+{self.key_id.hex()}+{key}"


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: key name, key id (4 bytes), signature."""

    name: str
    key_id: bytes
    signature: bytes

    def line(self) -> str:
        """As it stands in a note, with its newline."""
        signature = base64.b64encode(self.key_id + self.signature).decode("ascii")
        return f"— {self.name} {signature}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed note: the signed text with its last newline, and who says to have signed."""

    text: str
    signatures: tuple[NoteSignature, ...]


# --- Keys ------------------------------------------------------------------------


def verifier_key(
    name: str, public_key: bytes, kind: SignatureType = SignatureType.NOTE
) -> VerifierKey:
    """The key of the log or witness `name`. Raises Malformed if that is no name."""
    check_origin(name)
    if len(public_key) != PUBLIC_KEY_BYTES:
        raise ValueError("an Ed25519 public key has 32 bytes")
    digest = hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public_key).digest()
    return VerifierKey(name, digest[:KEY_ID_BYTES], public_key, kind)


def parse_verifier_key(
    text: str, field: str = "log_key", kind: SignatureType = SignatureType.NOTE
) -> VerifierKey:
    """The key that a text like `origin+0123abcd+AX...` says.

    Raises Malformed: three parts, a name, an Ed25519 key of the type `kind` and the
    key id that belongs to all of these.
    """
    name, plus, rest = text.partition("+")
    key_id, second_plus, encoded = rest.partition("+")
    if not plus or not second_plus:
        raise Malformed(field, "is not of the form <origin>+<key id>+<key>")
    check_origin(name, field)
    key = parse_base64(encoded, field)
    if len(key) != 1 + PUBLIC_KEY_BYTES or key[0] != kind:
        problem = f"is not an Ed25519 key of type {kind:02x}"
        raise Malformed(field, problem, "Keys of other types are not used here.")
    made = verifier_key(name, key[1:], kind)
    if made.key_id.hex() != key_id:
        raise Malformed(field, "has a key id that does not belong to its origin and key")
    return made


def check_origin(origin: str, field: str = "origin") -> None:
    """Raises Malformed unless `origin` can name a log and its key, or a witness.

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


# --- Notes -----------------------------------------------------------------------


def parse_note(data: bytes, field: str = "note") -> Note:
    """The note that `data` holds, signatures unchecked; raises Malformed.

    At most 256 KiB and 100 signatures.
    """
    text, lines = _split_note(_decode(data, field), field)
    return Note(text, _signatures(lines, field))


def parse_signatures(data: bytes, field: str = "signatures") -> tuple[NoteSignature, ...]:
    """One or more signature lines without a text, as a witness answers; raises Malformed."""
    lines = _decode(data, field)
    if not lines.endswith("\n"):
        raise Malformed(field, "does not end with a newline")
    return _signatures(lines[:-1].split("\n"), field)


def signatures_by(signatures: Iterable[NoteSignature], key: VerifierKey) -> list[NoteSignature]:
    """Those with the key's name and id. Only they have to verify; others mean nothing."""
    return [s for s in signatures if (s.name, s.key_id) == (key.name, key.key_id)]


def verify_ed25519(key: VerifierKey, signature: bytes, message: bytes) -> None:
    """Raises InvalidProof unless `signature` (64 bytes) over `message` is by `key`."""
    try:
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise InvalidProof("the signature does not fit the text") from None


def with_signatures(note: bytes, signatures: Iterable[NoteSignature]) -> bytes:
    """The note with more signatures at its end.

    A new signature takes the place of every older one with its name and key id: a
    witness that cosigns again replaces its cosignature. Raises Malformed.
    """
    parsed = parse_note(note)
    merged = {(s.name, s.key_id): s for s in signatures}
    kept = [s for s in parsed.signatures if (s.name, s.key_id) not in merged]
    lines = "".join(s.line() for s in [*kept, *merged.values()])
    return f"{parsed.text}\n{lines}".encode()


def parse_base64(text: str, field: str) -> bytes:
    """Standard base64 in its only canonical form, not empty; raises Malformed."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not data or base64.b64encode(data).decode("ascii") != text:
        raise Malformed(field, "has something that is not canonical base64")
    return data


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


def _signatures(lines: list[str], field: str) -> tuple[NoteSignature, ...]:
    if len(lines) > MAX_SIGNATURES:
        raise Malformed(field, f"has {len(lines)} signatures, more than {MAX_SIGNATURES}")
    return tuple(_signature(line, field) for line in lines)


def _signature(line: str, field: str) -> NoteSignature:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "—":
        raise Malformed(field, "has a signature line that is not `— <key name> <base64>`")
    name = parts[1]
    if not name or "+" in name or any(c.isspace() for c in name):
        raise Malformed(field, "has a signature by a key without a proper name")
    signature = parse_base64(parts[2], field)
    if len(signature) <= KEY_ID_BYTES:
        raise Malformed(field, "has an empty signature")
    return NoteSignature(name, signature[:KEY_ID_BYTES], signature[KEY_ID_BYTES:])
