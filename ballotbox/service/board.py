"""The board: what anybody may ask, on both listeners."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import grpc

from ballotbox.board import Board, Found
from ballotbox.errors import StoreError
from ballotbox.service.answers import available, look_up
from ballotbox.service.streams import UNREAD_SECONDS, StreamPlaces, Unread
from ballotbox.standing import phase_name, standing, trustees_done
from ballotbox.store import StoredCheckpoint
from crypto.errors import Malformed
from identity.roles import Identity
from record.state import Phase, Status
from rpc.caller import caller
from rpc.errors import NotFound, Unauthenticated, Unavailable
from sailau.v1 import bulletin_board_pb2, bulletin_board_pb2_grpc

BOARD_SERVICE = "sailau.v1.BulletinBoardService"

BATCH, BATCH_BYTES = 16, 1 << 20
"""Artifacts that a stream reads at once, and what it keeps of them while it sends: more than
so many bytes only if they are one artifact."""
WAIT = 1.0
"""Seconds after which a waiting stream looks whether its client is still there."""
FOLLOWERS, READERS = 8, 4
"""Streams that wait for what is to come, and others, that run at once where nobody says who
they are."""

_STATUS = {
    Status.SUBMITTED: bulletin_board_pb2.BALLOT_STATUS_SUBMITTED,
    Status.CAST: bulletin_board_pb2.BALLOT_STATUS_CAST,
    Status.CHALLENGED: bulletin_board_pb2.BALLOT_STATUS_CHALLENGED,
}


class BoardServicer(bulletin_board_pb2_grpc.BulletinBoardServiceServicer):
    """What anybody may ask.

    A stream takes a thread of its listener for as long as it lasts. So devices, and all
    who show no certificate, share `followers` places for streams that wait for what is to
    come and `readers` for others; trustees and administrators have their own, and no
    certificate has more than `streams.EACH` of a kind. Whoever comes then is told to come
    again. A stream of which an answer is not taken for `unread` seconds is ended. The
    listener needs some threads more than there are places, those of trustees and
    administrators included.
    """

    def __init__(
        self,
        board: Board,
        *,
        present: Callable[[], Sequence[int]] = tuple,
        notices: Callable[[], Sequence[str]] = tuple,
        followers: int = FOLLOWERS,
        readers: int = READERS,
        unread: float = UNREAD_SECONDS,
    ) -> None:
        """`present` gives the trustees that are there, `notices` what holds things up."""
        self._board = board
        self._present = present
        self._notices = notices
        self._followers, self._readers = StreamPlaces(followers), StreamPlaces(readers)
        self._unread = Unread(unread)

    def ReadArtifacts(  # noqa: N802 - the names that gRPC calls
        self, request: bulletin_board_pb2.ReadArtifactsRequest, context: grpc.ServicerContext
    ) -> Iterator[bulletin_board_pb2.ReadArtifactsResponse]:
        """Stream artifacts; see bulletin_board.proto."""
        if request.follow and request.limit:
            raise Malformed("limit", "cannot be given together with follow")
        places = self._followers if request.follow else self._readers
        with places.taken(_who(context)):
            yield from self._unread.watched(self._artifacts(request, context), context.cancel)

    def _artifacts(
        self, request: bulletin_board_pb2.ReadArtifactsRequest, context: grpc.ServicerContext
    ) -> Iterator[bulletin_board_pb2.ReadArtifactsResponse]:
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
        most = BATCH
        while first < last:
            batch = _beginning(self._board.read_bytes(first, min(most, last - first)))
            if not batch:
                return
            hints = self._board.read_hints(first, len(batch)) if hinted else {}
            for index, data in enumerate(batch, start=first):
                yield bulletin_board_pb2.ReadArtifactsResponse(
                    index=index, artifact=data, hints=hints.get(index, b"")
                )
            first += len(batch)
            most = min(BATCH, 2 * len(batch))

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
        try:
            return self._status(present, notices)
        except StoreError as error:
            # Whoever has to mend it reads here what is wrong.
            phase, size = self._board.known()
            return bulletin_board_pb2.GetStatusResponse(
                phase=phase_name(phase),
                size=size,
                trustees_present=present,
                notices=[*(self._board.notices() or (f"The board: {error.told}.",)), *notices],
            )

    def _status(
        self, present: Sequence[int], notices: Sequence[str]
    ) -> bulletin_board_pb2.GetStatusResponse:
        with self._board.reading() as state:
            counts, session, drill = state.counts(), state.session, state.drill
            notices = [*self._board.notices(), *notices]
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


def _who(context: grpc.ServicerContext) -> Identity | None:
    """Whose certificate it is; None on the public listener."""
    try:
        return caller(context)
    except Unauthenticated:
        return None


def _beginning(batch: Sequence[bytes]) -> Sequence[bytes]:
    """The first of these artifacts, as many as one stream may keep, and one at least."""
    size = 0
    for number, data in enumerate(batch):
        size += len(data)
        if number and size > BATCH_BYTES:
            return batch[:number]
    return batch


def _ballot_status(found: Found) -> bulletin_board_pb2.BallotStatus:
    status = found.entry.status
    if status is Status.SUBMITTED and found.phase >= Phase.CLOSED:
        return bulletin_board_pb2.BALLOT_STATUS_SPOILED
    return _STATUS[status]
