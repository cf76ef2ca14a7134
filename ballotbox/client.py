"""The board, the ballot box and the administration, called from elsewhere.

Clients believe nothing they can check. They call again while the server cannot be
reached where the call allows it, and raise `SailauError`s: those of the server
(`rpc.errors.explain`), and Rejected (R.answer, R.receipt) for an answer that is wrong.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, TypeVar

import grpc

from ballotbox.receipts import (
    Receipt,
    ReceiptKind,
    check_election,
    is_about,
    parse_receipt_message,
    verify_receipt,
)
from ballotbox.standing import phase_of
from crypto.errors import Malformed, NotNow, Rejected, SailauError
from record.archive import ArchiveWriter
from record.artifacts import Artifact, Ballot, Purpose, parse_artifact
from record.checkpoint import Checkpoint, VerifierKey, parse_verifier_key, verify_checkpoint
from record.election import ElectionContext
from record.policy import log_alone
from record.state import Phase
from record.transcript import Transcript
from rpc.credentials import MAX_REQUEST
from rpc.errors import (
    AlreadyDone,
    Busy,
    CallFailed,
    ServerFailed,
    Unavailable,
    attachment,
    explain,
    explained,
)
from rpc.retry import CAP, FIRST, retrying
from sailau.v1 import (
    administration_pb2,
    administration_pb2_grpc,
    ballot_box_pb2,
    ballot_box_pb2_grpc,
    bulletin_board_pb2,
    bulletin_board_pb2_grpc,
)

DEADLINE = 60.0
STALL = 90.0
ANSWER = "R.answer"
_AROUND = 1024
"""Bytes of a request that are neither artifact nor hints, at most."""

T = TypeVar("T")


class BallotStatus(IntEnum):
    """What became of a ballot, as in bulletin_board.proto."""

    SUBMITTED = 1
    CAST = 2
    CHALLENGED = 3
    SPOILED = 4


@dataclass(frozen=True, slots=True)
class FoundBallot:
    """A ballot by its code. `decision_index` is None if it was not decided."""

    status: BallotStatus
    ballot_index: int
    decision_index: int | None
    artifact: Artifact
    ballot: Ballot


@dataclass(frozen=True, slots=True)
class TrusteeStanding:
    """How far one trustee is, in the key ceremony and in the session.

    `complaints` are the trustees whose shares it has complained of, while unanswered. The
    session's numbers count parts of its three rounds, of `session_parts` each.
    """

    trustee: int
    committed: bool = False
    keys: bool = False
    shares: bool = False
    confirmed: bool = False
    complaints: tuple[int, ...] = ()
    session_commitments: int = 0
    session_shares: int = 0
    session_responses: int = 0
    session_parts: int = 0

    @property
    def session_sent(self) -> int:
        """Parts of the session that it has sent, in all rounds."""
        return self.session_commitments + self.session_shares + self.session_responses


@dataclass(frozen=True, slots=True)
class ElectionStatus:
    """What the server says about the election; the record is what counts."""

    phase: Phase
    size: int
    submitted: int
    cast: int
    challenged: int
    open_devices: tuple[str, ...]
    unaccounted_devices: tuple[str, ...]
    trustees_done: tuple[int, ...]
    trustees_present: tuple[int, ...]
    session: int
    session_trustees: tuple[int, ...]
    notices: tuple[str, ...]
    trustees_excluded: tuple[int, ...] = ()
    session_purpose: Purpose = Purpose.TALLY
    drill: int = 0
    drill_answered: tuple[int, ...] = ()
    standing: tuple[TrusteeStanding, ...] = ()

    def of(self, trustee: int) -> TrusteeStanding:
        """How far one trustee is; not at all, if the server does not say."""
        return next((s for s in self.standing if s.trustee == trustee), TrusteeStanding(trustee))


@dataclass(frozen=True, slots=True)
class Decided:
    """A ballot is cast or challenged, by the artifact at `index`."""

    index: int
    receipt: Receipt


class BoardClient:
    """Reads the board, from either listener. `deadline` is in seconds, for each call."""

    def __init__(self, channel: grpc.Channel, *, deadline: float = DEADLINE) -> None:
        self._stub = bulletin_board_pb2_grpc.BulletinBoardServiceStub(channel)
        self._deadline = deadline

    def read(self, first: int = 0, limit: int = 0) -> Iterator[bytes]:
        """Artifacts from `first` on, all there are or `limit`: bytes, unchecked."""
        for _, data in ArtifactStream(self._stub, first, self._deadline, limit=limit):
            yield data

    def follow(self, first: int = 0) -> ArtifactStream:
        """Artifacts with their indices from `first` on, and then each new one as it comes."""
        return ArtifactStream(self._stub, first, self._deadline, follow=True)

    def transcript(self) -> Transcript:
        """The record so far, its order and signatures checked; proofs are not."""
        artifacts = self.read()
        transcript = Transcript(parse_artifact(next(artifacts), None))
        for data in artifacts:
            transcript.append(transcript.parse(data))
        return transcript

    def look_up(self, context: ElectionContext, code: bytes) -> FoundBallot:
        """The ballot with this confirmation code (32 bytes). Raises NotFound."""
        request = bulletin_board_pb2.LookUpCodeRequest(confirmation_code=code)
        response = self._call(self._stub.LookUpCode, request)
        artifact = parse_artifact(response.artifact, context.group)
        ballot = artifact.statement
        if not isinstance(ballot, Ballot) or ballot.confirmation_code != code:
            raise Rejected(ANSWER, "the server sent another ballot", culprit="server")
        try:
            status = BallotStatus(response.status)
        except ValueError:
            raise Malformed("status", f"is {response.status}, which is none") from None
        decision = response.decision_index or None
        return FoundBallot(status, response.ballot_index, decision, artifact, ballot)

    def checkpoint(self, key: VerifierKey) -> tuple[bytes, Checkpoint]:
        """The newest signed note, with the cosignatures that are known, and what it says."""
        return self._checkpoint(key, cosigned=False)

    def cosigned_checkpoint(self, key: VerifierKey) -> tuple[bytes, Checkpoint]:
        """The newest that a witness has cosigned, verified for the log's key alone.

        `record.policy` judges the cosignatures. Raises NotFound if there is none yet.
        """
        return self._checkpoint(key, cosigned=True)

    def _checkpoint(self, key: VerifierKey, *, cosigned: bool) -> tuple[bytes, Checkpoint]:
        request = bulletin_board_pb2.GetCheckpointRequest(cosigned=cosigned)
        note = self._call(self._stub.GetCheckpoint, request).checkpoint
        return note, verify_checkpoint(note, key)

    def inclusion_proof(self, index: int, size: int) -> tuple[bytes, ...]:
        """The audit path of an artifact; `record.merkle.verify_inclusion` judges it.

        Raises NotFound if the log is not that long.
        """
        request = bulletin_board_pb2.GetInclusionProofRequest(index=index, size=size)
        return tuple(self._call(self._stub.GetInclusionProof, request).hashes)

    def consistency_proof(self, old_size: int, size: int) -> tuple[bytes, ...]:
        """That a tree grew into another; `record.merkle.verify_consistency` judges it.

        Raises NotFound if the log is not that long.
        """
        request = bulletin_board_pb2.GetConsistencyProofRequest(old_size=old_size, size=size)
        return tuple(self._call(self._stub.GetConsistencyProof, request).hashes)

    def export(self, key: VerifierKey, directory: Path | str) -> Checkpoint:
        """Write the published record that the newest checkpoint covers into a directory.

        Raises Rejected (R.append-only, R.answer) if what was sent is not what was signed
        or contradicts what the directory holds.
        """
        note, checkpoint = self.checkpoint(key)
        artifacts = self.read(0, checkpoint.size)

        def sign(made: Checkpoint) -> bytes:
            if made != checkpoint:
                raise Rejected(ANSWER, "the artifacts are not those of the checkpoint")
            return note

        return ArchiveWriter(directory, key).write(artifacts, sign)

    def status(self) -> ElectionStatus:
        """Where the election stands."""
        r = self._call(self._stub.GetStatus, bulletin_board_pb2.GetStatusRequest())
        try:
            phase, purpose = phase_of(r.phase), Purpose(r.session_purpose)
        except ValueError:
            raise Malformed("status", "has a phase or a purpose that is none") from None
        return ElectionStatus(
            phase=phase,
            size=r.size,
            submitted=r.submitted,
            cast=r.cast,
            challenged=r.challenged,
            open_devices=tuple(r.open_devices),
            unaccounted_devices=tuple(r.unaccounted_devices),
            trustees_done=tuple(r.trustees_done),
            trustees_present=tuple(r.trustees_present),
            session=r.session,
            session_trustees=tuple(r.session_trustees),
            notices=tuple(r.notices),
            trustees_excluded=tuple(r.trustees_excluded),
            session_purpose=purpose,
            drill=r.drill,
            drill_answered=tuple(r.drill_answered),
            standing=tuple(map(_standing, r.standing)),
        )

    def _call(self, method: Callable[..., T], request: Any) -> T:
        return retrying(lambda left: method(request, timeout=left), deadline=self._deadline)


def _standing(said: bulletin_board_pb2.TrusteeStanding) -> TrusteeStanding:
    return TrusteeStanding(
        trustee=said.trustee,
        committed=said.committed,
        keys=said.keys,
        shares=said.shares,
        confirmed=said.confirmed,
        complaints=tuple(said.complaints),
        session_commitments=said.session_commitments,
        session_shares=said.session_shares,
        session_responses=said.session_responses,
        session_parts=said.session_parts,
    )


class ArtifactStream:
    """Pairs of index and artifact bytes, in order and without a gap; to be iterated once.

    Goes on where it was when the connection is lost. Raises Unavailable if the server
    cannot be reached for `deadline` seconds, Busy if that long it serves as many streams
    as it can (one that follows: at once). `cancel`, from any thread, ends it.
    """

    def __init__(
        self,
        stub: bulletin_board_pb2_grpc.BulletinBoardServiceStub,
        first: int,
        deadline: float,
        *,
        limit: int = 0,
        follow: bool = False,
    ) -> None:
        self._stub = stub
        self._next = first
        self._end = first + limit if limit else None
        self._follow = follow
        # A follower's place may not become free for hours, a reader's does.
        self._again = Unavailable if follow else (Unavailable, Busy)
        self._deadline = deadline
        self._stop = threading.Event()
        self._call: Any = None

    def cancel(self) -> None:
        """Let the iteration end, also one that waits."""
        self._stop.set()
        if self._call is not None:
            self._call.cancel()

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        lost_since: float | None = None
        pause = FIRST
        while not self._stop.is_set() and self._next != self._end:
            try:
                for item in self._connected():
                    lost_since, pause = None, FIRST
                    yield item
                if not self._follow:
                    return
            except grpc.RpcError as error:
                known = explain(error)
                if self._stop.is_set():
                    return
                lost_since = lost_since or time.monotonic()
                lost_for = time.monotonic() - lost_since
                if not isinstance(known, self._again) or lost_for + pause > self._deadline:
                    raise known from error
                self._stop.wait(pause)
                pause = min(2 * pause, CAP)
            finally:
                if self._call is not None:
                    self._call.cancel()

    def _connected(self) -> Iterator[tuple[int, bytes]]:
        request = bulletin_board_pb2.ReadArtifactsRequest(
            first=self._next,
            limit=0 if self._end is None else self._end - self._next,
            follow=self._follow,
        )
        self._call = self._stub.ReadArtifacts(request)
        if self._stop.is_set():
            return
        for response in self._call:
            if response.index != self._next or self._next == self._end:
                raise Rejected(
                    ANSWER,
                    f"the server sent artifact {response.index} instead of {self._next}",
                    culprit="server",
                )
            self._next += 1
            yield response.index, response.artifact


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
        return _index(self._call(self._stub.RegisterDevice, request).index)

    def submit(self, artifact: bytes, hints: bytes = b"") -> Receipt:
        """Submit a ballot; returns the voter's first receipt, checked."""
        ballot = parse_artifact(artifact, self._context.group).statement
        if not isinstance(ballot, Ballot):
            raise Malformed("artifact", "is not a ballot")
        fitting = _fitting(artifact, hints)
        request = ballot_box_pb2.SubmitRequest(artifact=artifact, hints=fitting)
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
        return _index(self._call(self._stub.CloseDevice, request).index)

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


class Uploading:
    """One upload; to be iterated once."""

    def __init__(
        self,
        stub: ballot_box_pb2_grpc.BallotBoxServiceStub,
        messages: Iterable[tuple[bytes, bytes]],
        stall: float,
    ) -> None:
        self._stub = stub
        self._messages = messages
        self._stall = stall
        self._sent = self._answered = 0
        self._last = -1
        self._all_sent = False
        self._failed: Exception | None = None
        self._stopped = ""
        self._call: grpc.Future[Any] | None = None
        self._over = threading.Event()

    def __iter__(self) -> Iterator[int]:
        self._call = call = self._stub.Upload(self._requests())
        if self._stopped:  # before there was anything to cancel
            call.cancel()
        watch = threading.Thread(target=self._watch, args=(call,), daemon=True)
        watch.start()
        try:
            for response in call:
                if self._answered == self._sent:
                    problem = "the server answered what was not sent"
                    raise Rejected(ANSWER, problem, culprit="server")
                self._answered += 1
                yield self._next_index(response.index)
        except grpc.RpcError as error:
            if self._failed is None:
                raise self._explained(error) from error
        finally:
            self._over.set()
            call.cancel()
            watch.join()
        if self._failed is not None:
            raise self._failed
        if self._answered < self._sent or not self._all_sent:
            raise Unavailable("the server ended the upload early")

    def _next_index(self, number: int) -> int:
        """What a device sends in order stands in this order."""
        index = _index(number)
        if index <= self._last:
            problem = f"the server says index {index} after {self._last}"
            raise Rejected(ANSWER, problem, culprit="server")
        self._last = index
        return index

    def stop(self) -> None:
        """End it from another thread."""
        self._stopped = self._stopped or "the upload was stopped"
        if self._call is not None:
            self._call.cancel()

    def _requests(self) -> Iterator[ballot_box_pb2.UploadRequest]:
        try:
            for artifact, hints in self._messages:
                self._sent += 1
                fitting = _fitting(artifact, hints)
                yield ballot_box_pb2.UploadRequest(artifact=artifact, hints=fitting)
            self._all_sent = True
        except Exception as error:  # gRPC would say no more than that reading failed
            self._failed = error

    def _watch(self, call: grpc.Future[Any]) -> None:
        seen = -1
        while not self._over.wait(self._stall):
            if seen == self._answered:
                self._stopped = "the server did not go on with the upload"
                call.cancel()
                return
            seen = self._answered

    def _explained(self, error: grpc.RpcError) -> SailauError:
        return Unavailable(self._stopped) if self._stopped else explain(error)


def _fitting(artifact: bytes, hints: bytes) -> bytes:
    """The hints, unless a request would be too long with them: it is as good without."""
    return hints if len(artifact) + len(hints) <= MAX_REQUEST - _AROUND else b""


def _index(index: int) -> int:
    """An index that a journal can hold. Raises Rejected for what no record reaches."""
    if index >= 2**53:
        raise Rejected(ANSWER, f"the server answered with index {index}", culprit="server")
    return int(index)


class AdministrationClient:
    """Moves the election on, with the administrator's certificate."""

    def __init__(self, channel: grpc.Channel, *, deadline: float = DEADLINE) -> None:
        """`channel` is one to the roles' listener."""
        self._stub = administration_pb2_grpc.AdministrationServiceStub(channel)
        self._deadline = deadline

    def publish(self, artifact: bytes) -> int:
        """Put an administrator's artifact on the record; returns its index."""
        request = administration_pb2.PublishRequest(artifact=artifact)
        return int(self._call(self._stub.Publish, request).index)

    def start_decryption(self, trustees: Sequence[int] = ()) -> tuple[int, tuple[int, ...]]:
        """Begin a session with these trustees, or all present; returns its number and U.

        Not made again when the answer is lost: that would begin another session.
        """
        request = administration_pb2.StartDecryptionRequest(trustees=trustees)
        return self._start(self._stub.StartDecryption, request)

    def start_drill(self, trustees: Sequence[int] = ()) -> tuple[int, tuple[int, ...]]:
        """Begin a drill with these trustees, or all present; returns its number and U.

        Not made again when the answer is lost, either.
        """
        request = administration_pb2.StartDrillRequest(trustees=trustees)
        return self._start(self._stub.StartDrill, request)

    def _start(self, method: Callable[..., Any], request: Any) -> tuple[int, tuple[int, ...]]:
        with explained():
            response = method(request, timeout=self._deadline)
        return response.session, tuple(response.trustees)

    def _call(self, method: Callable[..., T], request: Any) -> T:
        return retrying(lambda left: method(request, timeout=left), deadline=self._deadline)
