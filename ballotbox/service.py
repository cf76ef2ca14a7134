"""The board, the ballot box and the administration over gRPC.

`BoardServicer` goes on both listeners (one instance each), the other two on the roles'
listener alone. Errors leave these methods as ours and become statuses in `rpc`, but
for a second decision, whose status has a detail of its own.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias, TypeVar

import grpc

from ballotbox.arrivals import Accepted, Arrival
from ballotbox.board import Board, Found
from ballotbox.errors import (
    AdmissionAbandoned,
    AdmissionBusy,
    AdmissionFailed,
    StoreNotLeading,
    StoreOutcomeUnknown,
)
from ballotbox.issuing import Receipts
from ballotbox.receipts import Receipt, ReceiptKind
from ballotbox.standing import phase_name, standing, trustees_done
from ballotbox.store import StoredCheckpoint
from ballotbox.uploading import DeviceUpload, Stalled
from crypto.errors import Malformed, Rejected
from identity.roles import Role
from record.artifacts import (
    MAX_BALLOT,
    Artifact,
    Ballot,
    Cast,
    CeremonyAbandoned,
    Challenge,
    Device,
    DeviceClose,
    DeviceMissing,
    Opening,
    Operation,
    PollsClose,
    Result,
)
from record.hints import MAX_HINTS
from record.state import Phase, Status
from rpc.caller import require
from rpc.errors import Busy, Denied, NotFound, Unavailable, build_status
from sailau.v1 import (
    administration_pb2,
    administration_pb2_grpc,
    ballot_box_pb2,
    ballot_box_pb2_grpc,
    bulletin_board_pb2,
    bulletin_board_pb2_grpc,
)

BOARD_SERVICE = "sailau.v1.BulletinBoardService"
BALLOT_BOX_SERVICE = "sailau.v1.BallotBoxService"
ADMINISTRATION_SERVICE = "sailau.v1.AdministrationService"

BATCH = 16
"""Artifacts that a stream reads at once."""
WAIT = 1.0
"""Seconds after which a waiting stream looks whether its client is still there."""
FOLLOWERS = 8
READERS = 4
PER_DEVICE = 2
"""Ballots of a device that may be under way, besides an upload."""
CALLS, MOST_CALLS = 64, 512
"""Calls of devices that run at once; see `calls_at_once`."""

StartDecryption = Callable[[Sequence[int]], tuple[int, tuple[int, ...]]]
"""Takes trustees' indices (none: all that are present), returns the session's number and U."""
_S = TypeVar("_S", Device, Ballot, Cast, Challenge, DeviceClose)
_DeviceStatement: TypeAlias = Device | Ballot | Cast | Challenge | DeviceClose
_DEVICE_STATEMENTS = (Device, Ballot, Cast, Challenge, DeviceClose)
_ADMINISTRATOR_STATEMENTS = (
    *(CeremonyAbandoned, Opening, Operation),
    *(DeviceMissing, PollsClose, Result),
)

_STATUS = {
    Status.SUBMITTED: bulletin_board_pb2.BALLOT_STATUS_SUBMITTED,
    Status.CAST: bulletin_board_pb2.BALLOT_STATUS_CAST,
    Status.CHALLENGED: bulletin_board_pb2.BALLOT_STATUS_CHALLENGED,
}

_RECEIPTS = {
    Status.SUBMITTED: ReceiptKind.SUBMITTED,
    Status.CAST: ReceiptKind.CAST,
    Status.CHALLENGED: ReceiptKind.CHALLENGED,
}


class BoardServicer(bulletin_board_pb2_grpc.BulletinBoardServiceServicer):
    """What anybody may ask.

    A stream takes a thread of its listener for as long as it lasts. So at most
    `followers` streams may wait for what is to come and at most `readers` others run;
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
        readers: int = READERS,
    ) -> None:
        """`present` gives the trustees that are there, `notices` what holds things up."""
        self._board = board
        self._present = present
        self._notices = notices
        self._followers = threading.BoundedSemaphore(followers)
        self._readers = threading.BoundedSemaphore(readers)

    def ReadArtifacts(  # noqa: N802 - the names that gRPC calls
        self, request: bulletin_board_pb2.ReadArtifactsRequest, context: grpc.ServicerContext
    ) -> Iterator[bulletin_board_pb2.ReadArtifactsResponse]:
        """Stream artifacts; see bulletin_board.proto."""
        if request.follow and request.limit:
            raise Malformed("limit", "cannot be given together with follow")
        with _held(self._followers if request.follow else self._readers):
            with _available():
                last = self._board.size()
            if request.limit:
                last = min(last, request.first + request.limit)
            yield from self._stream(request.first, last)
            if request.follow:
                yield from self._follow(max(request.first, last), context)

    def _stream(self, first: int, last: int) -> Iterator[bulletin_board_pb2.ReadArtifactsResponse]:
        for start in range(first, last, BATCH):
            batch = self._board.read_bytes(start, min(BATCH, last - start))
            for index, data in enumerate(batch, start=start):
                yield bulletin_board_pb2.ReadArtifactsResponse(index=index, artifact=data)

    def _follow(
        self, index: int, context: grpc.ServicerContext
    ) -> Iterator[bulletin_board_pb2.ReadArtifactsResponse]:
        while context.is_active():
            size = self._board.wait(index, WAIT)
            yield from self._stream(index, size)
            index = max(index, size)
            if self._board.closed:
                raise Unavailable("the server is stopping")

    def LookUpCode(  # noqa: N802
        self, request: bulletin_board_pb2.LookUpCodeRequest, _: grpc.ServicerContext
    ) -> bulletin_board_pb2.LookUpCodeResponse:
        """A ballot by its code."""
        code = request.confirmation_code
        if len(code) != 32:
            raise Malformed("confirmation_code", f"has {len(code)} bytes instead of 32")
        with _available():
            found = self._board.look_up(code)
        if found is None:
            raise NotFound("no ballot with this confirmation code was submitted")
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
        with _available():
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
        with _available():
            newest = self._board.head().size
        if size > newest:
            raise NotFound(f"the log has {newest} artifacts, not {size}")

    def GetStatus(  # noqa: N802
        self, _: bulletin_board_pb2.GetStatusRequest, __: grpc.ServicerContext
    ) -> bulletin_board_pb2.GetStatusResponse:
        """Where the election stands."""
        present, notices = self._present(), self._notices()
        with _available(), self._board.reading() as state:
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


class BallotBoxServicer(ballot_box_pb2_grpc.BallotBoxServiceServicer):
    """For devices only, each under its own name.

    A device has at most `PER_DEVICE` ballots under way: one that sends worthless ones as
    fast as it can must not keep those of the others out of the queue.
    """

    def __init__(self, board: Board) -> None:
        """At most `calls_at_once` run: other threads are for those who only look."""
        self._board = board
        self._receipts = Receipts(board)
        self._calls = threading.BoundedSemaphore(calls_at_once(board))
        self._under_way: Counter[str] = Counter()
        self._uploads: dict[str, DeviceUpload[ballot_box_pb2.UploadRequest]] = {}
        self._guard = threading.Lock()

    def RegisterDevice(  # noqa: N802
        self, request: ballot_box_pb2.RegisterDeviceRequest, context: grpc.ServicerContext
    ) -> ballot_box_pb2.RegisterDeviceResponse:
        """Begin a chain."""
        artifact, _ = self._parse(request.artifact, Device, context)
        return ballot_box_pb2.RegisterDeviceResponse(index=self._accept(artifact, context).index)

    def Submit(  # noqa: N802
        self, request: ballot_box_pb2.SubmitRequest, context: grpc.ServicerContext
    ) -> ballot_box_pb2.SubmitResponse:
        """Take a ballot in."""
        with self._turn(require(context, Role.DEVICE).name):
            artifact, ballot = self._parse(request.artifact, Ballot, context)
            index = self._accept(artifact, context, request.hints).index
        code = ballot.confirmation_code
        with _available():
            receipt = self._receipts.first(ReceiptKind.SUBMITTED, code, index, artifact.data)
        return ballot_box_pb2.SubmitResponse(receipt=receipt.to_message())

    def Cast(  # noqa: N802
        self, request: ballot_box_pb2.CastRequest, context: grpc.ServicerContext
    ) -> ballot_box_pb2.CastResponse:
        """Let a ballot count."""
        artifact, cast = self._parse(request.artifact, Cast, context)
        receipt = self._decide(artifact, ReceiptKind.CAST, cast.confirmation_code, context)
        return ballot_box_pb2.CastResponse(receipt=receipt.to_message())

    def Challenge(  # noqa: N802
        self, request: ballot_box_pb2.ChallengeRequest, context: grpc.ServicerContext
    ) -> ballot_box_pb2.ChallengeResponse:
        """Have a ballot opened."""
        artifact, challenge = self._parse(request.artifact, Challenge, context)
        code = challenge.confirmation_code
        receipt = self._decide(artifact, ReceiptKind.CHALLENGED, code, context)
        return ballot_box_pb2.ChallengeResponse(receipt=receipt.to_message())

    def GetReceipt(  # noqa: N802
        self, request: ballot_box_pb2.GetReceiptRequest, context: grpc.ServicerContext
    ) -> ballot_box_pb2.GetReceiptResponse:
        """A receipt once more, with the witnesses that have signed since."""
        require(context, Role.DEVICE)
        code = request.confirmation_code
        if len(code) != 32:
            raise Malformed("confirmation_code", f"has {len(code)} bytes instead of 32")
        with _available():
            found = self._board.look_up(code)
        if found is None:
            raise NotFound("no ballot with this confirmation code was submitted")
        kind = _receipt_kind(request.kind, found)
        index = found.entry.index
        if kind is not ReceiptKind.SUBMITTED:
            if found.entry.decided is None or _RECEIPTS[found.entry.status] is not kind:
                raise NotFound(f"the ballot is not {kind.name.lower()}")
            index = found.entry.decided
        with _available():
            (data,) = self._board.read_bytes(index, 1)
            receipt = self._receipts.best(kind, code, index, data)
        return ballot_box_pb2.GetReceiptResponse(receipt=receipt.to_message())

    def CloseDevice(  # noqa: N802
        self, request: ballot_box_pb2.CloseDeviceRequest, context: grpc.ServicerContext
    ) -> ballot_box_pb2.CloseDeviceResponse:
        """End a chain."""
        artifact, _ = self._parse(request.artifact, DeviceClose, context)
        return ballot_box_pb2.CloseDeviceResponse(index=self._accept(artifact, context).index)

    def Upload(  # noqa: N802
        self,
        request_iterator: Iterator[ballot_box_pb2.UploadRequest],
        context: grpc.ServicerContext,
    ) -> Iterator[ballot_box_pb2.UploadResponse]:
        """Take many in, in order."""
        device = require(context, Role.DEVICE).name

        def begin(request: ballot_box_pb2.UploadRequest) -> Arrival:
            artifact = self._parse_any(request.artifact, context, _DEVICE_STATEMENTS)
            hints = _bounded(request.hints)
            return self._board.begin(artifact, hints, lambda: _wanted(context), alone=False)

        def size(request: ballot_box_pb2.UploadRequest) -> int:
            return len(request.artifact) + len(request.hints)

        upload = DeviceUpload(self._board, begin, size, context.cancel)
        with self._only_upload(device, upload):
            try:
                with _translated():
                    for index in upload.answers(request_iterator):
                        yield ballot_box_pb2.UploadResponse(index=index)
            except Rejected as error:
                self._abort_if_decided_before(error, upload.current, context)
                raise

    @contextmanager
    def _only_upload(
        self, device: str, upload: DeviceUpload[ballot_box_pb2.UploadRequest]
    ) -> Iterator[None]:
        """The newest call wins: the device may have lost the connection of the one before."""
        with self._guard:
            before = self._uploads.get(device)
            if before is None:
                self._uploads[device] = upload
        if before is not None:
            before.give_up()
            raise Busy("this device has an upload under way, which ends now", "Try again.", 0.5)
        try:
            yield
        finally:
            with self._guard:
                del self._uploads[device]

    def _abort_if_decided_before(
        self, error: Rejected, arrival: Arrival | None, context: grpc.ServicerContext
    ) -> None:
        if error.check == "R.cast" and arrival is not None:
            statement = arrival.artifact.statement
            if isinstance(statement, Cast | Challenge):
                found = self._board.look_up(statement.confirmation_code)
                if found is not None:
                    self._abort_if_decided(found, context)

    @contextmanager
    def _turn(self, device: str) -> Iterator[None]:
        with self._guard:
            if self._under_way[device] >= PER_DEVICE:
                raise Busy("this device has ballots under way", "Try again.", 0.2)
            self._under_way[device] += 1
        try:
            yield
        finally:
            with self._guard:
                self._under_way[device] -= 1

    def _parse(
        self, data: bytes, kind: type[_S], context: grpc.ServicerContext
    ) -> tuple[Artifact, _S]:
        """The artifact, if it is of this kind and the caller's own."""
        artifact = self._parse_any(data, context, (kind,))
        if not isinstance(artifact.statement, kind):
            raise AssertionError("parsed as another kind")
        return artifact, artifact.statement

    def _parse_any(
        self, data: bytes, context: grpc.ServicerContext, kinds: tuple[type[_DeviceStatement], ...]
    ) -> Artifact:
        caller = require(context, Role.DEVICE)
        if len(data) > MAX_BALLOT:  # Nothing else of a device's is longer: not worth parsing.
            raise Malformed("artifact", f"has {len(data)} bytes, more than {MAX_BALLOT}")
        artifact = self._board.transcript.parse(data)
        statement = artifact.statement
        if not isinstance(statement, kinds):
            raise Malformed("artifact", f"is a {artifact.name}, which this call does not take")
        if statement.device != caller.name:
            raise Denied(f"the {artifact.name} is that of another device than {caller.name!r}")
        return artifact

    def _accept(
        self, artifact: Artifact, context: grpc.ServicerContext, hints: bytes = b""
    ) -> Accepted:
        with _held(self._calls), _translated():
            return self._board.accept(artifact, _bounded(hints), lambda: _wanted(context))

    def _decide(
        self, artifact: Artifact, kind: ReceiptKind, code: bytes, context: grpc.ServicerContext
    ) -> Receipt:
        try:
            accepted = self._accept(artifact, context)
        except Rejected as error:
            if error.check != "R.cast":
                raise
            found = self._board.look_up(code)
            if found is None:
                raise NotFound("no ballot with this confirmation code was submitted") from None
            self._abort_if_decided(found, context)
            raise
        with _available():
            receipt = self._receipts.first(kind, code, accepted.index, artifact.data)
        if not accepted.new:
            found = self._board.look_up(code)
            if found is not None:
                # The same bytes once more: perhaps the first answer was lost.
                self._abort_if_decided(found, context, receipt)
        return receipt

    @staticmethod
    def _abort_if_decided(
        found: Found, context: grpc.ServicerContext, receipt: Receipt | None = None
    ) -> None:
        """ALREADY_EXISTS with the index of the decision, unless the ballot is undecided."""
        if found.entry.decided is None:
            return
        problem = f"the ballot is already {found.entry.status.name.lower()}"
        metadata = {
            "problem": problem,
            "advice": "A ballot is decided once.",
            "where": f"artifact {found.entry.decided}",
            "index": str(found.entry.decided),
        }
        code = grpc.StatusCode.ALREADY_EXISTS
        attached = None if receipt is None else receipt.to_message()
        context.abort_with_status(build_status(code, problem, "AlreadyDone", metadata, attached))


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
        with _available():
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


def calls_at_once(board: Board) -> int:
    """How many calls of devices run at once: the listener needs as many threads, and more.

    A ballot takes a thread while it waits for its group.
    """
    return min(max(CALLS, 2 * board.enough), MOST_CALLS)


def _no_drills(_: Sequence[int]) -> tuple[int, tuple[int, ...]]:
    raise Rejected("R.order", "this server holds no drills")


def add_public(server: grpc.Server, board: BoardServicer) -> None:
    """Serve the board: for the public listener, and for the roles' one with others."""
    bulletin_board_pb2_grpc.add_BulletinBoardServiceServicer_to_server(board, server)


def add_roles(
    server: grpc.Server, ballot_box: BallotBoxServicer, administration: AdministrationServicer
) -> None:
    """Serve devices and administrators: for the roles' listener."""
    ballot_box_pb2_grpc.add_BallotBoxServiceServicer_to_server(ballot_box, server)
    administration_pb2_grpc.add_AdministrationServiceServicer_to_server(administration, server)


@contextmanager
def _available() -> Iterator[None]:
    """A board that another server writes to, or that cannot tell yet, is asked again."""
    try:
        yield
    except (StoreNotLeading, StoreOutcomeUnknown) as error:
        raise Unavailable(str(error), "Try again in a second.") from None


@contextmanager
def _translated() -> Iterator[None]:
    """What keeps an artifact out without being its fault, as an error of calls."""
    try:
        with _available():
            yield
    except AdmissionBusy as error:
        raise Busy(str(error), "Try again.", error.retry_after) from None
    except (AdmissionFailed, AdmissionAbandoned) as error:
        raise Unavailable(str(error)) from None
    except Stalled:
        raise Unavailable("nothing was sent for too long", "Call again to go on.") from None


def _wanted(context: grpc.ServicerContext) -> bool:
    """Whether the client still waits."""
    left = context.time_remaining()
    return context.is_active() and (left is None or left > 0)


def _bounded(hints: bytes) -> bytes:
    """Longer ones are as good as none."""
    return hints if len(hints) <= MAX_HINTS else b""


@contextmanager
def _held(places: threading.BoundedSemaphore) -> Iterator[None]:
    if not places.acquire(blocking=False):
        raise Busy("as many calls run as this server serves", "Try again.")
    try:
        yield
    finally:
        places.release()


def _receipt_kind(number: int, found: Found) -> ReceiptKind:
    """Which receipt is asked for; the one of the decision, if it is not said."""
    if not number:
        return _RECEIPTS[found.entry.status]
    try:
        return ReceiptKind(number)
    except ValueError:
        raise Malformed("kind", f"is {number}, which is no kind of receipt") from None


def _ballot_status(found: Found) -> bulletin_board_pb2.BallotStatus:
    status = found.entry.status
    if status is Status.SUBMITTED and found.phase >= Phase.CLOSED:
        return bulletin_board_pb2.BALLOT_STATUS_SPOILED
    return _STATUS[status]
