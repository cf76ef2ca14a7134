"""The commitments of a ballot's proofs, which whoever verifies it need not recompute.

Hints stand beside the record and not in it: nobody signs them, and nobody trusts them
(docs/record.md, "Hints"). `parse_hints` says that they have the ballot's shape; whether
they are the commitments of its proofs is found out while the ballot is verified.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from crypto.commitments import Commitments, parse_commitments
from crypto.errors import Malformed
from crypto.group import Group
from record.artifacts import Ballot
from sailau.v1 import record_pb2

MAX_HINTS = 2**21
"""No longer than this, in bytes: twice what a ballot may have."""


@dataclass(frozen=True, slots=True)
class BallotHints:
    """One entry a proof, in the order of the ballot.

    For each contest the range proofs of its selections and then that of its limit, each
    with a_0, b_0 .. a_R, b_R; at last the proof of the encrypted nonce, with a (38).
    """

    proofs: tuple[Commitments, ...]


def parse_hints(data: bytes, ballot: Ballot, group: Group) -> BallotHints:
    """The hints in `data`, which have the shape of `ballot`.

    Raises Malformed for anything but one entry for each proof of the ballot, with as many
    elements as that proof has commitments, in the one valid encoding.
    """
    if len(data) > MAX_HINTS:
        raise Malformed("hints", f"have {len(data)} bytes, more than {MAX_HINTS}")
    message = record_pb2.BallotHints()
    try:
        message.ParseFromString(data)
    except DecodeError:
        raise Malformed("hints", "are not a sailau.v1.BallotHints message") from None
    shape = list(_shape(ballot))
    if len(message.proofs) != len(shape):
        raise Malformed(
            "hints.proofs", f"has {len(message.proofs)} entries for {len(shape)} proofs"
        )
    proofs = tuple(
        parse_commitments(group, entry, count, f"hints.proofs[{i}]")
        for i, (entry, count) in enumerate(zip(message.proofs, shape, strict=True))
    )
    hints = BallotHints(proofs)
    if format_hints(hints) != data:
        raise Malformed("hints", "are not in their one valid encoding")
    return hints


def format_hints(hints: BallotHints) -> bytes:
    """The serialized BallotHints."""
    return record_pb2.BallotHints(
        proofs=[commitments.encoded for commitments in hints.proofs]
    ).SerializeToString(deterministic=True)


def _shape(ballot: Ballot) -> Iterator[int]:
    """How many elements the entry of each proof has."""
    for contest in ballot.contests:
        for selection in contest.selections:
            yield 2 * len(selection.proof.challenges)
        yield 2 * len(contest.limit_proof.challenges)
    yield 1
