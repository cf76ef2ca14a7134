"""The administration: what administrators do, on the roles' listener."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import grpc

from ballotbox.board import Board
from ballotbox.service.answers import available
from crypto.errors import Malformed, Rejected
from identity.roles import Role
from record.artifacts import (
    CeremonyAbandoned,
    DeviceMissing,
    Opening,
    Operation,
    PollsClose,
    Result,
)
from rpc.caller import require
from sailau.v1 import administration_pb2, administration_pb2_grpc

ADMINISTRATION_SERVICE = "sailau.v1.AdministrationService"

StartDecryption = Callable[[Sequence[int]], tuple[int, tuple[int, ...]]]
"""Takes trustees' indices (none: all that are present), returns the session's number and U."""
_ADMINISTRATOR_STATEMENTS = (
    *(CeremonyAbandoned, Opening, Operation),
    *(DeviceMissing, PollsClose, Result),
)


class AdministrationServicer(administration_pb2_grpc.AdministrationServiceServicer):
    """For administrators only."""

    def __init__(
        self,
        board: Board,
        start_decryption: StartDecryption,
        start_drill: StartDecryption | None = None,
    ) -> None:
        """What begins a session of either kind; without `start_drill` there are no drills."""
        self._board = board
        self._start_decryption = start_decryption
        self._start_drill = start_drill or _no_drills

    def Publish(  # noqa: N802
        self, request: administration_pb2.PublishRequest, context: grpc.ServicerContext
    ) -> administration_pb2.PublishResponse:
        """Put a statement of the administrator on the record."""
        require(context, Role.ADMINISTRATOR)
        artifact = self._board.transcript.parse(request.artifact)
        if not isinstance(artifact.statement, _ADMINISTRATOR_STATEMENTS):
            raise Malformed("artifact", f"is a {artifact.name}, which this call does not take")
        with available():
            index = self._board.accept(artifact).index
        return administration_pb2.PublishResponse(index=index)

    def StartDecryption(  # noqa: N802
        self, request: administration_pb2.StartDecryptionRequest, context: grpc.ServicerContext
    ) -> administration_pb2.StartDecryptionResponse:
        """Begin a decryption session."""
        require(context, Role.ADMINISTRATOR)
        session, trustees = self._start_decryption(tuple(request.trustees))
        return administration_pb2.StartDecryptionResponse(session=session, trustees=trustees)

    def StartDrill(  # noqa: N802
        self, request: administration_pb2.StartDrillRequest, context: grpc.ServicerContext
    ) -> administration_pb2.StartDrillResponse:
        """Begin a drill."""
        require(context, Role.ADMINISTRATOR)
        session, trustees = self._start_drill(tuple(request.trustees))
        return administration_pb2.StartDrillResponse(session=session, trustees=trustees)


def _no_drills(_: Sequence[int]) -> tuple[int, tuple[int, ...]]:
    raise Rejected("R.order", "this server holds no drills")
