"""Our errors as gRPC statuses, and back.

| error | status |
|---|---|
| Malformed (their bytes) | INVALID_ARGUMENT |
| Rejected (their proof or claim) | FAILED_PRECONDITION |
| NotFound | NOT_FOUND |
| AlreadyDone | ALREADY_EXISTS |
| Busy | RESOURCE_EXHAUSTED |
| Denied | PERMISSION_DENIED |
| Unauthenticated | UNAUTHENTICATED |
| Unavailable | UNAVAILABLE |
| NotNow, and what has words for clients (`told`): the server's database | UNAVAILABLE |
| anything else | INTERNAL, without a word about it |

Each status carries a google.rpc.ErrorInfo, which clients in every language can
read: `domain` is "sailau"; `reason` is the check's id (Rejected), the field
(Malformed) or the error's name; `metadata` has what of `field`, `check`,
`culprit`, `where`, `problem` and `advice` there is. Busy carries a
google.rpc.RetryInfo, too: when to come again.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar
from urllib.parse import unquote

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError, Message

# These three packages come without type information.
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from grpc_status import rpc_status  # type: ignore[import-untyped]

from crypto.errors import Malformed, NotNow, Rejected, SailauError

LOGGER = logging.getLogger(__name__)

M = TypeVar("M", bound=Message)

DOMAIN = "sailau"
# Trailers are limited to 8 KiB in most gRPC libraries, and the message travels
# twice, once percent-encoded (three bytes for one outside ASCII).
MESSAGE_LIMIT = 800
TEXT_LIMIT = 500
NAME_LIMIT = 120
LONGEST_RETRY = 30.0
"""Seconds that a client waits at most because a server says so."""
LIMITS = {"problem": TEXT_LIMIT, "advice": 300}
_PLACE = re.compile(r"ipv[46]:(\S+:\d+)")
_NAME = re.compile(r"DNS resolution failed for ([^\s:]+)")
_ELSEWHERE = (
    "If the name has an IPv4 address, too, that did not work either: there is no server, or "
    "the one there is not of this election"
)
_NOT_NOW = "the server cannot store anything at the moment; try again"
_LOST = frozenset({"Socket closed", "Connection reset by peer", "Connection reset"})


class CallError(SailauError):
    """A call that failed for another reason than its bytes or its proofs."""

    def __init__(self, problem: str, advice: str = "") -> None:
        super().__init__(problem, advice)
        self.problem = problem
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.problem}. {self.advice}" if self.advice else self.problem


class NotFound(CallError):
    """What was asked for does not exist."""


class AlreadyDone(CallError):
    """It was done before, and doing it again would be something else."""


class Busy(CallError):
    """The server has as much to do as it takes on; the same call may work later.

    Not before `retry_after` seconds. With the status it is a google.rpc.RetryInfo.
    """

    def __init__(self, problem: str, advice: str = "", retry_after: float = 1.0) -> None:
        super().__init__(problem, advice)
        self.retry_after = retry_after


class Denied(CallError):
    """The caller is known, and this call is not for its role."""


class Unauthenticated(CallError):
    """The caller shows no certificate that names a role."""


class Unavailable(CallError):
    """The server cannot be reached, does not answer in time, or is stopping."""


class NobodyThere(Unavailable):
    """Nothing listens at the address, or nothing that can be reached."""


class WrongServer(Unavailable):
    """What listens at the address shows a certificate of another authority, or for another name."""


class ServerFailed(CallError):
    """The server made a mistake of its own; its log has more."""


class CallFailed(CallError):
    """A status without a meaning of ours; `problem` begins with its code's name."""


CODES: Mapping[type[SailauError], grpc.StatusCode] = {
    Malformed: grpc.StatusCode.INVALID_ARGUMENT,
    Rejected: grpc.StatusCode.FAILED_PRECONDITION,
    NotFound: grpc.StatusCode.NOT_FOUND,
    AlreadyDone: grpc.StatusCode.ALREADY_EXISTS,
    Busy: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Denied: grpc.StatusCode.PERMISSION_DENIED,
    Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
}
CALL_ERRORS: Mapping[grpc.StatusCode, type[CallError]] = {
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyDone,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Busy,
    grpc.StatusCode.PERMISSION_DENIED: Denied,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: Unavailable,
    grpc.StatusCode.INTERNAL: ServerFailed,
}


def status_of(error: SailauError) -> grpc.Status | None:
    """The status that answers with this error, or None if it is not the caller's to see."""
    for kind, code in CODES.items():
        if isinstance(error, kind):
            attached = _retry_info(error) if isinstance(error, Busy) else None
            return build_status(code, str(error), _reason(error), _metadata(error), attached)
    told = getattr(error, "told", "")
    if told or isinstance(error, NotNow):
        # Why is for the log: it may name files and machines.
        if not isinstance(error, NotNow) and not getattr(error, "said", False):
            LOGGER.error("a call failed: %s", error)  # what is NotNow is logged with its call
        problem = told or _NOT_NOW
        metadata = {"problem": problem}
        return build_status(grpc.StatusCode.UNAVAILABLE, problem, "Unavailable", metadata)
    return None


def build_status(
    code: grpc.StatusCode,
    message: str,
    reason: str,
    metadata: Mapping[str, str],
    attached: Message | None = None,
) -> grpc.Status:
    """A status with an ErrorInfo, and a small message beside it that `attachment` finds.

    Texts are cut to what trailers hold.
    """
    number: int = code.value[0]
    detail = AnyMessage()
    shortened = {name: _cut(text, LIMITS.get(name, NAME_LIMIT)) for name, text in metadata.items()}
    detail.Pack(ErrorInfo(reason=_cut(reason, NAME_LIMIT), domain=DOMAIN, metadata=shortened))
    details = [detail]
    if attached is not None:
        details.append(AnyMessage())
        details[-1].Pack(attached)
    rich = Status(code=number, message=_cut(message, MESSAGE_LIMIT), details=details)
    status: grpc.Status = rpc_status.to_status(rich)
    return status


def explain(error: grpc.RpcError) -> SailauError:
    """The error that the server answered with, as far as it can be told.

    What comes from the server is text: control characters are taken out of it
    before anybody prints it.
    """
    if not isinstance(error, grpc.Call):
        return CallFailed("the call failed before it reached a server")
    known = _explain(error)
    if isinstance(known, Busy):
        known.retry_after = _retry_after(error)
    return known


def explain_stream(error: grpc.RpcError) -> SailauError:
    """As `explain` does; a stream that the server has cancelled may be asked for again."""
    if isinstance(error, grpc.Call) and error.code() is grpc.StatusCode.CANCELLED:
        return Unavailable("the server has ended the stream: too long nobody took anything of it")
    return explain(error)


def _explain(error: grpc.Call) -> SailauError:
    code, message = error.code(), clean(error.details() or "")
    info = _error_info(error)
    if info is not None:
        known = _from_info(code, {name: clean(text) for name, text in info.metadata.items()})
        if known is not None:
            return known
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in message:
        return Malformed("message", "is larger than the receiver accepts")
    if code is grpc.StatusCode.UNAVAILABLE:
        return _unreachable(message)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Unavailable("the server did not answer in time")
    if code in CALL_ERRORS:
        return CALL_ERRORS[code](message or code.name)
    return CallFailed(f"{code.name}: {message}")


def _unreachable(message: str) -> Unavailable:
    """What gRPC's own words about a connection mean; they are for its makers."""
    place = _PLACE.search(message)
    there = f" at {unquote(place[1])}" if place else ""
    if "CERTIFICATE_VERIFY_FAILED" in message:
        return WrongServer(
            "the server there is not of this election",
            "If the election was made again, join with your new invitation "
            "(`sailau trustee join --leave`)",
        )
    if "Hostname Verification Check failed" in message:
        return WrongServer(
            f"the certificate of the server{there} is for another name or address",
            "Reach it by a name or address that its certificate has",
        )
    if "DNS resolution failed" in message:
        name = _NAME.search(message)
        host = f" {name[1]}" if name else ""
        return NobodyThere(f"nobody answers: the name{host} is not known here")
    if "failed to connect to all addresses" in message:
        # gRPC tells of the last address alone; a name's others may have failed otherwise.
        return NobodyThere(f"nobody answers{there}", _ELSEWHERE if "[" in there else "")
    if message in _LOST:
        return Unavailable("the connection to the server was lost")
    return Unavailable(message or "the server cannot be reached")


def attachment(error: SailauError, kind: type[M]) -> M | None:
    """The message of this kind that came with the status which `error` explains."""
    call = error.__cause__
    if not isinstance(call, grpc.Call):
        return None
    for detail in _details(call):
        message = kind()
        if _unpack(detail, message):
            return message
    return None


@contextmanager
def explained() -> Iterator[None]:
    """Within this block a gRPC error becomes one of ours (`explain`)."""
    try:
        yield
    except grpc.RpcError as error:
        raise explain(error) from error


def clean(text: str) -> str:
    """Text of somebody else, without what could steer a terminal."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def _from_info(code: grpc.StatusCode, data: Mapping[str, str]) -> SailauError | None:
    problem, advice = data.get("problem", ""), data.get("advice", "")
    if code is grpc.StatusCode.INVALID_ARGUMENT and "field" in data:
        return Malformed(data["field"], problem, advice)
    if code is grpc.StatusCode.FAILED_PRECONDITION and "check" in data:
        culprit, where = data.get("culprit", ""), data.get("where", "")
        return Rejected(data["check"], problem, culprit=culprit, where=where, advice=advice)
    if code in CALL_ERRORS and problem:
        return CALL_ERRORS[code](problem, advice)
    return None


def _error_info(call: grpc.Call) -> ErrorInfo | None:
    """The ErrorInfo of our domain; None if there is none or it contradicts the status."""
    for detail in _details(call):
        info = ErrorInfo()
        if _unpack(detail, info) and info.domain == DOMAIN:
            return info
    return None


def _retry_info(error: Busy) -> RetryInfo:
    info = RetryInfo()
    info.retry_delay.FromMilliseconds(round(1000 * error.retry_after))
    return info


def _retry_after(call: grpc.Call) -> float:
    """Seconds of the server's RetryInfo: none, or a foolish one, is nothing to wait for ever on."""
    for detail in _details(call):
        info = RetryInfo()
        if _unpack(detail, info):
            seconds: float = info.retry_delay.seconds + info.retry_delay.nanos / 1e9
            return min(max(seconds, 0.0), LONGEST_RETRY)
    return 0.0


def _details(call: grpc.Call) -> Sequence[AnyMessage]:
    try:
        status = rpc_status.from_call(call)
    except (ValueError, DecodeError):
        return ()
    return tuple(status.details) if status else ()


def _unpack(detail: AnyMessage, message: Message) -> bool:
    try:
        return bool(detail.Unpack(message))
    except DecodeError:
        return False


def _reason(error: SailauError) -> str:
    if isinstance(error, Malformed):
        return error.field
    if isinstance(error, Rejected):
        return error.check
    return type(error).__name__


def _metadata(error: SailauError) -> dict[str, str]:
    names = ("field", "check", "culprit", "where", "problem", "advice")
    return {name: str(text) for name in names if (text := getattr(error, name, ""))}


def _cut(text: str, limit: int) -> str:
    """At most `limit` bytes of UTF-8."""
    data = text.encode(errors="replace")
    if len(data) <= limit:
        return data.decode()
    return data[: limit - 3].decode(errors="ignore") + "\u2026"
