"""Cosignatures: what a witness says about a checkpoint (C2SP tlog-cosignature, Ed25519).

A witness signs the checkpoint's text and the time: as of then, this is the largest
tree of this log that it has seen, and it grew from every earlier one. On the note
that is one more signature line, with the time (8 bytes, big-endian POSIX seconds) in
front of the Ed25519 signature.
"""

from __future__ import annotations

from collections.abc import Iterable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from crypto.errors import InvalidProof, Rejected
from record.note import (
    NoteSignature,
    SignatureType,
    VerifierKey,
    parse_signatures,
    parse_verifier_key,
    signatures_by,
    verifier_key,
    verify_ed25519,
)

CHECK = "R.cosignature"
"""The id of the check that a witness has signed what it is said to have signed."""

MAX_TIME = 2**63 - 1
TIME_BYTES = 8
SIGNATURE_BYTES = TIME_BYTES + 64


def cosigner_key(name: str, public_key: bytes) -> VerifierKey:
    """The key (type 04) of the witness `name`. Raises Malformed if that is no name."""
    return verifier_key(name, public_key, SignatureType.COSIGNATURE)


def parse_cosigner_key(text: str, field: str = "witness key") -> VerifierKey:
    """The witness's key that a verifier key says; raises Malformed, also for a log's key."""
    return parse_verifier_key(text, field, SignatureType.COSIGNATURE)


def cosigned_message(text: str, time: int) -> bytes:
    """What a witness signs: two lines of its own, then the checkpoint's text to its last newline.

    `time` is in POSIX seconds, 0 to 2^63 - 1.
    """
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def cosign(text: str, key: VerifierKey, private_key: Ed25519PrivateKey, time: int) -> NoteSignature:
    """A witness's signature, made at `time`, on the text of a checkpoint.

    Raises ValueError for a time that is not 1 to 2^63 - 1: a witness never leaves it out.
    """
    if not 0 < time <= MAX_TIME:
        raise ValueError("a cosignature has a time, in POSIX seconds")
    signature = private_key.sign(cosigned_message(text, time))
    return NoteSignature(key.name, key.key_id, time.to_bytes(TIME_BYTES, "big") + signature)


def verify_cosignature(
    signature: NoteSignature, key: VerifierKey, text: str, field: str = "checkpoint"
) -> int:
    """The time (POSIX seconds) at which the witness `key` signed this text.

    Raises Rejected if it did not.
    """
    data = signature.signature
    time = int.from_bytes(data[:TIME_BYTES], "big")
    problem = ""
    if len(data) != SIGNATURE_BYTES or time > MAX_TIME:
        problem = "the cosignature is not a time of 8 bytes and a signature of 64"
    else:
        try:
            verify_ed25519(key, data[TIME_BYTES:], cosigned_message(text, time))
        except InvalidProof:
            problem = "the cosignature does not fit the text"
    if problem:
        raise Rejected(CHECK, problem, culprit=key.name, where=field)
    return time


def cosigned_at(
    signatures: Iterable[NoteSignature], key: VerifierKey, text: str, field: str = "checkpoint"
) -> int | None:
    """The latest time at which `key` signed this text; None if it did not sign.

    Every signature with the key's name and id has to hold: raises Rejected.
    """
    ours = signatures_by(signatures, key)
    times = [verify_cosignature(signature, key, text, field) for signature in ours]
    return max(times, default=None)


def parse_answer(
    answer: bytes, key: VerifierKey, text: str, field: str = "answer"
) -> tuple[NoteSignature, ...]:
    """The signatures of `key` in a witness's answer to add-checkpoint, all verified.

    Signatures of other keys are left out (tlog-witness: "the client MUST ignore" them).
    Raises Malformed if it is no list of signatures, Rejected if there is none by the
    key, a false one, or one without a time.
    """
    signatures = parse_signatures(answer, field)
    ours = tuple(signatures_by(signatures, key))
    if not ours:
        raise Rejected(CHECK, f"no cosignature of {key.name}", culprit=key.name, where=field)
    for signature in ours:
        if verify_cosignature(signature, key, text, field) == 0:
            problem = "the cosignature leaves out the time"
            raise Rejected(CHECK, problem, culprit=key.name, where=field)
    return ours
