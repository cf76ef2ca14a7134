from sailau.v1 import record_pb2 as _record_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ReceiptKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RECEIPT_KIND_UNSPECIFIED: _ClassVar[ReceiptKind]
    RECEIPT_KIND_SUBMITTED: _ClassVar[ReceiptKind]
    RECEIPT_KIND_CAST: _ClassVar[ReceiptKind]
    RECEIPT_KIND_CHALLENGED: _ClassVar[ReceiptKind]
RECEIPT_KIND_UNSPECIFIED: ReceiptKind
RECEIPT_KIND_SUBMITTED: ReceiptKind
RECEIPT_KIND_CAST: ReceiptKind
RECEIPT_KIND_CHALLENGED: ReceiptKind

class Receipt(_message.Message):
    __slots__ = ("confirmation_code", "index", "tlog_proof")
    CONFIRMATION_CODE_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    TLOG_PROOF_FIELD_NUMBER: _ClassVar[int]
    confirmation_code: bytes
    index: int
    tlog_proof: bytes
    def __init__(self, confirmation_code: _Optional[bytes] = ..., index: _Optional[int] = ..., tlog_proof: _Optional[bytes] = ...) -> None: ...

class ReceiptContents(_message.Message):
    __slots__ = ("kind", "base_hash", "confirmation_code", "entry", "artifact")
    KIND_FIELD_NUMBER: _ClassVar[int]
    BASE_HASH_FIELD_NUMBER: _ClassVar[int]
    CONFIRMATION_CODE_FIELD_NUMBER: _ClassVar[int]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    kind: ReceiptKind
    base_hash: bytes
    confirmation_code: bytes
    entry: _record_pb2.Entry
    artifact: bytes
    def __init__(self, kind: _Optional[_Union[ReceiptKind, str]] = ..., base_hash: _Optional[bytes] = ..., confirmation_code: _Optional[bytes] = ..., entry: _Optional[_Union[_record_pb2.Entry, _Mapping]] = ..., artifact: _Optional[bytes] = ...) -> None: ...

class RegisterDeviceRequest(_message.Message):
    __slots__ = ("artifact",)
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    artifact: bytes
    def __init__(self, artifact: _Optional[bytes] = ...) -> None: ...

class RegisterDeviceResponse(_message.Message):
    __slots__ = ("index",)
    INDEX_FIELD_NUMBER: _ClassVar[int]
    index: int
    def __init__(self, index: _Optional[int] = ...) -> None: ...

class SubmitRequest(_message.Message):
    __slots__ = ("artifact", "hints")
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    HINTS_FIELD_NUMBER: _ClassVar[int]
    artifact: bytes
    hints: bytes
    def __init__(self, artifact: _Optional[bytes] = ..., hints: _Optional[bytes] = ...) -> None: ...

class SubmitResponse(_message.Message):
    __slots__ = ("receipt",)
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    receipt: Receipt
    def __init__(self, receipt: _Optional[_Union[Receipt, _Mapping]] = ...) -> None: ...

class CastRequest(_message.Message):
    __slots__ = ("artifact",)
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    artifact: bytes
    def __init__(self, artifact: _Optional[bytes] = ...) -> None: ...

class CastResponse(_message.Message):
    __slots__ = ("receipt",)
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    receipt: Receipt
    def __init__(self, receipt: _Optional[_Union[Receipt, _Mapping]] = ...) -> None: ...

class ChallengeRequest(_message.Message):
    __slots__ = ("artifact",)
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    artifact: bytes
    def __init__(self, artifact: _Optional[bytes] = ...) -> None: ...

class ChallengeResponse(_message.Message):
    __slots__ = ("receipt",)
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    receipt: Receipt
    def __init__(self, receipt: _Optional[_Union[Receipt, _Mapping]] = ...) -> None: ...

class GetReceiptRequest(_message.Message):
    __slots__ = ("confirmation_code", "kind")
    CONFIRMATION_CODE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    confirmation_code: bytes
    kind: ReceiptKind
    def __init__(self, confirmation_code: _Optional[bytes] = ..., kind: _Optional[_Union[ReceiptKind, str]] = ...) -> None: ...

class GetReceiptResponse(_message.Message):
    __slots__ = ("receipt",)
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    receipt: Receipt
    def __init__(self, receipt: _Optional[_Union[Receipt, _Mapping]] = ...) -> None: ...

class UploadRequest(_message.Message):
    __slots__ = ("artifact", "hints")
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    HINTS_FIELD_NUMBER: _ClassVar[int]
    artifact: bytes
    hints: bytes
    def __init__(self, artifact: _Optional[bytes] = ..., hints: _Optional[bytes] = ...) -> None: ...

class UploadResponse(_message.Message):
    __slots__ = ("index",)
    INDEX_FIELD_NUMBER: _ClassVar[int]
    index: int
    def __init__(self, index: _Optional[int] = ...) -> None: ...

class CloseDeviceRequest(_message.Message):
    __slots__ = ("artifact",)
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    artifact: bytes
    def __init__(self, artifact: _Optional[bytes] = ...) -> None: ...

class CloseDeviceResponse(_message.Message):
    __slots__ = ("index",)
    INDEX_FIELD_NUMBER: _ClassVar[int]
    index: int
    def __init__(self, index: _Optional[int] = ...) -> None: ...
