"""The board, the ballot box and the administration over gRPC.

`BoardServicer` goes on both listeners (one instance each), the other two on the roles'
listener alone. Errors leave their methods as ours and become statuses in `rpc`, but
for a second decision, whose status has a detail of its own.

    board           what anybody may ask
    ballot_box      what devices send
    administration  what administrators do
    streams         places for those who read the board as a stream
    answers         what the three have in common: places, errors that mean "come again"
"""

from __future__ import annotations

import grpc

from ballotbox.service.administration import (
    ADMINISTRATION_SERVICE,
    AdministrationServicer,
    StartDecryption,
)
from ballotbox.service.ballot_box import BALLOT_BOX_SERVICE, BallotBoxServicer, calls_at_once
from ballotbox.service.board import BOARD_SERVICE, FOLLOWERS, READERS, BoardServicer
from ballotbox.service.streams import shared_by_devices
from sailau.v1 import (
    administration_pb2_grpc,
    ballot_box_pb2_grpc,
    bulletin_board_pb2_grpc,
)

__all__ = [
    "ADMINISTRATION_SERVICE",
    "BALLOT_BOX_SERVICE",
    "BOARD_SERVICE",
    "FOLLOWERS",
    "READERS",
    "AdministrationServicer",
    "BallotBoxServicer",
    "BoardServicer",
    "StartDecryption",
    "add_public",
    "add_roles",
    "calls_at_once",
    "shared_by_devices",
]


def add_public(server: grpc.Server, board: BoardServicer) -> None:
    """Serve the board: for the public listener, and for the roles' one with others."""
    bulletin_board_pb2_grpc.add_BulletinBoardServiceServicer_to_server(board, server)


def add_roles(
    server: grpc.Server, ballot_box: BallotBoxServicer, administration: AdministrationServicer
) -> None:
    """Serve devices and administrators: for the roles' listener."""
    ballot_box_pb2_grpc.add_BallotBoxServiceServicer_to_server(ballot_box, server)
    administration_pb2_grpc.add_AdministrationServiceServicer_to_server(administration, server)
