"""Artifacts: the statements of which a record consists, as frozen, checked values.

`parse_artifact` is the only road from bytes to an `Artifact`, `sign_statement` the
only one from a value to bytes. Both keep to the one valid encoding of
docs/record.md. What may stand where is `transcript`'s business, what is proved
`proofs`'.
"""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass
from typing import Protocol, TypeAlias, get_args

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from google.protobuf.message import DecodeError

from crypto.elgamal import Ciphertext
from crypto.errors import Malformed, Rejected
from crypto.group import Group
from crypto.range_proof import RangeProof
from crypto.schnorr import KeyProof, SchnorrProof
from crypto.sealing import SealedNonce, SealedShares
from record import wire
from record.wire import (
    ChainingField,
    Count,
    Details,
    Element,
    Hash,
    Index,
    Label,
    LargeBytes,
    OptionalChainingField,
    OptionalHash,
    OptionalLabel,
    OptionalText,
    OptionalTime,
    Scalar,
    SharesCiphertext,
    SmallCount,
    Text,
    Time,
)
from sailau.v1 import record_pb2

MAX_ARTIFACT = 16 * 2**20
MAX_BALLOT = 2**20
PART = 512
"""Entries in one part of a decryption round."""

_CONTEXT = b"sailau.v1.Artifact\x00"
_COMMITMENT_CONTEXT = b"sailau.v1.KeyCommitment\x00"
UNSEEN = bytes(32)
"""A `transcript` that whoever signs the statement has yet to fill in."""
# Tag (2 bytes) and length (1) of the signature field, then 64 bytes: always the last 67.
SIGNATURE_SIZE = 67


class Signer(Protocol):
    """Whatever holds an Ed25519 private key."""

    def sign(self, message: bytes, /) -> bytes:
        """The signature over `message`, 64 bytes."""
        ...


class Role(enum.IntEnum):
    """Who speaks."""

    ADMINISTRATOR = 1
    SERVER = 2
    TRUSTEE = 3
    DEVICE = 4


@dataclass(frozen=True, slots=True)
class RoleKey:
    """A role's Ed25519 public key, 32 bytes; `index` is i for a trustee, else 0."""

    role: Role
    name: Label
    index: SmallCount
    public_key: Hash


@dataclass(frozen=True, slots=True)
class Election:
    """Artifact 0. `p`, `q`, `g` are raw here: the group is derived from them."""

    version: Label
    p: LargeBytes
    q: LargeBytes
    g: LargeBytes
    trustees: Index
    quorum: Index
    parameter_base_hash: Hash
    manifest: LargeBytes
    base_hash: Hash
    log_key: Text
    role_keys: tuple[RoleKey, ...]


class Purpose(enum.IntEnum):
    """What a decryption session decrypts."""

    TALLY = 0
    DRILL = 1
    BALLOT = 2


@dataclass(frozen=True, slots=True)
class KeyCommitment:
    """Trustee i fixes its keys before it sees anybody else's; see `key_commitment`."""

    trustee: Index
    commitment: Hash
    transcript: Hash = UNSEEN


@dataclass(frozen=True, slots=True)
class TrusteeKeys:
    """The public half of trustee i's key generation (spec 3.2.2)."""

    trustee: Index
    vote_commitments: tuple[Element, ...]
    data_commitments: tuple[Element, ...]
    communication_key: Element
    vote_proof: KeyProof
    data_proof: KeyProof
    transcript: Hash = UNSEEN


@dataclass(frozen=True, slots=True)
class EncryptedShare:
    """The shares of P_i and P-hat_i for one recipient (spec 3.2.2, eq. 19)."""

    recipient: Index
    c0: Element
    c1: SharesCiphertext
    c2: SchnorrProof

    @property
    def sealed(self) -> SealedShares:
        """The ciphertext without its address."""
        return SealedShares(self.c0, self.c1, self.c2)


@dataclass(frozen=True, slots=True)
class EncryptedShares:
    """Trustee i's shares for all others, by ascending recipient."""

    trustee: Index
    shares: tuple[EncryptedShare, ...]
    transcript: Hash = UNSEEN


@dataclass(frozen=True, slots=True)
class ShareComplaint:
    """Trustee l (`trustee`) cannot accept the share that trustee i (`sender`) sent it."""

    trustee: Index
    sender: Index
    transcript: Hash = UNSEEN


@dataclass(frozen=True, slots=True)
class ShareAnswer:
    """Trustee i opens the share for `recipient` with the nonce xi_i,l (spec 3.2.2, eq. 15)."""

    trustee: Index
    recipient: Index
    nonce: Scalar
    transcript: Hash = UNSEEN


@dataclass(frozen=True, slots=True)
class Accusation:
    """A message of `trustee` that proves by itself that it broke the protocol.

    The message is an artifact's bytes, and untrusted: `record.accusations` judges it.
    """

    trustee: Index
    message: LargeBytes
    check: Label


@dataclass(frozen=True, slots=True)
class CeremonyAbandoned:
    """The administrator gives a key ceremony up."""

    reason: Text
    time: OptionalTime = 0


@dataclass(frozen=True, slots=True)
class KeyConfirmation:
    """Trustee i agrees to the manifest (H_B) and to all keys (H_G)."""

    trustee: Index
    base_hash: Hash
    key_ceremony_hash: Hash
    transcript: Hash = UNSEEN


@dataclass(frozen=True, slots=True)
class Opening:
    """The polls open under K, K-hat and H_E (spec 3.2.2, 3.2.3)."""

    vote_key: Element
    data_key: Element
    extended_base_hash: Hash
    reason: OptionalText = ""
    time: OptionalTime = 0


class Action(enum.IntEnum):
    """What was done to run the election; `ACTORS` says by whom."""

    SERVER_STARTED = 1
    SERVER_STOPPED = 2
    KEYS_USED = 3
    CONFIGURED = 4
    RECOVERED = 5
    CHECKED = 6
    NOTED = 7


@dataclass(frozen=True, slots=True)
class Operation:
    """An act of whoever runs the election, and why; `time` in seconds, a whole minute."""

    role: Role
    action: Action
    reason: Text
    time: Time
    subject: OptionalLabel = ""
    details: Details = ""


@dataclass(frozen=True, slots=True)
class Device:
    """A device begins its chain; `initial_hash` is empty without chaining."""

    device: Label
    information: OptionalText
    information_hash: Hash
    initial_hash: OptionalHash


@dataclass(frozen=True, slots=True)
class Selection:
    """One encrypted option (spec 3.3.1) and its range proof (spec 3.3.7)."""

    alpha: Element
    beta: Element
    proof: RangeProof

    @property
    def ciphertext(self) -> Ciphertext:
        """(alpha, beta)."""
        return Ciphertext(self.alpha, self.beta)


@dataclass(frozen=True, slots=True)
class BallotContest:
    """One encrypted contest; `index` is its index in the manifest."""

    index: Index
    selections: tuple[Selection, ...]
    limit_proof: RangeProof
    contest_hash: Hash


@dataclass(frozen=True, slots=True)
class Ballot:
    """An encrypted ballot as submitted."""

    device: Label
    ballot_style: Label
    unit: Label
    identifier: Hash
    identifier_hash: Hash
    contests: tuple[BallotContest, ...]
    encrypted_nonce: SealedNonce
    chaining_field: ChainingField
    confirmation_code: Hash


@dataclass(frozen=True, slots=True)
class Cast:
    """The ballot with this code counts."""

    device: Label
    confirmation_code: Hash


@dataclass(frozen=True, slots=True)
class Challenge:
    """The ballot with this code is to be opened instead of counted."""

    device: Label
    confirmation_code: Hash


@dataclass(frozen=True, slots=True)
class DeviceClose:
    """A device ends its chain (spec 3.4.4, eq. 77, 78)."""

    device: Label
    ballots: Count
    chaining_field: OptionalChainingField
    closing_hash: OptionalHash


@dataclass(frozen=True, slots=True)
class DeviceMissing:
    """The administrator's statement about a device that cannot close."""

    device: Label
    reason: Text
    time: OptionalTime = 0


@dataclass(frozen=True, slots=True)
class PollsClose:
    """The end of voting, with its counts."""

    submitted: Count
    cast: Count
    challenged: Count
    spoiled: Count
    reason: OptionalText = ""
    time: OptionalTime = 0


@dataclass(frozen=True, slots=True)
class EncryptedTally:
    """The product of a set of units' cast ballots in a contest (spec 3.5, eq. 79)."""

    units: tuple[Label, ...]
    contest: Label
    ballots: Count
    options: tuple[Ciphertext, ...]


@dataclass(frozen=True, slots=True)
class DecryptionSession:
    """The set U of trustees that decrypt together (spec 3.6.4), and what."""

    session: Index
    trustees: tuple[Index, ...]
    purpose: Purpose = Purpose.TALLY
    confirmation_code: OptionalHash = b""


@dataclass(frozen=True, slots=True)
class DecryptionCommitments:
    """A part of round 1: the hashes d_i (spec 3.6.5, eq. 88)."""

    session: Index
    trustee: Index
    first: Count
    commitments: tuple[Hash, ...]
    transcript: Hash = UNSEEN


@dataclass(frozen=True, slots=True)
class DecryptionShare:
    """M_i, a_i and b_i for one ciphertext (spec 3.6.3, 3.6.5; eq. 84, 87)."""

    partial_decryption: Element
    a: Element
    b: Element


@dataclass(frozen=True, slots=True)
class DecryptionShares:
    """A part of round 2."""

    session: Index
    trustee: Index
    first: Count
    shares: tuple[DecryptionShare, ...]
    transcript: Hash = UNSEEN


@dataclass(frozen=True, slots=True)
class DecryptionResponses:
    """A part of round 3: the responses v_i (spec 3.6.5, eq. 92)."""

    session: Index
    trustee: Index
    first: Count
    responses: tuple[Scalar, ...]
    transcript: Hash = UNSEEN


@dataclass(frozen=True, slots=True)
class DecryptedOption:
    """t, T and the joint proof (c, v) of one option (spec 3.6.5)."""

    option: Label
    count: Count
    value: Element
    challenge: Scalar
    response: Scalar


@dataclass(frozen=True, slots=True)
class DecryptedTally:
    """An encrypted tally opened."""

    units: tuple[Label, ...]
    contest: Label
    ballots: Count
    options: tuple[DecryptedOption, ...]


@dataclass(frozen=True, slots=True)
class ChallengedSelection:
    """sigma and xi_i,j of one option."""

    option: Label
    value: SmallCount
    nonce: Scalar


@dataclass(frozen=True, slots=True)
class ChallengedContest:
    """The opened selections of one contest."""

    contest: Label
    selections: tuple[ChallengedSelection, ...]


@dataclass(frozen=True, slots=True)
class ChallengedBallotDecryption:
    """A challenged ballot opened through its nonces (spec 3.6.7)."""

    confirmation_code: Hash
    contests: tuple[ChallengedContest, ...]


@dataclass(frozen=True, slots=True)
class DecryptedContest:
    """The selections of one contest, opened like a tally; `count` is sigma."""

    contest: Label
    options: tuple[DecryptedOption, ...]


@dataclass(frozen=True, slots=True)
class DecryptedBallot:
    """A challenged ballot that its nonce does not open, opened like a tally (spec 3.6.7)."""

    confirmation_code: Hash
    contests: tuple[DecryptedContest, ...]


@dataclass(frozen=True, slots=True)
class OptionResult:
    """The total of one option."""

    option: Label
    count: Count


@dataclass(frozen=True, slots=True)
class ContestResult:
    """The totals of one contest; no options, if it is below the privacy floor."""

    contest: Label
    ballots: Count
    options: tuple[OptionResult, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """The election's protocol."""

    contests: tuple[ContestResult, ...]
    time: OptionalTime = 0


Statement: TypeAlias = (
    Election
    | KeyCommitment
    | TrusteeKeys
    | EncryptedShares
    | ShareComplaint
    | ShareAnswer
    | KeyConfirmation
    | Accusation
    | CeremonyAbandoned
    | Opening
    | Operation
    | Device
    | Ballot
    | Cast
    | Challenge
    | DeviceClose
    | DeviceMissing
    | PollsClose
    | EncryptedTally
    | DecryptionSession
    | DecryptionCommitments
    | DecryptionShares
    | DecryptionResponses
    | DecryptedTally
    | ChallengedBallotDecryption
    | DecryptedBallot
    | Result
)
TrusteeStatement: TypeAlias = (
    KeyCommitment
    | TrusteeKeys
    | EncryptedShares
    | ShareComplaint
    | ShareAnswer
    | KeyConfirmation
    | DecryptionCommitments
    | DecryptionShares
    | DecryptionResponses
)
TRUSTEE_STATEMENTS: tuple[type[TrusteeStatement], ...] = get_args(TrusteeStatement)

_CLASSES: dict[str, type[Statement]] = {
    "election": Election,
    "trustee_keys": TrusteeKeys,
    "encrypted_shares": EncryptedShares,
    "key_confirmation": KeyConfirmation,
    "opening": Opening,
    "device": Device,
    "ballot": Ballot,
    "cast": Cast,
    "challenge": Challenge,
    "device_close": DeviceClose,
    "device_missing": DeviceMissing,
    "polls_close": PollsClose,
    "encrypted_tally": EncryptedTally,
    "decryption_session": DecryptionSession,
    "decryption_commitments": DecryptionCommitments,
    "decryption_shares": DecryptionShares,
    "decryption_responses": DecryptionResponses,
    "decrypted_tally": DecryptedTally,
    "challenged_ballot_decryption": ChallengedBallotDecryption,
    "result": Result,
    "key_commitment": KeyCommitment,
    "share_complaint": ShareComplaint,
    "share_answer": ShareAnswer,
    "accusation": Accusation,
    "ceremony_abandoned": CeremonyAbandoned,
    "decrypted_ballot": DecryptedBallot,
    "operation": Operation,
}
_NAMES = {cls: name for name, cls in _CLASSES.items()}


def kind_of(message: record_pb2.Artifact) -> type[Statement] | None:
    """The class of a message's statement, unchecked; None if it has none that is known."""
    return _CLASSES.get(message.WhichOneof("statement") or "")


@dataclass(frozen=True, slots=True)
class Artifact:
    """A statement, its Ed25519 signature (64 bytes) and the bytes of both."""

    statement: Statement
    signature: bytes
    data: bytes

    @property
    def name(self) -> str:
        """The statement's name in the schema, such as `key_confirmation`."""
        return _NAMES[type(self.statement)]


def parse_artifact(data: bytes, group: Group | None) -> Artifact:
    """Check `data` and return its value; `group` may be None for the election.

    Raises `Malformed` with the field's path for anything but the one valid
    encoding of a well-formed artifact. Proves and compares nothing.
    """
    if not 0 < len(data) <= MAX_ARTIFACT:
        raise Malformed("artifact", f"has {len(data)} bytes, not 1..{MAX_ARTIFACT}")
    message = record_pb2.Artifact()
    try:
        message.ParseFromString(data)
    except DecodeError:
        raise Malformed("artifact", "is not a sailau.v1.Artifact message") from None
    name = message.WhichOneof("statement")
    if name is None:
        raise Malformed("artifact.statement", "is missing or of a kind unknown to this version")
    if name == "ballot" and len(data) > MAX_BALLOT:
        raise Malformed("ballot", f"has {len(data)} bytes, more than {MAX_BALLOT}")
    _check_canonical(message, data)
    if len(message.signature) != 64:
        raise Malformed("artifact.signature", f"has {len(message.signature)} bytes instead of 64")
    if group is None and name != "election":
        raise Malformed("artifact", f"is a {name}, not the election")
    statement = wire.read(_CLASSES[name], getattr(message, name), group, name)
    return Artifact(statement, message.signature, data)


def _check_canonical(message: record_pb2.Artifact, data: bytes) -> None:
    message.DiscardUnknownFields()  # type: ignore[attr-defined, unused-ignore]
    if message.SerializeToString(deterministic=True) != data:
        raise Malformed(
            "artifact",
            "is not in its one valid encoding",
            "write fields in ascending order, leave defaults out, add no unknown fields",
        )


def key_commitment(statement: TrusteeKeys, group: Group, base_hash: bytes) -> bytes:
    """What trustee i commits to before it shows its keys: 32 bytes (docs/record.md).

    `statement.transcript` does not enter: it is not known yet.
    """
    message = record_pb2.TrusteeKeys()
    wire.write(statement, message, group)
    message.ClearField("transcript")
    keys = message.SerializeToString(deterministic=True)
    return hashlib.sha256(_COMMITMENT_CONTEXT + base_hash + keys).digest()


def unsigned_bytes(statement: Statement, group: Group | None) -> bytes:
    """The statement's encoding without a signature."""
    message = record_pb2.Artifact()
    inner = getattr(message, _NAMES[type(statement)])
    inner.SetInParent()
    wire.write(statement, inner, group)
    return message.SerializeToString(deterministic=True)


def signed_message(base_hash: bytes, unsigned: bytes) -> bytes:
    """What an artifact's signature is over (docs/record.md, "Signatures")."""
    return _CONTEXT + base_hash + unsigned


def sign_statement(
    statement: Statement, group: Group | None, base_hash: bytes, key: Signer
) -> Artifact:
    """Make the artifact of `statement` in the election H_B = `base_hash`."""
    unsigned = unsigned_bytes(statement, group)
    signature = key.sign(signed_message(base_hash, unsigned))
    suffix = record_pb2.Artifact(signature=signature).SerializeToString(deterministic=True)
    return Artifact(statement, signature, unsigned + suffix)


def verify_signature(artifact: Artifact, base_hash: bytes, public_key: bytes, signer: str) -> None:
    """Raise `Rejected` (R.signature) unless `public_key` signed `artifact`.

    The error names no culprit: who does not sign as `signer` may be anybody.
    """
    unsigned = artifact.data[:-SIGNATURE_SIZE]
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(
            artifact.signature, signed_message(base_hash, unsigned)
        )
    except InvalidSignature:
        raise Rejected(
            "R.signature",
            f"the {artifact.name} is not signed by the key of {signer}",
            where=artifact.name,
            advice="sign with the role key pinned in the election artifact",
        ) from None
