"""The ballot box: what devices send, on the roles' listener."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias, TypeVar

import grpc

from ballotbox.arrivals import Accepted, Arrival
from ballotbox.board import Board, Found
from ballotbox.issuing import Receipts
from ballotbox.receipts import Receipt, ReceiptKind
from ballotbox.service.answers import available, held, look_up, translated
from ballotbox.uploading import DeviceUpload
from crypto.errors import Malformed, Rejected
from identity.roles import Role
from record.artifacts import (
    MAX_BALLOT,
    Artifact,
    Ballot,
    Cast,
    Challenge,
    Device,
    DeviceClose,
)
from record.hints import MAX_HINTS
from record.state import Status
from rpc.caller import require
from rpc.errors import Busy, Denied, NotFound, build_status
from rpc.interceptor import Places
from sailau.v1 import ballot_box_pb2, ballot_box_pb2_grpc

BALLOT_BOX_SERVICE = "sailau.v1.BallotBoxService"

PER_DEVICE = 2
"""Ballots of a device that may be under way, besides an upload."""
CALLS, MOST_CALLS = 64, 512
"""Calls of devices that run at once; see `calls_at_once`."""

_S = TypeVar("_S", Device, Ballot, Cast, Challenge, DeviceClose)
_DeviceStatement: TypeAlias = Device | Ballot | Cast | Challenge | DeviceClose
_DEVICE_STATEMENTS = (Device, Ballot, Cast, Challenge, DeviceClose)

_RECEIPTS = {
    Status.SUBMITTED: ReceiptKind.SUBMITTED,
    Status.CAST: ReceiptKind.CAST,
    Status.CHALLENGED: ReceiptKind.CHALLENGED,
}


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
        self._under_way = Places("this device has ballots under way", "Try again.", 0.2)
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
        with self._under_way.taken(require(context, Role.DEVICE).name, PER_DEVICE):
            artifact, ballot = self._parse(request.artifact, Ballot, context)
            index = self._accept(artifact, context, request.hints).index
        code = ballot.confirmation_code
        with available():
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
        found = look_up(self._board, code)
        kind = _receipt_kind(request.kind, found)
        index = found.entry.index
        if kind is not ReceiptKind.SUBMITTED:
            if found.entry.decided is None or _RECEIPTS[found.entry.status] is not kind:
                raise NotFound(f"the ballot is not {kind.name.lower()}")
            index = found.entry.decided
        with available():
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
                with translated():
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
                with available():
                    found = self._board.look_up(statement.confirmation_code)
                if found is not None:
                    self._abort_if_decided(found, context)

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
        with held(self._calls), translated():
            return self._board.accept(artifact, _bounded(hints), lambda: _wanted(context))

    def _decide(
        self, artifact: Artifact, kind: ReceiptKind, code: bytes, context: grpc.ServicerContext
    ) -> Receipt:
        try:
            accepted = self._accept(artifact, context)
        except Rejected as error:
            if error.check != "R.cast":
                raise
            self._abort_if_decided(look_up(self._board, code), context)
            raise
        with available():
            receipt = self._receipts.first(kind, code, accepted.index, artifact.data)
        if not accepted.new:
            # The same bytes once more: perhaps the first answer was lost.
            self._abort_if_decided(look_up(self._board, code), context, receipt)
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


def calls_at_once(board: Board) -> int:
    """How many calls of devices run at once: the listener needs as many threads, and more.

    A ballot takes a thread while it waits for its group.
    """
    return min(max(CALLS, 2 * board.enough), MOST_CALLS)


def _wanted(context: grpc.ServicerContext) -> bool:
    """Whether the client still waits."""
    left = context.time_remaining()
    return context.is_active() and (left is None or left > 0)


def _bounded(hints: bytes) -> bytes:
    """Longer ones are as good as none."""
    return hints if len(hints) <= MAX_HINTS else b""


def _receipt_kind(number: int, found: Found) -> ReceiptKind:
    """Which receipt is asked for; the one of the decision, if it is not said."""
    if not number:
        return _RECEIPTS[found.entry.status]
    try:
        return ReceiptKind(number)
    except ValueError:
        raise Malformed("kind", f"is {number}, which is no kind of receipt") from None
