from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PostArtifactRequest(_message.Message):
    __slots__ = ("artifact", "program")
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    artifact: bytes
    program: bytes
    def __init__(self, artifact: _Optional[bytes] = ..., program: _Optional[bytes] = ...) -> None: ...

class PostArtifactResponse(_message.Message):
    __slots__ = ("index",)
    INDEX_FIELD_NUMBER: _ClassVar[int]
    index: int
    def __init__(self, index: _Optional[int] = ...) -> None: ...

class AttendRequest(_message.Message):
    __slots__ = ("program",)
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    program: bytes
    def __init__(self, program: _Optional[bytes] = ...) -> None: ...

class AttendResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PostNonceSharesRequest(_message.Message):
    __slots__ = ("session", "shares", "program")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    SHARES_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    session: int
    shares: _containers.RepeatedCompositeFieldContainer[NonceShare]
    program: bytes
    def __init__(self, session: _Optional[int] = ..., shares: _Optional[_Iterable[_Union[NonceShare, _Mapping]]] = ..., program: _Optional[bytes] = ...) -> None: ...

class NonceShare(_message.Message):
    __slots__ = ("confirmation_code", "partial_decryption")
    CONFIRMATION_CODE_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_DECRYPTION_FIELD_NUMBER: _ClassVar[int]
    confirmation_code: bytes
    partial_decryption: bytes
    def __init__(self, confirmation_code: _Optional[bytes] = ..., partial_decryption: _Optional[bytes] = ...) -> None: ...

class PostNonceSharesResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
