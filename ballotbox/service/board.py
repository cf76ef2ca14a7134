"""The board: what anybody may ask, on both listeners."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

import grpc

from ballotbox.board import Board, Found
from ballotbox.service.answers import available, held, look_up
from ballotbox.standing import phase_name, standing, trustees_done
from ballotbox.store import StoredCheckpoint
from crypto.errors import Malformed
from record.state import Phase, Status
from rpc.errors import NotFound, Unavailable
from sailau.v1 import bulletin_board_pb2, bulletin_board_pb2_grpc

BOARD_SERVICE = "sailau.v1.BulletinBoardService"

BATCH = 16
"""Artifacts that a stream reads at once."""
WAIT = 1.0
"""Seconds after which a waiting stream looks whether its client is still there."""
FOLLOWERS, READERS = 8, 4
"""Streams that wait for what is to come, and others, that run at once."""

_STATUS = {
    Status.SUBMITTED: bulletin_board_pb2.BALLOT_STATUS_SUBMITTED,
    Status.CAST: bulletin_board_pb2.BALLOT_STATUS_CAST,
    Status.CHALLENGED: bulletin_board_pb2.BALLOT_STATUS_CHALLENGED,
}


class BoardServicer(bulletin_board_pb2_grpc.BulletinBoardServiceServicer):
    """What anybody may ask.

    A stream takes a thread of its listener for as long as it lasts. So at most
    `followers` streams may wait for what is to come and at most `READERS` others run;
    whoever comes then is told to come again. The listener needs some threads more than
    both together.
    """

    def __init__(
        self,
        board: Board,
        *,
        present: Callable[[], Sequence[int]] = tuple,
        notices: Callable[[], Sequence[str]] = tuple,
        followers: int = FOLLOWERS,
    ) -> None:
        """`present` gives the trustees that are there, `notices` what holds things up."""
        self._board = board
        self._present = present
        self._notices = notices
        self._followers = threading.BoundedSemaphore(followers)
        self._readers = threading.BoundedSemaphore(READERS)

    def ReadArtifacts(  # noqa: N802 - the names that gRPC calls
        self, request: bulletin_board_pb2.ReadArtifactsRequest, context: grpc.ServicerContext
    ) -> Iterator[bulletin_board_pb2.ReadArtifactsResponse]:
        """Stream artifacts; see bulletin_board.proto."""
        if request.follow and request.limit:
            raise Malformed("limit", "cannot be given together with follow")
        with held(self._followers if request.follow else self._readers):
            with available():
                last = self._board.size()
            if request.limit:
                last = min(last, request.first + request.limit)
            hinted = request.with_hints
            yield from self._stream(request.first, last, hinted)
            if request.follow:
                yield from self._follow(max(request.first, last), hinted, context)

    def _stream(
        self, first: int, last: int, hinted: bool
    ) -> Iterator[bulletin_board_pb2.ReadArtifactsResponse]:
        for start in range(first, last, BATCH):
            most = min(BATCH, last - start)
            hints = self._board.read_hints(start, most) if hinted else {}
            batch = self._board.read_bytes(start, most)
            for index, data in enumerate(batch, start=start):
                yield bulletin_board_pb2.ReadArtifactsResponse(
                    index=index, artifact=data, hints=hints.get(index, b"")
                )

    def _follow(
        self, index: int, hinted: bool, context: grpc.ServicerContext
    ) -> Iterator[bulletin_board_pb2.ReadArtifactsResponse]:
        while context.is_active():
            for response in self._stream(index, self._board.wait(index, WAIT), hinted):
                yield response
                index = response.index + 1
            if self._board.closed:
                raise Unavailable("the server is stopping")

    def LookUpCode(  # noqa: N802
        self, request: bulletin_board_pb2.LookUpCodeRequest, _: grpc.ServicerContext
    ) -> bulletin_board_pb2.LookUpCodeResponse:
        """A ballot by its code."""
        found = look_up(self._board, request.confirmation_code)
        return bulletin_board_pb2.LookUpCodeResponse(
            status=_ballot_status(found),
            ballot_index=found.entry.index,
            decision_index=found.entry.decided or 0,
            artifact=found.data,
        )

    def GetCheckpoint(  # noqa: N802
        self, request: bulletin_board_pb2.GetCheckpointRequest, _: grpc.ServicerContext
    ) -> bulletin_board_pb2.GetCheckpointResponse:
        """The signed head of the log."""
        with available():
            note = self._board.note(self._head(request.cosigned))
        return bulletin_board_pb2.GetCheckpointResponse(checkpoint=note)

    def _head(self, cosigned: bool) -> StoredCheckpoint:
        newest = self._board.head()
        found = self._board.newest_cosigned(newest.size) if cosigned else newest
        if found is None:
            raise NotFound("no witness has cosigned a checkpoint so far")
        return found

    def GetInclusionProof(  # noqa: N802
        self, request: bulletin_board_pb2.GetInclusionProofRequest, _: grpc.ServicerContext
    ) -> bulletin_board_pb2.GetInclusionProofResponse:
        """That an artifact is in the log."""
        self._check_size(request.size)
        if request.index >= request.size:
            raise Malformed("index", "is not below size")
        hashes = self._board.inclusion_proof(request.index, request.size)
        return bulletin_board_pb2.GetInclusionProofResponse(hashes=hashes)

    def GetConsistencyProof(  # noqa: N802
        self, request: bulletin_board_pb2.GetConsistencyProofRequest, _: grpc.ServicerContext
    ) -> bulletin_board_pb2.GetConsistencyProofResponse:
        """That the log has only grown."""
        self._check_size(request.size)
        if request.old_size > request.size:
            raise Malformed("old_size", "is above size")
        hashes = self._board.consistency_proof(request.old_size, request.size)
        return bulletin_board_pb2.GetConsistencyProofResponse(hashes=hashes)

    def _check_size(self, size: int) -> None:
        with available():
            newest = self._board.head().size
        if size > newest:
            raise NotFound(f"the log has {newest} artifacts, not {size}")

    def GetStatus(  # noqa: N802
        self, _: bulletin_board_pb2.GetStatusRequest, __: grpc.ServicerContext
    ) -> bulletin_board_pb2.GetStatusResponse:
        """Where the election stands."""
        present, notices = self._present(), self._notices()
        with available(), self._board.reading() as state:
            counts, session, drill = state.counts(), state.session, state.drill
            return bulletin_board_pb2.GetStatusResponse(
                phase=phase_name(state.phase),
                size=state.size,
                submitted=counts.submitted,
                cast=counts.cast,
                challenged=counts.challenged,
                open_devices=[
                    label for label, device in state.devices.items() if not device.closed
                ],
                unaccounted_devices=state.unaccounted_devices(),
                trustees_done=trustees_done(state),
                trustees_present=present,
                session=session.number if session else 0,
                session_trustees=session.trustees if session else (),
                notices=notices,
                trustees_excluded=sorted(state.accused),
                session_purpose=int(session.purpose) if session else 0,  # type: ignore[arg-type]
                drill_answered=drill.answered() if drill else (),
                drill=drill.number if drill else 0,
                standing=standing(state),
            )


def _ballot_status(found: Found) -> bulletin_board_pb2.BallotStatus:
    status = found.entry.status
    if status is Status.SUBMITTED and found.phase >= Phase.CLOSED:
        return bulletin_board_pb2.BALLOT_STATUS_SPOILED
    return _STATUS[status]
