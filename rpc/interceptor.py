"""The server's interceptor: answers with our errors, and writes one log line a call.

A log line has the method, the caller's role and the status: no contents, no
names, no addresses. Together with the log's own clock it still tells when calls
came in, so a log is not for publishing. Whoever counts calls is told the same of each.
"""

from __future__ import annotations

import logging
import secrets
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc

from crypto.errors import Malformed, NotNow, Rejected, SailauError
from identity.roles import Identity, Role
from rpc.caller import caller
from rpc.errors import Busy, build_status, status_of
from rpc.first_message import FirstMessages

LOGGER = logging.getLogger(__name__)
CODE = grpc.StatusCode
# Such a call lasts as long as its client likes, and takes a thread. Reflection is one.
STREAMS_IN = 8
CALLS_PER_CALLER: Mapping[Role, int] = {
    # It follows the board, attends and sends; perhaps a stream of a lost connection is left.
    Role.TRUSTEE: 4,
    Role.DEVICE: 8,
    Role.ADMINISTRATOR: 8,
    Role.SERVER: 0,
}
"""Calls that run at once with one certificate."""

# A string: the class is generic in its stubs only.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Behaviour = Callable[..., Any]
BUILDERS: dict[tuple[bool, bool], Callable[..., Handler]] = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}


@dataclass(slots=True)
class Call:
    """A call that has ended: its method, the caller's role ("-" without one) and its status.

    `check` is the id of the check that failed, if one did.
    """

    method: str
    role: str
    status: str = ""
    check: str = ""


Observe = Callable[[Call], None]


class Interceptor(grpc.ServerInterceptor):
    """Runs every handler inside `logged` and `answered`, and shares the threads out.

    Whoever shows a certificate has at most `CALLS_PER_CALLER` calls at once; of a method
    whose requests are a stream, at most `STREAMS_IN` calls run at once. What comes beyond
    that is answered as `Busy`. A call that takes one request and gets none ends by
    `first_messages`. `observe` is told of each call; it must neither wait nor raise.
    """

    def __init__(self, first_messages: FirstMessages, observe: Observe = lambda _: None) -> None:
        self._streams_in = Places()
        self._calls = Places()
        self._first_messages = first_messages
        self._observe = observe

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Handler | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """The handler for this method, wrapped; None (UNIMPLEMENTED) if there is none."""
        handler = continuation(handler_call_details)
        if handler is None:
            return None
        shape = (bool(handler.request_streaming), bool(handler.response_streaming))
        behaviour = _behaviour(handler)
        wrapped = self._wrap(behaviour, handler_call_details.method, shape)
        # On the wire one request is a stream of one. gRPC would wait for it in one of our
        # threads before it asks us anything, and for ever if the client never sends it. So
        # it is told that every method takes a stream, and we wait: counted, and not long.
        return BUILDERS[True, shape[1]](
            wrapped, _lenient(handler.request_deserializer), handler.response_serializer
        )

    def _wrap(self, behaviour: Behaviour, method: str, shape: tuple[bool, bool]) -> Behaviour:
        streams_in, streams_out = shape

        @contextmanager
        def around(context: grpc.ServicerContext) -> Iterator[None]:
            known = _caller(context)
            name, most = (None, 0) if known is None else (known.uri, CALLS_PER_CALLER[known.role])
            call = Call(method, "-" if known is None else str(known.role))
            with (
                logged(call, context, self._observe),
                answered(call, context),
                self._calls.taken(name, most),
                self._streams_in.taken(method if streams_in else None, STREAMS_IN),
            ):
                yield

        def decoded(requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
            if streams_in:
                return map(_decoded, requests)
            with self._first_messages.awaited(context):
                return _only(requests)

        def respond(requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
            with around(context):
                return behaviour(decoded(requests, context), context)

        def stream(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
            with around(context):
                yield from behaviour(decoded(requests, context), context)

        return stream if streams_out else respond


class Places:
    """Places for everybody's own calls. Safe to use from several threads.

    Nothing is kept of a name that has none taken: there may be any number of names.
    """

    def __init__(
        self,
        problem: str = "as many calls run as this server serves",
        advice: str = "Try again later.",
        retry_after: float = 1.0,
    ) -> None:
        """What `Busy` says to whoever finds none."""
        self._busy = problem, advice, retry_after
        self._taken: Counter[str] = Counter()
        self._guard = threading.Lock()

    @contextmanager
    def taken(self, name: str | None, most: int) -> Iterator[None]:
        """One of `most` places of `name` while the block lasts; raises Busy. None needs none."""
        if name is None:
            yield
            return
        with self._guard:
            if self._taken[name] >= most:
                raise Busy(*self._busy)
            self._taken[name] += 1
        try:
            yield
        finally:
            with self._guard:
                self._taken[name] -= 1
                if not self._taken[name]:
                    del self._taken[name]


class Undecodable:
    """Stands for a request that is no message of the method's type."""


def _behaviour(handler: Handler) -> Behaviour:
    behaviours = (
        handler.unary_unary,
        handler.unary_stream,
        handler.stream_unary,
        handler.stream_stream,
    )
    return next(behaviour for behaviour in behaviours if behaviour is not None)


def _lenient(deserialize: Callable[[bytes], Any] | None) -> Callable[[bytes], Any] | None:
    """gRPC answers INTERNAL to a request it cannot decode, before any handler runs.

    It is the client's fault and gets the client's status, from inside the handler.
    """
    if deserialize is None:
        return None

    def attempt(data: bytes) -> Any:
        try:
            return deserialize(data)
        except Exception:  # whatever a decoder raises, it is about these bytes
            return Undecodable()

    return attempt


def _only(requests: Iterator[Any]) -> Any:
    """The one request, once it is sure that there is no other."""
    for request in requests:
        for _ in requests:
            raise Malformed("request", "is followed by another; this method takes one")
        return _decoded(request)
    raise Malformed("request", "is missing")


def _decoded(request: Any) -> Any:
    if isinstance(request, Undecodable):
        raise Malformed("request", "is not a message of this method's type")
    return request


@contextmanager
def answered(call: Call, context: grpc.ServicerContext) -> Iterator[None]:
    """Within this block an error becomes the status that answers the call."""
    method = call.method
    try:
        yield
    except SailauError as error:
        if isinstance(error, Rejected):
            call.check = error.check
        if isinstance(error, NotNow):
            LOGGER.error("%s: %s", method, error)
        status = status_of(error)
        context.abort_with_status(status or _internal(method, error))
    except grpc.RpcError as error:
        # Reading a request stream whose client has gone raises this; so does a
        # call of our own to somewhere else, and that is our failure.
        if not context.is_active():
            raise
        context.abort_with_status(_internal(method, error))
    except Exception as error:
        if type(error) is Exception and not error.args and _code(context) is not CODE.OK:
            raise  # context.abort() of the handler itself
        context.abort_with_status(_internal(method, error))


@contextmanager
def logged(call: Call, context: grpc.ServicerContext, observe: Observe) -> Iterator[None]:
    """Log the call when this block ends, however it ends, and tell `observe`."""
    try:
        yield
    finally:
        code = _code(context) if context.is_active() else CODE.CANCELLED
        call.status = code.name
        LOGGER.info("call", extra={"method": call.method, "role": call.role, "status": call.status})
        observe(call)


def _internal(method: str, error: Exception) -> grpc.Status:
    """INTERNAL with a reference into the log and nothing else.

    The log gets the kind of error and the lines of code it came through. Not its
    message, unless it is one of ours (a full disk, say), which quote no secret: it
    may quote what the code was working on.
    """
    reference = secrets.token_hex(4)
    frames = "".join(traceback.format_list(traceback.extract_tb(error.__traceback__)))
    kind = type(error).__name__
    what = f"{kind}: {error}" if isinstance(error, SailauError) else kind
    LOGGER.error("%s failed [%s]: %s\n%s", method, reference, what, frames)
    message = f"the server failed; its log has more under {reference}"
    return build_status(CODE.INTERNAL, message, "ServerFailed", {"problem": message})


def _code(context: grpc.ServicerContext) -> grpc.StatusCode:
    """What the handler set; the stubs leave `code()` out of the server's context."""
    code: grpc.StatusCode | None = context.code()  # type: ignore[attr-defined]
    return code or CODE.OK


def _caller(context: grpc.ServicerContext) -> Identity | None:
    try:
        return caller(context)
    except SailauError:
        return None
