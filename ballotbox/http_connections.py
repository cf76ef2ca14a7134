"""How many connections an HTTP port takes, and how long one may keep others waiting.

    server = BoundedServer(app, Limits())
    server.run(sockets=[listener])

uvicorn answers requests, and leaves open whatever somebody opens: a connection that sends
nothing is kept for ever, and each is one of the files that the process may have open. So
connections have places here, fewer than the files, and none keeps its place by doing
nothing. Whoever opens connections to this port must not keep another listener, or the
database, from opening anything (as in `rpc.server`), nor others from this port.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import resource
import socket
import time
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Any

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

LOGGER = logging.getLogger(__name__)

# What uvicorn says there below an error is about what a peer sends: an entry for each
# request that is none would be a log that anybody fills.
_OF_PEERS = logging.getLogger(f"{__name__}.peers")
_OF_PEERS.setLevel(logging.ERROR)

_FILES_PER_CONNECTION = 16
_FEWEST = 8
_SHARES = 8
_LEAST_SHARE = 4
_ACCEPT_PAUSE = 1.0
_SAY_AGAIN = 60.0
# The listening socket is none any more: waiting does not mend it.
_LOST = frozenset({errno.EBADF, errno.EINVAL, errno.ENOTSOCK})


@dataclass(frozen=True)
class Limits:
    """What a port grants; all times in seconds."""

    connections: int = 256
    """At most so many at once; fewer where few files may be open."""
    request_seconds: float = 10.0
    """For a request, from its first byte, or the connection's beginning, to its last byte."""
    idle_seconds: int = 5
    """Between an answer and the next request."""
    taking_seconds: float = 60.0
    """For an answer that its reader does not take, until some tens of KiB are taken."""
    grace_seconds: int = 2
    """For answers under way when the server stops."""

    def places(self) -> int:
        """For how many connections there are files: one for every 16 that may be open.

        An answer has a file of its own beside its connection, so that is an eighth of
        all; the gRPC listeners have a half.
        """
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if files == resource.RLIM_INFINITY:
            return self.connections
        return min(self.connections, max(_FEWEST, files // _FILES_PER_CONNECTION))


class Places:
    """The connections of one port, and which of them wait for their peer, longest first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._share = max(_LEAST_SHARE, most // _SHARES)
        self._taken: dict[Connection, str] = {}
        self._waiting: dict[Connection, None] = {}

    def make_room(self, host: str) -> bool:
        """For one from this address, if need be by ending the one that waits longest.

        A network that has its share makes room among its own; otherwise it is anybody's
        turn. False if all of them are being answered: then there is no room.
        """
        network = network_of(host)
        full = len(self._taken) >= self._most
        if network and sum(one == network for one in self._taken.values()) >= self._share:
            may_end = [one for one in self._waiting if self._taken[one] == network]
        elif full:
            may_end = list(self._waiting)
        else:
            return True
        if not may_end:
            return False
        may_end[0].end()
        return True

    def take(self, connection: Connection, host: str) -> None:
        """It is open."""
        self._taken[connection] = network_of(host)

    def leave(self, connection: Connection) -> None:
        """It is closed; may be said twice."""
        self._taken.pop(connection, None)
        self._waiting.pop(connection, None)

    def waits(self, connection: Connection) -> None:
        """It is its peer's turn, from now on if it was not before."""
        if connection in self._taken:
            self._waiting.setdefault(connection)

    def moves(self, connection: Connection) -> None:
        """It is our turn."""
        self._waiting.pop(connection, None)

    def clear(self) -> None:
        """End all of them."""
        for connection in list(self._taken):
            connection.end()


def network_of(host: str) -> str:
    """Whose share a connection counts to: an IPv4 address, or the /64 of an IPv6 address.

    Empty for the loopback and for what is no address: a web server on this machine speaks
    for everybody, and holds its own clients to its own limits.
    """
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return "" if address.is_loopback else f"{int(address) >> 64:016x}::/64"
        address = address.ipv4_mapped
    return "" if address.is_loopback else str(address)


class Connection(H11Protocol):
    """One connection of uvicorn's, with a place and a time limit while it waits for its peer."""

    def __init__(self, server: BoundedServer, host: str) -> None:
        super().__init__(server.config, server.server_state, server.lifespan.state)
        self.logger = _OF_PEERS
        self._places, self._limits, self._host = server.places, server.limits, host
        self._timer: asyncio.TimerHandle | None = None
        self._idle = False

    def end(self) -> None:
        """At once, and what was not sent yet with it."""
        self._places.leave(self)
        self.transport.abort()

    # --- what asyncio and uvicorn tell

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Open: a request is due."""
        super().connection_made(transport)
        self._places.take(self, self._host)
        self._wait(self._limits.request_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Closed."""
        self._places.leave(self)
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A part of a request, perhaps its first."""
        if self._idle:
            self._idle = False
            self._wait(self._limits.request_seconds)
        super().data_received(data)

    def handle_events(self) -> None:
        """As far as what was received goes, which may be a whole request."""
        super().handle_events()
        if self._answering() and not self.flow.write_paused:
            self._go_on()

    def on_response_complete(self) -> None:
        """Answered. uvicorn closes what is idle after this, once all is sent: if it is taken."""
        self._idle = True
        self._wait(max(self._limits.taking_seconds, self._limits.idle_seconds) + 1)
        super().on_response_complete()

    def pause_writing(self) -> None:
        """More is to be sent than the peer takes."""
        super().pause_writing()
        self._wait(self._limits.taking_seconds)

    def resume_writing(self) -> None:
        """The peer has taken most of it."""
        super().resume_writing()
        if self._answering():
            self._go_on()

    # --- whose turn it is

    def _answering(self) -> bool:
        """Whether a request is there to its last byte, and its answer is not."""
        cycle = self.cycle
        return cycle is not None and not cycle.more_body and not cycle.response_complete

    def _wait(self, seconds: float) -> None:
        self._places.waits(self)
        self._after(seconds)

    def _go_on(self) -> None:
        self._idle = False
        self._places.moves(self)
        self._after(self._limits.taking_seconds, look=True)

    def _after(self, seconds: float, *, look: bool = False) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, self._look if look else self.end)

    def _look(self) -> None:
        """At an answer that takes long: it may have broken off, and nobody takes the rest."""
        if self.transport.is_closing():
            self.end()
        else:
            self._after(self._limits.taking_seconds, look=True)


class BoundedServer(uvicorn.Server):
    """uvicorn with places for connections, which it accepts one by one.

    What is too much is closed at once, and what comes faster waits in the system's queue.
    """

    def __init__(self, app: Starlette, limits: Limits) -> None:
        """One that has not begun yet; `run` takes the sockets that it listens on."""
        super().__init__(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",  # it would take connections over
                loop="asyncio",
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=limits.idle_seconds,
                timeout_graceful_shutdown=limits.grace_seconds,
                # Of requests whose connections are gone and which are still worked on.
                limit_concurrency=2 * limits.connections,
            )
        )
        self.limits = limits
        self.places = Places(limits.places())
        self._accepting: list[asyncio.Task[None]] = []
        self._told = -_SAY_AGAIN

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's; whatever ends it, no connection stays."""
        try:
            await super().serve(sockets)
        finally:
            self.places.clear()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen on these sockets, and on nothing else."""
        self.places = Places(self.limits.places())
        await super().startup(sockets=[])
        self._accepting = [asyncio.create_task(self._accept(one)) for one in sockets or []]

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second. Raises OSError if a socket cannot be listened on any more."""
        for task in self._accepting:
            if task.done():
                task.result()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's."""
        for task in self._accepting:
            task.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        await super().shutdown(sockets)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        listener.setblocking(False)
        while True:
            try:
                connection, address = await loop.sock_accept(listener)
            except ConnectionError:
                pass  # it has gone again
            except OSError as error:
                if error.errno in _LOST:
                    raise
                self._tell(error)
                await asyncio.sleep(_ACCEPT_PAUSE)
            else:
                await self._admit(connection, address)
            await asyncio.sleep(0)  # those that come do not keep waiting those that are here

    async def _admit(self, connection: socket.socket, address: Any) -> None:
        host = str(address[0])
        if not self.places.make_room(host):
            connection.close()
            return
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(lambda: Connection(self, host), connection)
        except OSError as error:
            connection.close()
            self._tell(error)

    def _tell(self, error: OSError) -> None:
        now = time.monotonic()
        if now - self._told >= _SAY_AGAIN:
            self._told = now
            name = errno.errorcode.get(error.errno or 0, type(error).__name__)
            LOGGER.error("no connection can be accepted over HTTP: %s", name)
