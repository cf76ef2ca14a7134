"""Health checking (grpc.health.v1), in which no client can hold up another or the server.

gRPC's own servicer sends to watchers under a lock that the thread of all events waits
for when one of them leaves, and keeps something for every name it was ever asked about.
Here a watcher is a call like any other: it sends in its own thread, under no lock, and
there are few.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import grpc

# This package comes without type information.
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]

from crypto.errors import SailauError
from rpc.caller import caller
from rpc.errors import NotFound, Unavailable
from rpc.interceptor import Places

SERVICE_NAME: str = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
WATCHES, WATCHES_PER_CALLER = 4, 2
"""Watches that run at once, of all and of one caller. Each takes a thread of its listener."""
WAIT = 1.0
"""Seconds after which a watch looks whether its client is still there, at the latest."""

_RESPONSE = health_pb2.HealthCheckResponse


class HealthServicer:
    """The health of one listener: of the whole ("") and, always the same, of each service.

    NOT_SERVING at first, SERVING from `start` on, NOT_SERVING for good from `stop` on.
    """

    def __init__(self, service_names: Sequence[str]) -> None:
        """Other names than these are unknown; nothing is kept of who asks for them."""
        self._names = frozenset(("", *service_names))
        self._status: int = _RESPONSE.NOT_SERVING
        self._stopped = False
        # Guards these two. Nobody calls gRPC while holding it, for gRPC's thread takes it, too.
        self._changed = threading.Condition()
        self._watches = Places("as many watch this server's health as may")
        self._own = Places("this caller watches the server's health already")

    def add_to(self, server: grpc.Server) -> None:
        """Serve it."""
        health_pb2_grpc.add_HealthServicer_to_server(self, server)

    def start(self) -> None:
        """Say SERVING, unless it was stopped."""
        with self._changed:
            if not self._stopped:
                self._status = _RESPONSE.SERVING
            self._changed.notify_all()

    def stop(self) -> None:
        """Say NOT_SERVING for good; watches end by themselves. Waits for nobody."""
        with self._changed:
            self._stopped = True
            self._status = _RESPONSE.NOT_SERVING
            self._changed.notify_all()

    def Check(  # noqa: N802 - the names that gRPC calls
        self, request: health_pb2.HealthCheckRequest, _: grpc.ServicerContext
    ) -> health_pb2.HealthCheckResponse:
        """The health of one service; raises NotFound for an unknown one."""
        if request.service not in self._names:
            raise NotFound("this listener has no such service")
        return _RESPONSE(status=self._status)

    def List(  # noqa: N802
        self, _: health_pb2.HealthListRequest, __: grpc.ServicerContext
    ) -> health_pb2.HealthListResponse:
        """The health of every service."""
        status = _RESPONSE(status=self._status)
        return health_pb2.HealthListResponse(statuses=dict.fromkeys(self._names, status))

    def Watch(  # noqa: N802
        self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext
    ) -> Iterator[health_pb2.HealthCheckResponse]:
        """The health of one service, and again whenever it changes.

        An unknown one is SERVICE_UNKNOWN, once: it never becomes known. Raises Busy for more
        than `WATCHES_PER_CALLER` watches of a caller or `WATCHES` of all, and Unavailable when
        the listener stops.
        """
        known = request.service in self._names
        with (
            self._own.taken(_name(context), WATCHES_PER_CALLER),
            self._watches.taken("", WATCHES),
        ):
            context.add_callback(self._look)
            told = None
            while context.is_active():
                with self._changed:
                    stopped = self._stopped
                    status = self._status if known else _RESPONSE.SERVICE_UNKNOWN
                    if status == told and not stopped:
                        self._changed.wait(WAIT)
                        continue
                if status != told:
                    yield _RESPONSE(status=status)
                    told = status
                if stopped:
                    raise Unavailable("the server is stopping")

    def _look(self) -> None:
        """Have every watch look whether its client is still there. Called by gRPC's thread."""
        with self._changed:
            self._changed.notify_all()


def _name(context: grpc.ServicerContext) -> str:
    """Who watches: whose certificate it is or, without one, at which address."""
    try:
        return caller(context).uri
    except SailauError:
        return context.peer().rpartition(":")[0]
