from sailau.v1 import record_pb2 as _record_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class BallotStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BALLOT_STATUS_UNSPECIFIED: _ClassVar[BallotStatus]
    BALLOT_STATUS_SUBMITTED: _ClassVar[BallotStatus]
    BALLOT_STATUS_CAST: _ClassVar[BallotStatus]
    BALLOT_STATUS_CHALLENGED: _ClassVar[BallotStatus]
    BALLOT_STATUS_SPOILED: _ClassVar[BallotStatus]

class Phase(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PHASE_UNSPECIFIED: _ClassVar[Phase]
    PHASE_KEYS: _ClassVar[Phase]
    PHASE_SHARES: _ClassVar[Phase]
    PHASE_CONFIRMATION: _ClassVar[Phase]
    PHASE_READY: _ClassVar[Phase]
    PHASE_OPEN: _ClassVar[Phase]
    PHASE_CLOSED: _ClassVar[Phase]
    PHASE_TALLIED: _ClassVar[Phase]
    PHASE_COUNTED: _ClassVar[Phase]
    PHASE_COMPLETE: _ClassVar[Phase]
    PHASE_COMMITMENT: _ClassVar[Phase]
    PHASE_ABORTED: _ClassVar[Phase]
BALLOT_STATUS_UNSPECIFIED: BallotStatus
BALLOT_STATUS_SUBMITTED: BallotStatus
BALLOT_STATUS_CAST: BallotStatus
BALLOT_STATUS_CHALLENGED: BallotStatus
BALLOT_STATUS_SPOILED: BallotStatus
PHASE_UNSPECIFIED: Phase
PHASE_KEYS: Phase
PHASE_SHARES: Phase
PHASE_CONFIRMATION: Phase
PHASE_READY: Phase
PHASE_OPEN: Phase
PHASE_CLOSED: Phase
PHASE_TALLIED: Phase
PHASE_COUNTED: Phase
PHASE_COMPLETE: Phase
PHASE_COMMITMENT: Phase
PHASE_ABORTED: Phase

class ReadArtifactsRequest(_message.Message):
    __slots__ = ("first", "limit", "follow", "with_hints")
    FIRST_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    WITH_HINTS_FIELD_NUMBER: _ClassVar[int]
    first: int
    limit: int
    follow: bool
    with_hints: bool
    def __init__(self, first: _Optional[int] = ..., limit: _Optional[int] = ..., follow: _Optional[bool] = ..., with_hints: _Optional[bool] = ...) -> None: ...

class ReadArtifactsResponse(_message.Message):
    __slots__ = ("index", "artifact", "hints")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    HINTS_FIELD_NUMBER: _ClassVar[int]
    index: int
    artifact: bytes
    hints: bytes
    def __init__(self, index: _Optional[int] = ..., artifact: _Optional[bytes] = ..., hints: _Optional[bytes] = ...) -> None: ...

class LookUpCodeRequest(_message.Message):
    __slots__ = ("confirmation_code",)
    CONFIRMATION_CODE_FIELD_NUMBER: _ClassVar[int]
    confirmation_code: bytes
    def __init__(self, confirmation_code: _Optional[bytes] = ...) -> None: ...

class LookUpCodeResponse(_message.Message):
    __slots__ = ("status", "ballot_index", "decision_index", "artifact")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    BALLOT_INDEX_FIELD_NUMBER: _ClassVar[int]
    DECISION_INDEX_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    status: BallotStatus
    ballot_index: int
    decision_index: int
    artifact: bytes
    def __init__(self, status: _Optional[_Union[BallotStatus, str]] = ..., ballot_index: _Optional[int] = ..., decision_index: _Optional[int] = ..., artifact: _Optional[bytes] = ...) -> None: ...

class GetCheckpointRequest(_message.Message):
    __slots__ = ("cosigned",)
    COSIGNED_FIELD_NUMBER: _ClassVar[int]
    cosigned: bool
    def __init__(self, cosigned: _Optional[bool] = ...) -> None: ...

class GetCheckpointResponse(_message.Message):
    __slots__ = ("checkpoint",)
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    checkpoint: bytes
    def __init__(self, checkpoint: _Optional[bytes] = ...) -> None: ...

class GetInclusionProofRequest(_message.Message):
    __slots__ = ("index", "size")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    index: int
    size: int
    def __init__(self, index: _Optional[int] = ..., size: _Optional[int] = ...) -> None: ...

class GetInclusionProofResponse(_message.Message):
    __slots__ = ("hashes",)
    HASHES_FIELD_NUMBER: _ClassVar[int]
    hashes: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, hashes: _Optional[_Iterable[bytes]] = ...) -> None: ...

class GetConsistencyProofRequest(_message.Message):
    __slots__ = ("old_size", "size")
    OLD_SIZE_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    old_size: int
    size: int
    def __init__(self, old_size: _Optional[int] = ..., size: _Optional[int] = ...) -> None: ...

class GetConsistencyProofResponse(_message.Message):
    __slots__ = ("hashes",)
    HASHES_FIELD_NUMBER: _ClassVar[int]
    hashes: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, hashes: _Optional[_Iterable[bytes]] = ...) -> None: ...

class GetStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("phase", "size", "submitted", "cast", "challenged", "open_devices", "unaccounted_devices", "trustees_done", "trustees_present", "session", "session_trustees", "notices", "trustees_excluded", "session_purpose", "drill_answered", "drill", "standing")
    PHASE_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    SUBMITTED_FIELD_NUMBER: _ClassVar[int]
    CAST_FIELD_NUMBER: _ClassVar[int]
    CHALLENGED_FIELD_NUMBER: _ClassVar[int]
    OPEN_DEVICES_FIELD_NUMBER: _ClassVar[int]
    UNACCOUNTED_DEVICES_FIELD_NUMBER: _ClassVar[int]
    TRUSTEES_DONE_FIELD_NUMBER: _ClassVar[int]
    TRUSTEES_PRESENT_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    SESSION_TRUSTEES_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    TRUSTEES_EXCLUDED_FIELD_NUMBER: _ClassVar[int]
    SESSION_PURPOSE_FIELD_NUMBER: _ClassVar[int]
    DRILL_ANSWERED_FIELD_NUMBER: _ClassVar[int]
    DRILL_FIELD_NUMBER: _ClassVar[int]
    STANDING_FIELD_NUMBER: _ClassVar[int]
    phase: Phase
    size: int
    submitted: int
    cast: int
    challenged: int
    open_devices: _containers.RepeatedScalarFieldContainer[str]
    unaccounted_devices: _containers.RepeatedScalarFieldContainer[str]
    trustees_done: _containers.RepeatedScalarFieldContainer[int]
    trustees_present: _containers.RepeatedScalarFieldContainer[int]
    session: int
    session_trustees: _containers.RepeatedScalarFieldContainer[int]
    notices: _containers.RepeatedScalarFieldContainer[str]
    trustees_excluded: _containers.RepeatedScalarFieldContainer[int]
    session_purpose: _record_pb2.SessionPurpose
    drill_answered: _containers.RepeatedScalarFieldContainer[int]
    drill: int
    standing: _containers.RepeatedCompositeFieldContainer[TrusteeStanding]
    def __init__(self, phase: _Optional[_Union[Phase, str]] = ..., size: _Optional[int] = ..., submitted: _Optional[int] = ..., cast: _Optional[int] = ..., challenged: _Optional[int] = ..., open_devices: _Optional[_Iterable[str]] = ..., unaccounted_devices: _Optional[_Iterable[str]] = ..., trustees_done: _Optional[_Iterable[int]] = ..., trustees_present: _Optional[_Iterable[int]] = ..., session: _Optional[int] = ..., session_trustees: _Optional[_Iterable[int]] = ..., notices: _Optional[_Iterable[str]] = ..., trustees_excluded: _Optional[_Iterable[int]] = ..., session_purpose: _Optional[_Union[_record_pb2.SessionPurpose, str]] = ..., drill_answered: _Optional[_Iterable[int]] = ..., drill: _Optional[int] = ..., standing: _Optional[_Iterable[_Union[TrusteeStanding, _Mapping]]] = ...) -> None: ...

class TrusteeStanding(_message.Message):
    __slots__ = ("trustee", "committed", "keys", "shares", "confirmed", "complaints", "session_commitments", "session_shares", "session_responses", "session_parts")
    TRUSTEE_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    SHARES_FIELD_NUMBER: _ClassVar[int]
    CONFIRMED_FIELD_NUMBER: _ClassVar[int]
    COMPLAINTS_FIELD_NUMBER: _ClassVar[int]
    SESSION_COMMITMENTS_FIELD_NUMBER: _ClassVar[int]
    SESSION_SHARES_FIELD_NUMBER: _ClassVar[int]
    SESSION_RESPONSES_FIELD_NUMBER: _ClassVar[int]
    SESSION_PARTS_FIELD_NUMBER: _ClassVar[int]
    trustee: int
    committed: bool
    keys: bool
    shares: bool
    confirmed: bool
    complaints: _containers.RepeatedScalarFieldContainer[int]
    session_commitments: int
    session_shares: int
    session_responses: int
    session_parts: int
    def __init__(self, trustee: _Optional[int] = ..., committed: _Optional[bool] = ..., keys: _Optional[bool] = ..., shares: _Optional[bool] = ..., confirmed: _Optional[bool] = ..., complaints: _Optional[_Iterable[int]] = ..., session_commitments: _Optional[int] = ..., session_shares: _Optional[int] = ..., session_responses: _Optional[int] = ..., session_parts: _Optional[int] = ...) -> None: ...
