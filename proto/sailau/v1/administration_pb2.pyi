from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class PublishRequest(_message.Message):
    __slots__ = ("artifact",)
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    artifact: bytes
    def __init__(self, artifact: _Optional[bytes] = ...) -> None: ...

class PublishResponse(_message.Message):
    __slots__ = ("index",)
    INDEX_FIELD_NUMBER: _ClassVar[int]
    index: int
    def __init__(self, index: _Optional[int] = ...) -> None: ...

class StartDecryptionRequest(_message.Message):
    __slots__ = ("trustees",)
    TRUSTEES_FIELD_NUMBER: _ClassVar[int]
    trustees: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, trustees: _Optional[_Iterable[int]] = ...) -> None: ...

class StartDecryptionResponse(_message.Message):
    __slots__ = ("session", "trustees")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    TRUSTEES_FIELD_NUMBER: _ClassVar[int]
    session: int
    trustees: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, session: _Optional[int] = ..., trustees: _Optional[_Iterable[int]] = ...) -> None: ...

class StartDrillRequest(_message.Message):
    __slots__ = ("trustees",)
    TRUSTEES_FIELD_NUMBER: _ClassVar[int]
    trustees: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, trustees: _Optional[_Iterable[int]] = ...) -> None: ...

class StartDrillResponse(_message.Message):
    __slots__ = ("session", "trustees")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    TRUSTEES_FIELD_NUMBER: _ClassVar[int]
    session: int
    trustees: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, session: _Optional[int] = ..., trustees: _Optional[_Iterable[int]] = ...) -> None: ...
