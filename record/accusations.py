"""Accusations: one signed message that proves by itself that its trustee broke the protocol.

The message is not on the record, because it cannot be. An accusation holds it, and this
module says which fault it has, from the record as it stands before the accusation: for
the server, which publishes it, and for everybody who reads it (docs/record.md,
"Accusations").

Whoever was shown another record is not to blame for what it said there. A message
counts in its own phase and round, with the transcript of this record. It contradicts
another one of the same trustee, at any time, if both have the same transcript: an election
that was begun again has the same H_B, and what was said in the first stays signed. Only that
it is no value at all needs nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from google.protobuf.message import DecodeError

from crypto.errors import Malformed, Rejected
from record.artifacts import (
    PART,
    SIGNATURE_SIZE,
    TRUSTEE_STATEMENTS,
    Accusation,
    Artifact,
    EncryptedShares,
    KeyCommitment,
    KeyConfirmation,
    ShareAnswer,
    ShareComplaint,
    TrusteeKeys,
    TrusteeStatement,
    kind_of,
    signed_message,
)
from record.ceremony_rules import equivocation
from record.rule import Read
from record.state import State
from record.tally_rules import ROUND_OF, RoundPart
from sailau.v1 import record_pb2

if TYPE_CHECKING:
    from record.transcript import Transcript

_AT_ONCE = ("R.key-commitment",)
"""Faults that show without a proof."""
_PROVED = (
    "R.trustee-keys",
    "2.A",
    "2.B",
    "2.C",
    "R.share-recipients",
    "R.share-proof",
    "R.share-answer",
    "R.decryption-commitment",
    "R.decryption-share",
)
_MAX_MESSAGE = 15 * 2**20
"""Bytes that an accusation can hold; what is longer is refused and proves nothing."""


def judge(transcript: Transcript, accusation: Accusation, read: Read) -> None:
    """Raise `Rejected` (R.accusation) unless the message has the fault that is named."""
    found = fault(transcript, accusation.message, accusation.trustee, read)
    problem = ""
    if found is None:
        problem = "the message does not show that its signer broke the protocol"
    elif found.check != accusation.check:
        problem = f"the message fails {found.check}, not {accusation.check}"
    if problem:
        where = f"accusation of trustee {accusation.trustee}"
        raise Rejected("R.accusation", problem, culprit="server", where=where)


def accusation_of(
    transcript: Transcript, message: bytes, trustee: int, read: Read
) -> Accusation | None:
    """What to publish about a message of `trustee` that the record cannot take, if anything."""
    found = fault(transcript, message, trustee, read)
    return None if found is None else Accusation(trustee, message, found.check)


def fault(transcript: Transcript, message: bytes, trustee: int, read: Read) -> Rejected | None:
    """Why `trustee`, by signing `message`, broke the protocol; None if it does not show.

    `message` is untrusted: nothing is raised, whatever it is.
    """
    if not _signed(transcript, message, trustee):
        return None
    try:
        artifact = transcript.parse(message)
    except Malformed as error:
        culprit = f"trustee {trustee}"
        return Rejected("R.encoding", str(error), culprit=culprit, where=error.field)
    statement = artifact.statement
    if not isinstance(statement, TRUSTEE_STATEMENTS):
        return None
    return _contradiction(transcript.state, statement, read) or _refuted(
        transcript, artifact, trustee, read
    )


def _signed(transcript: Transcript, message: bytes, trustee: int) -> bool:
    """Whether it is, encoded as it should be, a trustee's statement that `trustee` signed."""
    raw = record_pb2.Artifact()
    if len(message) > _MAX_MESSAGE:
        return False
    try:
        raw.ParseFromString(message)
    except DecodeError:
        return False
    kind = kind_of(raw)
    if kind is None or kind not in TRUSTEE_STATEMENTS or len(raw.signature) != 64:
        return False
    raw.DiscardUnknownFields()  # type: ignore[attr-defined, unused-ignore]
    if raw.SerializeToString(deterministic=True) != message:
        return False
    if getattr(raw, raw.WhichOneof("statement") or "").trustee != trustee:
        return False
    context = transcript.context
    if not 1 <= trustee <= context.trustees:
        return False
    key = Ed25519PublicKey.from_public_bytes(context.trustee_key(trustee).public_key)
    try:
        key.verify(raw.signature, signed_message(context.base_hash, message[:-SIGNATURE_SIZE]))
    except InvalidSignature:
        return False
    return True


def _contradiction(state: State, statement: TrusteeStatement, read: Read) -> Rejected | None:
    """R.equivocation, if the record has another statement of the trustee in its place.

    Both are about the same record, so that nobody was shown two.
    """
    known = _in_its_place(state, statement, read)
    if known is None or known == statement or known.transcript != statement.transcript:
        return None
    return equivocation(statement.trustee, type(statement).__name__)


def _in_its_place(state: State, statement: TrusteeStatement, read: Read) -> TrusteeStatement | None:
    i = statement.trustee
    match statement:
        case KeyCommitment():
            return state.key_commitments.get(i)
        case TrusteeKeys():
            return state.trustee_keys.get(i)
        case EncryptedShares():
            return state.encrypted_shares.get(i)
        case KeyConfirmation():
            return state.confirmations.get(i)
        case ShareAnswer():
            return state.complaints.get((statement.recipient, i))
        case ShareComplaint():
            return None  # two of them differ in their transcripts alone
    return _part_in_its_place(state, statement, read)


def _part_in_its_place(state: State, statement: RoundPart, read: Read) -> TrusteeStatement | None:
    session = state.session
    if session is None or session.number != statement.session or statement.first % PART:
        return None
    parts = session.parts.get((ROUND_OF[type(statement)], statement.trustee), [])
    number = statement.first // PART
    if number >= len(parts):
        return None
    known = read(parts[number]).statement
    if not isinstance(known, type(statement)):
        raise AssertionError("the rules of the record put only such messages here")
    return known


def _refuted(
    transcript: Transcript, artifact: Artifact, trustee: int, read: Read
) -> Rejected | None:
    if getattr(artifact.statement, "transcript", b"") != transcript.state.round_root:
        return None
    try:
        transcript.check(artifact)
    except Rejected as error:
        return error if error.check in _AT_ONCE else None
    try:
        transcript.prove(artifact, read)
    except Rejected as error:
        blamed = error.check in _PROVED and error.culprit == f"trustee {trustee}"
        return error if blamed else None
    return None
