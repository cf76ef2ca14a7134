"""What a device sends, call by call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc

from ballotbox.client.answers import DEADLINE, parse_index
from ballotbox.client.board import BoardClient
from ballotbox.client.upload import Uploading, fitting
from ballotbox.receipts import (
    Receipt,
    ReceiptKind,
    check_election,
    is_about,
    parse_receipt_message,
    verify_receipt,
)
from crypto.errors import Malformed, NotNow, Rejected, SailauError
from record.artifacts import Ballot, parse_artifact
from record.checkpoint import parse_verifier_key
from record.election import ElectionContext
from record.policy import log_alone
from rpc.errors import (
    AlreadyDone,
    Busy,
    CallFailed,
    NotFound,
    ServerFailed,
    Unavailable,
    attachment,
)
from rpc.retry import retrying
from sailau.v1 import ballot_box_pb2, ballot_box_pb2_grpc

STALL = 90.0
"""Seconds without an answer after which an upload is given up."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Decided:
    """A ballot is cast or challenged, by the artifact at `index`."""

    index: int
    receipt: Receipt


class DeviceClient:
    """Sends a device's artifacts. Each call may be made again with the same bytes."""

    def __init__(
        self,
        channel: grpc.Channel,
        context: ElectionContext,
        *,
        deadline: float = DEADLINE,
        answer: float | None = None,
        stall: float = STALL,
    ) -> None:
        """`channel` is one to the roles' listener, with the device's certificate.

        For `deadline` seconds a call is made again while the server cannot be reached. It
        has `answer` seconds to answer, or else what is left of `deadline`; in an upload
        `stall` for the next answer.
        """
        self._stub = ballot_box_pb2_grpc.BallotBoxServiceStub(channel)
        self._stall = stall
        self._uploading: Uploading | None = None
        self._board = BoardClient(channel, deadline=deadline)
        self._context = context
        groups = context.manifest.groups
        # An answer comes when the group is on the record.
        group = groups.seconds if groups else 0
        self._deadline = deadline if answer is not None else deadline + group
        self._answer = None if answer is None else answer + group

    def register(self, artifact: bytes) -> int:
        """Begin the chain; returns the index in the record."""
        request = ballot_box_pb2.RegisterDeviceRequest(artifact=artifact)
        return parse_index(self._call(self._stub.RegisterDevice, request).index)

    def submit(self, artifact: bytes, hints: bytes = b"") -> Receipt:
        """Submit a ballot; returns the voter's first receipt, checked."""
        ballot = parse_artifact(artifact, self._context.group).statement
        if not isinstance(ballot, Ballot):
            raise Malformed("artifact", "is not a ballot")
        sent = fitting(artifact, hints)
        request = ballot_box_pb2.SubmitRequest(artifact=artifact, hints=sent)
        response = self._call(self._stub.Submit, request)
        code = ballot.confirmation_code
        return self._receipt(response.receipt, ReceiptKind.SUBMITTED, code, artifact)

    def cast(self, code: bytes, artifact: bytes) -> Decided:
        """Cast the ballot with this code; raises AlreadyDone if it is decided otherwise."""
        request = ballot_box_pb2.CastRequest(artifact=artifact)
        return self._decide(self._stub.Cast, request, ReceiptKind.CAST, code, artifact)

    def challenge(self, code: bytes, artifact: bytes) -> Decided:
        """Challenge the ballot with this code; raises AlreadyDone as `cast` does."""
        request = ballot_box_pb2.ChallengeRequest(artifact=artifact)
        kind = ReceiptKind.CHALLENGED
        return self._decide(self._stub.Challenge, request, kind, code, artifact)

    def receipt(self, code: bytes, kind: ReceiptKind | None = None) -> Receipt:
        """The receipt of a ballot's decision, or of a `kind`, as it is best now; checked.

        Raises NotFound if there is no such ballot or decision.
        """
        request = ballot_box_pb2.GetReceiptRequest(
            confirmation_code=code,
            kind=ballot_box_pb2.ReceiptKind.Name(int(kind or 0)),
        )
        receipt = self._verified(self._call(self._stub.GetReceipt, request).receipt)
        if receipt.confirmation_code != code or kind not in (None, receipt.kind):
            raise Rejected("R.receipt", "the receipt is for something else", culprit="server")
        return receipt

    def close(self, artifact: bytes) -> int:
        """End the chain; returns the index in the record."""
        request = ballot_box_pb2.CloseDeviceRequest(artifact=artifact)
        return parse_index(self._call(self._stub.CloseDevice, request).index)

    def upload(self, messages: Iterable[tuple[bytes, bytes]]) -> Iterator[int]:
        """Send artifacts in their order, each with its hints; their indices, as they come.

        `messages` is read in a thread of gRPC's, no faster than the server takes them in.
        An error is about the first that has no index; Unavailable also if `stall` seconds
        bring no answer.
        """
        self._uploading = Uploading(self._stub, messages, self._stall)
        yield from self._uploading

    def stop(self) -> None:
        """End an upload that runs in another thread: there it raises Unavailable."""
        if self._uploading is not None:
            self._uploading.stop()

    def again(self, error: SailauError) -> float | None:
        """After how many seconds to try again after this error; None if that is no use.

        The server may have said it. A failure of its own passes, too, and so does a full
        disk here; what it refuses it will always refuse.
        """
        if not isinstance(error, (Unavailable, Busy, ServerFailed, CallFailed, NotNow)):
            return None
        return error.retry_after if isinstance(error, Busy) else 0.0

    def missing(self, error: SailauError) -> bool:
        """Whether this error of `receipt` says that there is no such ballot."""
        return isinstance(error, NotFound)

    def _decide(
        self,
        method: Callable[..., Any],
        request: Any,
        kind: ReceiptKind,
        code: bytes,
        artifact: bytes,
    ) -> Decided:
        try:
            response = self._call(method, request)
        except AlreadyDone as error:
            # Perhaps by ourselves: the answer to an earlier attempt was lost.
            attached = attachment(error, ballot_box_pb2.Receipt)
            if attached is not None:
                receipt = self._receipt(attached, kind, code, artifact)
                return Decided(receipt.index, receipt)
            receipt = self.receipt(code)
            if not is_about(receipt, kind, code, artifact):
                raise
            return Decided(receipt.index, receipt)
        receipt = self._receipt(response.receipt, kind, code, artifact)
        return Decided(receipt.index, receipt)

    def _receipt(
        self,
        message: ballot_box_pb2.Receipt,
        kind: ReceiptKind,
        code: bytes,
        artifact: bytes,
    ) -> Receipt:
        receipt = self._verified(message)
        if not is_about(receipt, kind, code, artifact):
            raise Rejected("R.receipt", "the receipt is for something else", culprit="server")
        return receipt

    def _verified(self, message: ballot_box_pb2.Receipt) -> Receipt:
        receipt = parse_receipt_message(message)
        check_election(receipt, self._context.base_hash)
        # A terminal knows no policy: whose cosignatures they are, the voter's says.
        key = parse_verifier_key(self._context.election.log_key)
        verify_receipt(receipt, log_alone(key), field="the server's receipt")
        return receipt

    def _call(self, method: Callable[..., T], request: Any) -> T:
        # Many devices come at once: a busy server has stored nothing and is asked again.
        return retrying(
            lambda left: method(request, timeout=self._answer or left),
            deadline=self._deadline,
            again=(Unavailable, Busy),
        )
