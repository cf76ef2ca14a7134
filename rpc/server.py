"""One listener: a synchronous gRPC server with health checking and reflection.

server = Server("127.0.0.1:0", credentials, ["sailau.v1.BulletinBoardService"])
add_BulletinBoardServiceServicer_to_server(servicer, server.grpc_server)
server.start()
...
server.stop(grace=5)
"""

from __future__ import annotations

import logging
import resource
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

import grpc

# This package comes without type information.
from grpc_reflection.v1alpha import reflection  # type: ignore[import-untyped]

from crypto.errors import SailauError
from rpc.credentials import MAX_REQUEST, server_options
from rpc.first_message import FirstMessages
from rpc.health import SERVICE_NAME, WATCHES, HealthServicer
from rpc.interceptor import Interceptor, Observe

LOGGER = logging.getLogger(__name__)
DEFAULT_WORKERS = 16
QUEUE_PER_WORKER = 4
MOST_CONNECTIONS = 4096
LAST_EVENTS = 5.0
"""Seconds for gRPC to end what was cancelled when a listener's grace was over."""


class ListenError(SailauError):
    """The address cannot be listened on: in use, not this machine's, or not allowed."""


class Server:
    """A listener for the services named at its making.

    Every call that is running takes one of `workers` threads, a stream for as
    long as it lasts; four times as many wait, and what comes then is answered
    RESOURCE_EXHAUSTED. So is a request of more than `max_request` bytes. Those who
    watch its health have threads besides. A call waits for its one request no longer
    than `FirstMessages` says. Connections are limited so that two listeners leave half
    of the process's files alone: whoever opens connections to one must not keep the
    other, or the database, from opening anything.
    """

    grpc_server: grpc.Server
    """Where servicers are added, before `start`."""

    port: int
    """The port it listens on, also if the address left the choice to the system (":0")."""

    def __init__(
        self,
        address: str,
        credentials: grpc.ServerCredentials,
        service_names: Sequence[str],
        *,
        workers: int = DEFAULT_WORKERS,
        max_request: int = MAX_REQUEST,
        observe: Observe = lambda _: None,
    ) -> None:
        """Take the address (host:port); `observe` is told of each call. Raises ListenError."""
        self._pool = ThreadPoolExecutor(workers + WATCHES, thread_name_prefix="rpc")
        self._first_messages = FirstMessages(max_request)
        self.grpc_server = grpc.server(
            self._pool,
            interceptors=[Interceptor(self._first_messages, observe)],
            options=server_options(max_request, _connections()),
            maximum_concurrent_rpcs=workers * (1 + QUEUE_PER_WORKER) + WATCHES,
        )
        self._health = HealthServicer(service_names)
        self._health.add_to(self.grpc_server)
        names = (*service_names, SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self.grpc_server)
        self.port = _listen(self.grpc_server, address, credentials)

    def start(self) -> None:
        """Begin to answer; health says SERVING for every service and for the whole."""
        self.grpc_server.start()
        self._first_messages.start()
        self._health.start()

    def stop(self, grace: float = 5.0) -> None:
        """Say NOT_SERVING, take no new calls, let running ones end within `grace` seconds.

        Returns when all is over; no client can delay that by more than `grace`.
        Stopping twice does nothing more.
        """
        self._health.stop()
        ended = self.grpc_server.stop(grace).wait(grace + LAST_EVENTS)
        if not ended:
            LOGGER.error("calls that were cancelled have not ended; the listener is left to itself")
        self._first_messages.stop()
        self._pool.shutdown(wait=ended, cancel_futures=not ended)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _connections() -> int:
    """How many connections a listener takes: a quarter of the files that may be open.

    The soft limit, often 1024, is there for programs with `select`; gRPC has none.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 4 * MOST_CONNECTIONS
    files = most if hard == resource.RLIM_INFINITY else min(hard, most)
    if soft != resource.RLIM_INFINITY and soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return files // 4


def _listen(server: grpc.Server, address: str, credentials: grpc.ServerCredentials) -> int:
    try:
        port = server.add_secure_port(address, credentials)
    except RuntimeError:
        port = 0
    if port == 0:
        raise ListenError(f"cannot listen on {address}: is another program using it?")
    return port
