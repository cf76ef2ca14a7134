"""What anybody may ask the board."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, TypeVar

import grpc

from ballotbox.client.answers import ANSWER, DEADLINE
from ballotbox.client.status import ElectionStatus, parse_status
from ballotbox.client.stream import ArtifactStream
from crypto.errors import Malformed, Rejected
from record.archive import ArchiveWriter
from record.artifacts import Artifact, Ballot, parse_artifact
from record.checkpoint import Checkpoint, VerifierKey, verify_checkpoint
from record.election import ElectionContext
from record.transcript import Transcript
from rpc.retry import retrying
from sailau.v1 import bulletin_board_pb2, bulletin_board_pb2_grpc

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

        Hints are copied as the server sends them; nobody believes them.
        Raises Rejected (R.append-only, R.answer) if what was sent is not what was signed
        or contradicts what the directory holds.
        """
        note, checkpoint = self.checkpoint(key)
        stream = ArtifactStream(
            self._stub, 0, self._deadline, limit=checkpoint.size, with_hints=True
        )

        def sign(made: Checkpoint) -> bytes:
            if made != checkpoint:
                raise Rejected(ANSWER, "the artifacts are not those of the checkpoint")
            return note

        artifacts = (data for _, data in stream)
        return ArchiveWriter(directory, key).write(artifacts, sign, lambda _: stream.hints)

    def status(self) -> ElectionStatus:
        """Where the election stands."""
        request = bulletin_board_pb2.GetStatusRequest()
        return parse_status(self._call(self._stub.GetStatus, request))

    def _call(self, method: Callable[..., T], request: Any) -> T:
        return retrying(lambda left: method(request, timeout=left), deadline=self._deadline)
