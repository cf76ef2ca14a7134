"""A world's services on loopback, with TLS and a certificate for every role.

    with Listening(world, board) as listening:
        client = DeviceClient(listening.role_channel(Role.DEVICE, "ballot-box-1"), context)

The certificates are made anew for every `Network`; pass one network to several
listenings to have their clients reconnect.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import grpc

from ballotbox.board import Board
from ballotbox.service import (
    ADMINISTRATION_SERVICE,
    BALLOT_BOX_SERVICE,
    BOARD_SERVICE,
    READERS,
    AdministrationServicer,
    BallotBoxServicer,
    BoardServicer,
    StartDecryption,
    add_public,
    add_roles,
)
from ballotbox.service.streams import UNREAD_SECONDS
from identity.authority import Authority
from identity.roles import Identity, Role
from identity.tlskeys import TlsKey
from rpc.credentials import (
    public_channel,
    public_server_credentials,
    role_channel,
    roles_server_credentials,
)
from rpc.server import Server
from tests.ports import HOST


class Network:
    """A certificate authority, the server's certificate, and clients' on demand."""

    def __init__(self) -> None:
        self.authority = Authority.create("test-election")
        self.key = TlsKey.generate()
        server = Identity(Role.SERVER, "server")
        request = self.key.request(server)
        self.certificate = self.authority.issue_server(request, server, [HOST])

    def role_channel(self, port: int, role: Role, name: str) -> grpc.Channel:
        """A channel with a fresh certificate for that role."""
        identity, key = Identity(role, name), TlsKey.generate()
        certificate = self.authority.issue_client(key.request(identity), identity)
        return role_channel(f"{HOST}:{port}", self.authority.certificate_pem, certificate, key)

    def public_channel(self, port: int) -> grpc.Channel:
        """A channel without a certificate."""
        return public_channel(f"{HOST}:{port}", self.authority.certificate_pem)


def no_decryption(_: Sequence[int]) -> tuple[int, tuple[int, ...]]:
    """For tests in which nobody starts a decryption."""
    raise AssertionError("nobody starts a decryption here")


class Listening:
    """Both listeners of one board while the block lasts. `channels` are closed with it."""

    def __init__(
        self,
        board: Board,
        *,
        network: Network | None = None,
        port: int = 0,
        start_decryption: StartDecryption = no_decryption,
        start_drill: StartDecryption = no_decryption,
        present: Callable[[], Sequence[int]] = tuple,
        notices: Callable[[], Sequence[str]] = tuple,
        followers: int = 4,
        readers: int = READERS,
        unread: float = UNREAD_SECONDS,
        add: Callable[[grpc.Server], None] | None = None,
    ) -> None:
        """`add` may add more services to the roles' listener."""
        self.network = network or Network()
        self._board = board
        self._channels: list[grpc.Channel] = []
        network = self.network
        self.public = Server(
            f"{HOST}:0",
            public_server_credentials(network.certificate, network.key),
            [BOARD_SERVICE],
        )
        self.roles = Server(
            f"{HOST}:{port}",
            roles_server_credentials(
                network.certificate, network.key, network.authority.certificate_pem
            ),
            [BOARD_SERVICE, BALLOT_BOX_SERVICE, ADMINISTRATION_SERVICE],
        )
        for server in (self.public, self.roles):
            servicer = BoardServicer(
                board,
                present=present,
                notices=notices,
                followers=followers,
                readers=readers,
                unread=unread,
            )
            add_public(server.grpc_server, servicer)
        add_roles(
            self.roles.grpc_server,
            BallotBoxServicer(board),
            AdministrationServicer(board, start_decryption, start_drill),
        )
        if add is not None:
            add(self.roles.grpc_server)

    def __enter__(self) -> Self:
        self.public.start()
        self.roles.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for channel in self._channels:
            channel.close()
        self._board.close()
        self.public.stop(0.5)
        self.roles.stop(0.5)

    def role_channel(self, role: Role, name: str) -> grpc.Channel:
        """A channel to the roles' listener."""
        return self._kept(self.network.role_channel(self.roles.port, role, name))

    def public_channel(self) -> grpc.Channel:
        """A channel to the public listener."""
        return self._kept(self.network.public_channel(self.public.port))

    def _kept(self, channel: grpc.Channel) -> grpc.Channel:
        self._channels.append(channel)
        return channel
