from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROLE_UNSPECIFIED: _ClassVar[Role]
    ROLE_ADMINISTRATOR: _ClassVar[Role]
    ROLE_SERVER: _ClassVar[Role]
    ROLE_TRUSTEE: _ClassVar[Role]
    ROLE_DEVICE: _ClassVar[Role]

class Action(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACTION_UNSPECIFIED: _ClassVar[Action]
    ACTION_SERVER_STARTED: _ClassVar[Action]
    ACTION_SERVER_STOPPED: _ClassVar[Action]
    ACTION_KEYS_USED: _ClassVar[Action]
    ACTION_CONFIGURED: _ClassVar[Action]
    ACTION_RECOVERED: _ClassVar[Action]
    ACTION_CHECKED: _ClassVar[Action]
    ACTION_NOTED: _ClassVar[Action]

class SessionPurpose(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SESSION_PURPOSE_UNSPECIFIED: _ClassVar[SessionPurpose]
    SESSION_PURPOSE_DRILL: _ClassVar[SessionPurpose]
    SESSION_PURPOSE_BALLOT: _ClassVar[SessionPurpose]
ROLE_UNSPECIFIED: Role
ROLE_ADMINISTRATOR: Role
ROLE_SERVER: Role
ROLE_TRUSTEE: Role
ROLE_DEVICE: Role
ACTION_UNSPECIFIED: Action
ACTION_SERVER_STARTED: Action
ACTION_SERVER_STOPPED: Action
ACTION_KEYS_USED: Action
ACTION_CONFIGURED: Action
ACTION_RECOVERED: Action
ACTION_CHECKED: Action
ACTION_NOTED: Action
SESSION_PURPOSE_UNSPECIFIED: SessionPurpose
SESSION_PURPOSE_DRILL: SessionPurpose
SESSION_PURPOSE_BALLOT: SessionPurpose

class Artifact(_message.Message):
    __slots__ = ("election", "trustee_keys", "encrypted_shares", "key_confirmation", "opening", "device", "ballot", "cast", "challenge", "device_close", "device_missing", "polls_close", "encrypted_tally", "decryption_session", "decryption_commitments", "decryption_shares", "decryption_responses", "decrypted_tally", "challenged_ballot_decryption", "result", "key_commitment", "share_complaint", "share_answer", "accusation", "ceremony_abandoned", "decrypted_ballot", "operation", "signature")
    ELECTION_FIELD_NUMBER: _ClassVar[int]
    TRUSTEE_KEYS_FIELD_NUMBER: _ClassVar[int]
    ENCRYPTED_SHARES_FIELD_NUMBER: _ClassVar[int]
    KEY_CONFIRMATION_FIELD_NUMBER: _ClassVar[int]
    OPENING_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    BALLOT_FIELD_NUMBER: _ClassVar[int]
    CAST_FIELD_NUMBER: _ClassVar[int]
    CHALLENGE_FIELD_NUMBER: _ClassVar[int]
    DEVICE_CLOSE_FIELD_NUMBER: _ClassVar[int]
    DEVICE_MISSING_FIELD_NUMBER: _ClassVar[int]
    POLLS_CLOSE_FIELD_NUMBER: _ClassVar[int]
    ENCRYPTED_TALLY_FIELD_NUMBER: _ClassVar[int]
    DECRYPTION_SESSION_FIELD_NUMBER: _ClassVar[int]
    DECRYPTION_COMMITMENTS_FIELD_NUMBER: _ClassVar[int]
    DECRYPTION_SHARES_FIELD_NUMBER: _ClassVar[int]
    DECRYPTION_RESPONSES_FIELD_NUMBER: _ClassVar[int]
    DECRYPTED_TALLY_FIELD_NUMBER: _ClassVar[int]
    CHALLENGED_BALLOT_DECRYPTION_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    KEY_COMMITMENT_FIELD_NUMBER: _ClassVar[int]
    SHARE_COMPLAINT_FIELD_NUMBER: _ClassVar[int]
    SHARE_ANSWER_FIELD_NUMBER: _ClassVar[int]
    ACCUSATION_FIELD_NUMBER: _ClassVar[int]
    CEREMONY_ABANDONED_FIELD_NUMBER: _ClassVar[int]
    DECRYPTED_BALLOT_FIELD_NUMBER: _ClassVar[int]
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    election: Election
    trustee_keys: TrusteeKeys
    encrypted_shares: EncryptedShares
    key_confirmation: KeyConfirmation
    opening: Opening
    device: Device
    ballot: Ballot
    cast: Cast
    challenge: Challenge
    device_close: DeviceClose
    device_missing: DeviceMissing
    polls_close: PollsClose
    encrypted_tally: EncryptedTally
    decryption_session: DecryptionSession
    decryption_commitments: DecryptionCommitments
    decryption_shares: DecryptionShares
    decryption_responses: DecryptionResponses
    decrypted_tally: DecryptedTally
    challenged_ballot_decryption: ChallengedBallotDecryption
    result: Result
    key_commitment: KeyCommitment
    share_complaint: ShareComplaint
    share_answer: ShareAnswer
    accusation: Accusation
    ceremony_abandoned: CeremonyAbandoned
    decrypted_ballot: DecryptedBallot
    operation: Operation
    signature: bytes
    def __init__(self, election: _Optional[_Union[Election, _Mapping]] = ..., trustee_keys: _Optional[_Union[TrusteeKeys, _Mapping]] = ..., encrypted_shares: _Optional[_Union[EncryptedShares, _Mapping]] = ..., key_confirmation: _Optional[_Union[KeyConfirmation, _Mapping]] = ..., opening: _Optional[_Union[Opening, _Mapping]] = ..., device: _Optional[_Union[Device, _Mapping]] = ..., ballot: _Optional[_Union[Ballot, _Mapping]] = ..., cast: _Optional[_Union[Cast, _Mapping]] = ..., challenge: _Optional[_Union[Challenge, _Mapping]] = ..., device_close: _Optional[_Union[DeviceClose, _Mapping]] = ..., device_missing: _Optional[_Union[DeviceMissing, _Mapping]] = ..., polls_close: _Optional[_Union[PollsClose, _Mapping]] = ..., encrypted_tally: _Optional[_Union[EncryptedTally, _Mapping]] = ..., decryption_session: _Optional[_Union[DecryptionSession, _Mapping]] = ..., decryption_commitments: _Optional[_Union[DecryptionCommitments, _Mapping]] = ..., decryption_shares: _Optional[_Union[DecryptionShares, _Mapping]] = ..., decryption_responses: _Optional[_Union[DecryptionResponses, _Mapping]] = ..., decrypted_tally: _Optional[_Union[DecryptedTally, _Mapping]] = ..., challenged_ballot_decryption: _Optional[_Union[ChallengedBallotDecryption, _Mapping]] = ..., result: _Optional[_Union[Result, _Mapping]] = ..., key_commitment: _Optional[_Union[KeyCommitment, _Mapping]] = ..., share_complaint: _Optional[_Union[ShareComplaint, _Mapping]] = ..., share_answer: _Optional[_Union[ShareAnswer, _Mapping]] = ..., accusation: _Optional[_Union[Accusation, _Mapping]] = ..., ceremony_abandoned: _Optional[_Union[CeremonyAbandoned, _Mapping]] = ..., decrypted_ballot: _Optional[_Union[DecryptedBallot, _Mapping]] = ..., operation: _Optional[_Union[Operation, _Mapping]] = ..., signature: _Optional[bytes] = ...) -> None: ...

class Entry(_message.Message):
    __slots__ = ("kind", "sha256", "size")
    KIND_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    kind: int
    sha256: bytes
    size: int
    def __init__(self, kind: _Optional[int] = ..., sha256: _Optional[bytes] = ..., size: _Optional[int] = ...) -> None: ...

class Election(_message.Message):
    __slots__ = ("version", "p", "q", "g", "trustees", "quorum", "parameter_base_hash", "manifest", "base_hash", "log_key", "role_keys")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    P_FIELD_NUMBER: _ClassVar[int]
    Q_FIELD_NUMBER: _ClassVar[int]
    G_FIELD_NUMBER: _ClassVar[int]
    TRUSTEES_FIELD_NUMBER: _ClassVar[int]
    QUORUM_FIELD_NUMBER: _ClassVar[int]
    PARAMETER_BASE_HASH_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    BASE_HASH_FIELD_NUMBER: _ClassVar[int]
    LOG_KEY_FIELD_NUMBER: _ClassVar[int]
    ROLE_KEYS_FIELD_NUMBER: _ClassVar[int]
    version: str
    p: bytes
    q: bytes
    g: bytes
    trustees: int
    quorum: int
    parameter_base_hash: bytes
    manifest: bytes
    base_hash: bytes
    log_key: str
    role_keys: _containers.RepeatedCompositeFieldContainer[RoleKey]
    def __init__(self, version: _Optional[str] = ..., p: _Optional[bytes] = ..., q: _Optional[bytes] = ..., g: _Optional[bytes] = ..., trustees: _Optional[int] = ..., quorum: _Optional[int] = ..., parameter_base_hash: _Optional[bytes] = ..., manifest: _Optional[bytes] = ..., base_hash: _Optional[bytes] = ..., log_key: _Optional[str] = ..., role_keys: _Optional[_Iterable[_Union[RoleKey, _Mapping]]] = ...) -> None: ...

class RoleKey(_message.Message):
    __slots__ = ("role", "name", "index", "public_key")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    role: Role
    name: str
    index: int
    public_key: bytes
    def __init__(self, role: _Optional[_Union[Role, str]] = ..., name: _Optional[str] = ..., index: _Optional[int] = ..., public_key: _Optional[bytes] = ...) -> None: ...

class KeyCommitment(_message.Message):
    __slots__ = ("trustee", "commitment", "transcript")
    TRUSTEE_FIELD_NUMBER: _ClassVar[int]
    COMMITMENT_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPT_FIELD_NUMBER: _ClassVar[int]
    trustee: int
    commitment: bytes
    transcript: bytes
    def __init__(self, trustee: _Optional[int] = ..., commitment: _Optional[bytes] = ..., transcript: _Optional[bytes] = ...) -> None: ...

class TrusteeKeys(_message.Message):
    __slots__ = ("trustee", "vote_commitments", "data_commitments", "communication_key", "vote_proof", "data_proof", "transcript")
    TRUSTEE_FIELD_NUMBER: _ClassVar[int]
    VOTE_COMMITMENTS_FIELD_NUMBER: _ClassVar[int]
    DATA_COMMITMENTS_FIELD_NUMBER: _ClassVar[int]
    COMMUNICATION_KEY_FIELD_NUMBER: _ClassVar[int]
    VOTE_PROOF_FIELD_NUMBER: _ClassVar[int]
    DATA_PROOF_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPT_FIELD_NUMBER: _ClassVar[int]
    trustee: int
    vote_commitments: _containers.RepeatedScalarFieldContainer[bytes]
    data_commitments: _containers.RepeatedScalarFieldContainer[bytes]
    communication_key: bytes
    vote_proof: KeyProof
    data_proof: KeyProof
    transcript: bytes
    def __init__(self, trustee: _Optional[int] = ..., vote_commitments: _Optional[_Iterable[bytes]] = ..., data_commitments: _Optional[_Iterable[bytes]] = ..., communication_key: _Optional[bytes] = ..., vote_proof: _Optional[_Union[KeyProof, _Mapping]] = ..., data_proof: _Optional[_Union[KeyProof, _Mapping]] = ..., transcript: _Optional[bytes] = ...) -> None: ...

class KeyProof(_message.Message):
    __slots__ = ("challenge", "responses")
    CHALLENGE_FIELD_NUMBER: _ClassVar[int]
    RESPONSES_FIELD_NUMBER: _ClassVar[int]
    challenge: bytes
    responses: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, challenge: _Optional[bytes] = ..., responses: _Optional[_Iterable[bytes]] = ...) -> None: ...

class EncryptedShares(_message.Message):
    __slots__ = ("trustee", "shares", "transcript")
    TRUSTEE_FIELD_NUMBER: _ClassVar[int]
    SHARES_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPT_FIELD_NUMBER: _ClassVar[int]
    trustee: int
    shares: _containers.RepeatedCompositeFieldContainer[EncryptedShare]
    transcript: bytes
    def __init__(self, trustee: _Optional[int] = ..., shares: _Optional[_Iterable[_Union[EncryptedShare, _Mapping]]] = ..., transcript: _Optional[bytes] = ...) -> None: ...

class EncryptedShare(_message.Message):
    __slots__ = ("recipient", "c0", "c1", "c2")
    RECIPIENT_FIELD_NUMBER: _ClassVar[int]
    C0_FIELD_NUMBER: _ClassVar[int]
    C1_FIELD_NUMBER: _ClassVar[int]
    C2_FIELD_NUMBER: _ClassVar[int]
    recipient: int
    c0: bytes
    c1: bytes
    c2: SchnorrProof
    def __init__(self, recipient: _Optional[int] = ..., c0: _Optional[bytes] = ..., c1: _Optional[bytes] = ..., c2: _Optional[_Union[SchnorrProof, _Mapping]] = ...) -> None: ...

class SchnorrProof(_message.Message):
    __slots__ = ("challenge", "response")
    CHALLENGE_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    challenge: bytes
    response: bytes
    def __init__(self, challenge: _Optional[bytes] = ..., response: _Optional[bytes] = ...) -> None: ...

class ShareComplaint(_message.Message):
    __slots__ = ("trustee", "sender", "transcript")
    TRUSTEE_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPT_FIELD_NUMBER: _ClassVar[int]
    trustee: int
    sender: int
    transcript: bytes
    def __init__(self, trustee: _Optional[int] = ..., sender: _Optional[int] = ..., transcript: _Optional[bytes] = ...) -> None: ...

class ShareAnswer(_message.Message):
    __slots__ = ("trustee", "recipient", "nonce", "transcript")
    TRUSTEE_FIELD_NUMBER: _ClassVar[int]
    RECIPIENT_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPT_FIELD_NUMBER: _ClassVar[int]
    trustee: int
    recipient: int
    nonce: bytes
    transcript: bytes
    def __init__(self, trustee: _Optional[int] = ..., recipient: _Optional[int] = ..., nonce: _Optional[bytes] = ..., transcript: _Optional[bytes] = ...) -> None: ...

class Accusation(_message.Message):
    __slots__ = ("trustee", "message", "check")
    TRUSTEE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    CHECK_FIELD_NUMBER: _ClassVar[int]
    trustee: int
    message: bytes
    check: str
    def __init__(self, trustee: _Optional[int] = ..., message: _Optional[bytes] = ..., check: _Optional[str] = ...) -> None: ...

class CeremonyAbandoned(_message.Message):
    __slots__ = ("reason", "time")
    REASON_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    reason: str
    time: int
    def __init__(self, reason: _Optional[str] = ..., time: _Optional[int] = ...) -> None: ...

class KeyConfirmation(_message.Message):
    __slots__ = ("trustee", "base_hash", "key_ceremony_hash", "transcript")
    TRUSTEE_FIELD_NUMBER: _ClassVar[int]
    BASE_HASH_FIELD_NUMBER: _ClassVar[int]
    KEY_CEREMONY_HASH_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPT_FIELD_NUMBER: _ClassVar[int]
    trustee: int
    base_hash: bytes
    key_ceremony_hash: bytes
    transcript: bytes
    def __init__(self, trustee: _Optional[int] = ..., base_hash: _Optional[bytes] = ..., key_ceremony_hash: _Optional[bytes] = ..., transcript: _Optional[bytes] = ...) -> None: ...

class Opening(_message.Message):
    __slots__ = ("vote_key", "data_key", "extended_base_hash", "reason", "time")
    VOTE_KEY_FIELD_NUMBER: _ClassVar[int]
    DATA_KEY_FIELD_NUMBER: _ClassVar[int]
    EXTENDED_BASE_HASH_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    vote_key: bytes
    data_key: bytes
    extended_base_hash: bytes
    reason: str
    time: int
    def __init__(self, vote_key: _Optional[bytes] = ..., data_key: _Optional[bytes] = ..., extended_base_hash: _Optional[bytes] = ..., reason: _Optional[str] = ..., time: _Optional[int] = ...) -> None: ...

class Operation(_message.Message):
    __slots__ = ("role", "action", "reason", "time", "subject", "details")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    role: Role
    action: Action
    reason: str
    time: int
    subject: str
    details: str
    def __init__(self, role: _Optional[_Union[Role, str]] = ..., action: _Optional[_Union[Action, str]] = ..., reason: _Optional[str] = ..., time: _Optional[int] = ..., subject: _Optional[str] = ..., details: _Optional[str] = ...) -> None: ...

class Device(_message.Message):
    __slots__ = ("device", "information", "information_hash", "initial_hash")
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    INFORMATION_FIELD_NUMBER: _ClassVar[int]
    INFORMATION_HASH_FIELD_NUMBER: _ClassVar[int]
    INITIAL_HASH_FIELD_NUMBER: _ClassVar[int]
    device: str
    information: str
    information_hash: bytes
    initial_hash: bytes
    def __init__(self, device: _Optional[str] = ..., information: _Optional[str] = ..., information_hash: _Optional[bytes] = ..., initial_hash: _Optional[bytes] = ...) -> None: ...

class Ballot(_message.Message):
    __slots__ = ("device", "ballot_style", "unit", "identifier", "identifier_hash", "contests", "encrypted_nonce", "chaining_field", "confirmation_code")
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    BALLOT_STYLE_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    IDENTIFIER_HASH_FIELD_NUMBER: _ClassVar[int]
    CONTESTS_FIELD_NUMBER: _ClassVar[int]
    ENCRYPTED_NONCE_FIELD_NUMBER: _ClassVar[int]
    CHAINING_FIELD_FIELD_NUMBER: _ClassVar[int]
    CONFIRMATION_CODE_FIELD_NUMBER: _ClassVar[int]
    device: str
    ballot_style: str
    unit: str
    identifier: bytes
    identifier_hash: bytes
    contests: _containers.RepeatedCompositeFieldContainer[BallotContest]
    encrypted_nonce: EncryptedNonce
    chaining_field: bytes
    confirmation_code: bytes
    def __init__(self, device: _Optional[str] = ..., ballot_style: _Optional[str] = ..., unit: _Optional[str] = ..., identifier: _Optional[bytes] = ..., identifier_hash: _Optional[bytes] = ..., contests: _Optional[_Iterable[_Union[BallotContest, _Mapping]]] = ..., encrypted_nonce: _Optional[_Union[EncryptedNonce, _Mapping]] = ..., chaining_field: _Optional[bytes] = ..., confirmation_code: _Optional[bytes] = ...) -> None: ...

class BallotContest(_message.Message):
    __slots__ = ("index", "selections", "limit_proof", "contest_hash")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    SELECTIONS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_PROOF_FIELD_NUMBER: _ClassVar[int]
    CONTEST_HASH_FIELD_NUMBER: _ClassVar[int]
    index: int
    selections: _containers.RepeatedCompositeFieldContainer[Selection]
    limit_proof: RangeProof
    contest_hash: bytes
    def __init__(self, index: _Optional[int] = ..., selections: _Optional[_Iterable[_Union[Selection, _Mapping]]] = ..., limit_proof: _Optional[_Union[RangeProof, _Mapping]] = ..., contest_hash: _Optional[bytes] = ...) -> None: ...

class Selection(_message.Message):
    __slots__ = ("alpha", "beta", "proof")
    ALPHA_FIELD_NUMBER: _ClassVar[int]
    BETA_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    alpha: bytes
    beta: bytes
    proof: RangeProof
    def __init__(self, alpha: _Optional[bytes] = ..., beta: _Optional[bytes] = ..., proof: _Optional[_Union[RangeProof, _Mapping]] = ...) -> None: ...

class RangeProof(_message.Message):
    __slots__ = ("challenges", "responses")
    CHALLENGES_FIELD_NUMBER: _ClassVar[int]
    RESPONSES_FIELD_NUMBER: _ClassVar[int]
    challenges: _containers.RepeatedScalarFieldContainer[bytes]
    responses: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, challenges: _Optional[_Iterable[bytes]] = ..., responses: _Optional[_Iterable[bytes]] = ...) -> None: ...

class EncryptedNonce(_message.Message):
    __slots__ = ("c0", "c1", "c2")
    C0_FIELD_NUMBER: _ClassVar[int]
    C1_FIELD_NUMBER: _ClassVar[int]
    C2_FIELD_NUMBER: _ClassVar[int]
    c0: bytes
    c1: bytes
    c2: SchnorrProof
    def __init__(self, c0: _Optional[bytes] = ..., c1: _Optional[bytes] = ..., c2: _Optional[_Union[SchnorrProof, _Mapping]] = ...) -> None: ...

class BallotHints(_message.Message):
    __slots__ = ("proofs",)
    PROOFS_FIELD_NUMBER: _ClassVar[int]
    proofs: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, proofs: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Cast(_message.Message):
    __slots__ = ("device", "confirmation_code")
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    CONFIRMATION_CODE_FIELD_NUMBER: _ClassVar[int]
    device: str
    confirmation_code: bytes
    def __init__(self, device: _Optional[str] = ..., confirmation_code: _Optional[bytes] = ...) -> None: ...

class Challenge(_message.Message):
    __slots__ = ("device", "confirmation_code")
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    CONFIRMATION_CODE_FIELD_NUMBER: _ClassVar[int]
    device: str
    confirmation_code: bytes
    def __init__(self, device: _Optional[str] = ..., confirmation_code: _Optional[bytes] = ...) -> None: ...

class DeviceClose(_message.Message):
    __slots__ = ("device", "ballots", "chaining_field", "closing_hash")
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    BALLOTS_FIELD_NUMBER: _ClassVar[int]
    CHAINING_FIELD_FIELD_NUMBER: _ClassVar[int]
    CLOSING_HASH_FIELD_NUMBER: _ClassVar[int]
    device: str
    ballots: int
    chaining_field: bytes
    closing_hash: bytes
    def __init__(self, device: _Optional[str] = ..., ballots: _Optional[int] = ..., chaining_field: _Optional[bytes] = ..., closing_hash: _Optional[bytes] = ...) -> None: ...

class DeviceMissing(_message.Message):
    __slots__ = ("device", "reason", "time")
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    device: str
    reason: str
    time: int
    def __init__(self, device: _Optional[str] = ..., reason: _Optional[str] = ..., time: _Optional[int] = ...) -> None: ...

class PollsClose(_message.Message):
    __slots__ = ("submitted", "cast", "challenged", "spoiled", "reason", "time")
    SUBMITTED_FIELD_NUMBER: _ClassVar[int]
    CAST_FIELD_NUMBER: _ClassVar[int]
    CHALLENGED_FIELD_NUMBER: _ClassVar[int]
    SPOILED_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    submitted: int
    cast: int
    challenged: int
    spoiled: int
    reason: str
    time: int
    def __init__(self, submitted: _Optional[int] = ..., cast: _Optional[int] = ..., challenged: _Optional[int] = ..., spoiled: _Optional[int] = ..., reason: _Optional[str] = ..., time: _Optional[int] = ...) -> None: ...

class EncryptedTally(_message.Message):
    __slots__ = ("units", "contest", "ballots", "options")
    UNITS_FIELD_NUMBER: _ClassVar[int]
    CONTEST_FIELD_NUMBER: _ClassVar[int]
    BALLOTS_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    units: _containers.RepeatedScalarFieldContainer[str]
    contest: str
    ballots: int
    options: _containers.RepeatedCompositeFieldContainer[Ciphertext]
    def __init__(self, units: _Optional[_Iterable[str]] = ..., contest: _Optional[str] = ..., ballots: _Optional[int] = ..., options: _Optional[_Iterable[_Union[Ciphertext, _Mapping]]] = ...) -> None: ...

class Ciphertext(_message.Message):
    __slots__ = ("a", "b")
    A_FIELD_NUMBER: _ClassVar[int]
    B_FIELD_NUMBER: _ClassVar[int]
    a: bytes
    b: bytes
    def __init__(self, a: _Optional[bytes] = ..., b: _Optional[bytes] = ...) -> None: ...

class DecryptionSession(_message.Message):
    __slots__ = ("session", "trustees", "purpose", "confirmation_code")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    TRUSTEES_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    CONFIRMATION_CODE_FIELD_NUMBER: _ClassVar[int]
    session: int
    trustees: _containers.RepeatedScalarFieldContainer[int]
    purpose: SessionPurpose
    confirmation_code: bytes
    def __init__(self, session: _Optional[int] = ..., trustees: _Optional[_Iterable[int]] = ..., purpose: _Optional[_Union[SessionPurpose, str]] = ..., confirmation_code: _Optional[bytes] = ...) -> None: ...

class DecryptionCommitments(_message.Message):
    __slots__ = ("session", "trustee", "first", "commitments", "transcript")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    TRUSTEE_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    COMMITMENTS_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPT_FIELD_NUMBER: _ClassVar[int]
    session: int
    trustee: int
    first: int
    commitments: _containers.RepeatedScalarFieldContainer[bytes]
    transcript: bytes
    def __init__(self, session: _Optional[int] = ..., trustee: _Optional[int] = ..., first: _Optional[int] = ..., commitments: _Optional[_Iterable[bytes]] = ..., transcript: _Optional[bytes] = ...) -> None: ...

class DecryptionShares(_message.Message):
    __slots__ = ("session", "trustee", "first", "shares", "transcript")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    TRUSTEE_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    SHARES_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPT_FIELD_NUMBER: _ClassVar[int]
    session: int
    trustee: int
    first: int
    shares: _containers.RepeatedCompositeFieldContainer[DecryptionShare]
    transcript: bytes
    def __init__(self, session: _Optional[int] = ..., trustee: _Optional[int] = ..., first: _Optional[int] = ..., shares: _Optional[_Iterable[_Union[DecryptionShare, _Mapping]]] = ..., transcript: _Optional[bytes] = ...) -> None: ...

class DecryptionShare(_message.Message):
    __slots__ = ("partial_decryption", "a", "b")
    PARTIAL_DECRYPTION_FIELD_NUMBER: _ClassVar[int]
    A_FIELD_NUMBER: _ClassVar[int]
    B_FIELD_NUMBER: _ClassVar[int]
    partial_decryption: bytes
    a: bytes
    b: bytes
    def __init__(self, partial_decryption: _Optional[bytes] = ..., a: _Optional[bytes] = ..., b: _Optional[bytes] = ...) -> None: ...

class DecryptionResponses(_message.Message):
    __slots__ = ("session", "trustee", "first", "responses", "transcript")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    TRUSTEE_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    RESPONSES_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPT_FIELD_NUMBER: _ClassVar[int]
    session: int
    trustee: int
    first: int
    responses: _containers.RepeatedScalarFieldContainer[bytes]
    transcript: bytes
    def __init__(self, session: _Optional[int] = ..., trustee: _Optional[int] = ..., first: _Optional[int] = ..., responses: _Optional[_Iterable[bytes]] = ..., transcript: _Optional[bytes] = ...) -> None: ...

class DecryptedTally(_message.Message):
    __slots__ = ("units", "contest", "ballots", "options")
    UNITS_FIELD_NUMBER: _ClassVar[int]
    CONTEST_FIELD_NUMBER: _ClassVar[int]
    BALLOTS_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    units: _containers.RepeatedScalarFieldContainer[str]
    contest: str
    ballots: int
    options: _containers.RepeatedCompositeFieldContainer[DecryptedOption]
    def __init__(self, units: _Optional[_Iterable[str]] = ..., contest: _Optional[str] = ..., ballots: _Optional[int] = ..., options: _Optional[_Iterable[_Union[DecryptedOption, _Mapping]]] = ...) -> None: ...

class DecryptedOption(_message.Message):
    __slots__ = ("option", "count", "value", "challenge", "response")
    OPTION_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    CHALLENGE_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    option: str
    count: int
    value: bytes
    challenge: bytes
    response: bytes
    def __init__(self, option: _Optional[str] = ..., count: _Optional[int] = ..., value: _Optional[bytes] = ..., challenge: _Optional[bytes] = ..., response: _Optional[bytes] = ...) -> None: ...

class ChallengedBallotDecryption(_message.Message):
    __slots__ = ("confirmation_code", "contests")
    CONFIRMATION_CODE_FIELD_NUMBER: _ClassVar[int]
    CONTESTS_FIELD_NUMBER: _ClassVar[int]
    confirmation_code: bytes
    contests: _containers.RepeatedCompositeFieldContainer[ChallengedContest]
    def __init__(self, confirmation_code: _Optional[bytes] = ..., contests: _Optional[_Iterable[_Union[ChallengedContest, _Mapping]]] = ...) -> None: ...

class ChallengedContest(_message.Message):
    __slots__ = ("contest", "selections")
    CONTEST_FIELD_NUMBER: _ClassVar[int]
    SELECTIONS_FIELD_NUMBER: _ClassVar[int]
    contest: str
    selections: _containers.RepeatedCompositeFieldContainer[ChallengedSelection]
    def __init__(self, contest: _Optional[str] = ..., selections: _Optional[_Iterable[_Union[ChallengedSelection, _Mapping]]] = ...) -> None: ...

class ChallengedSelection(_message.Message):
    __slots__ = ("option", "value", "nonce")
    OPTION_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    option: str
    value: int
    nonce: bytes
    def __init__(self, option: _Optional[str] = ..., value: _Optional[int] = ..., nonce: _Optional[bytes] = ...) -> None: ...

class DecryptedBallot(_message.Message):
    __slots__ = ("confirmation_code", "contests")
    CONFIRMATION_CODE_FIELD_NUMBER: _ClassVar[int]
    CONTESTS_FIELD_NUMBER: _ClassVar[int]
    confirmation_code: bytes
    contests: _containers.RepeatedCompositeFieldContainer[DecryptedContest]
    def __init__(self, confirmation_code: _Optional[bytes] = ..., contests: _Optional[_Iterable[_Union[DecryptedContest, _Mapping]]] = ...) -> None: ...

class DecryptedContest(_message.Message):
    __slots__ = ("contest", "options")
    CONTEST_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    contest: str
    options: _containers.RepeatedCompositeFieldContainer[DecryptedOption]
    def __init__(self, contest: _Optional[str] = ..., options: _Optional[_Iterable[_Union[DecryptedOption, _Mapping]]] = ...) -> None: ...

class Result(_message.Message):
    __slots__ = ("contests", "time")
    CONTESTS_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    contests: _containers.RepeatedCompositeFieldContainer[ContestResult]
    time: int
    def __init__(self, contests: _Optional[_Iterable[_Union[ContestResult, _Mapping]]] = ..., time: _Optional[int] = ...) -> None: ...

class ContestResult(_message.Message):
    __slots__ = ("contest", "ballots", "options")
    CONTEST_FIELD_NUMBER: _ClassVar[int]
    BALLOTS_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    contest: str
    ballots: int
    options: _containers.RepeatedCompositeFieldContainer[OptionResult]
    def __init__(self, contest: _Optional[str] = ..., ballots: _Optional[int] = ..., options: _Optional[_Iterable[_Union[OptionResult, _Mapping]]] = ...) -> None: ...

class OptionResult(_message.Message):
    __slots__ = ("option", "count")
    OPTION_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    option: str
    count: int
    def __init__(self, option: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...
