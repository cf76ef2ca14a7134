"""Hints beside a published record: the commitments of every proof, by plain powers.

publish(world, folder)
write_hints(folder, world)
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError

from sailau.v1 import record_pb2 as pb
from tests.world import World
from verifier.hints import hints_path
from verifier.merkle import TILE_WIDTH


@dataclass(frozen=True)
class Numbers:
    """What commitments are computed with: p, q, g, K and the bytes of an element."""

    p: int
    q: int
    g: int
    key: int
    width: int

    def element(self, x: int) -> bytes:
        """Encode an element."""
        return x.to_bytes(self.width, "big")

    def range_commitments(self, alpha: int, beta: int, proof: pb.RangeProof) -> bytes:
        """a_0, b_0, a_1, b_1, ... of a range proof (59)."""
        data = b""
        for j, (challenge, response) in enumerate(
            zip(proof.challenges, proof.responses, strict=False)
        ):
            c, v = int.from_bytes(challenge, "big"), int.from_bytes(response, "big")
            a = pow(self.g, v, self.p) * pow(alpha, c, self.p) % self.p
            b = pow(self.key, (v - j * c) % self.q, self.p) * pow(beta, c, self.p) % self.p
            data += self.element(a) + self.element(b)
        return data

    def hints(self, ballot: pb.Ballot) -> pb.BallotHints:
        """The hints of a ballot, whatever its proofs are worth."""
        hints = pb.BallotHints()
        for contest in ballot.contests:
            alphas = betas = 1
            for selection in contest.selections:
                alpha = int.from_bytes(selection.alpha, "big")
                beta = int.from_bytes(selection.beta, "big")
                hints.proofs.append(self.range_commitments(alpha, beta, selection.proof))
                alphas, betas = alphas * alpha % self.p, betas * beta % self.p
            hints.proofs.append(self.range_commitments(alphas, betas, contest.limit_proof))
        nonce = ballot.encrypted_nonce
        c, v = (int.from_bytes(x, "big") for x in (nonce.c2.challenge, nonce.c2.response))
        c0 = int.from_bytes(nonce.c0, "big")
        a = pow(self.g, v, self.p) * pow(c0, c, self.p) % self.p
        hints.proofs.append(self.element(a))
        return hints


def numbers_of(world: World) -> Numbers:
    """The group and key of an election; K is 1 where there is none yet."""
    parameters, keys = world.group.parameters, world.state.keys
    key = int(keys.vote_key.element) if keys is not None else 1
    return Numbers(parameters.p, parameters.q, parameters.g, key, parameters.element_width)


Change = Callable[[int, pb.BallotHints], bytes]
"""What is published as the hints of artifact N, given the right ones."""


def make_hints(
    world: World, data: Iterable[bytes] | None = None, change: Change | None = None
) -> list[bytes]:
    """One entry for each artifact, the world's or those given: b"" for all but ballots."""
    numbers, entries = numbers_of(world), list[bytes]()
    for number, encoded in enumerate(world.data() if data is None else data):
        artifact = pb.Artifact()
        with contextlib.suppress(DecodeError):  # of a tampered record; it has no hints then
            artifact.ParseFromString(encoded)
        entry = b""
        if artifact.WhichOneof("statement") == "ballot":
            hints = numbers.hints(artifact.ballot)
            entry = change(number, hints) if change else hints.SerializeToString()
        entries.append(entry)
    return entries


def write_hints(
    folder: Path,
    world: World,
    data: Iterable[bytes] | None = None,
    change: Change | None = None,
) -> None:
    """Write the hints of a record beside its artifacts."""
    write_entries(folder, make_hints(world, data, change))


def write_entries(folder: Path, entries: Sequence[bytes]) -> None:
    """Write entries, 256 to a file."""
    for file in range(0, len(entries), TILE_WIDTH):
        path = folder / hints_path(file // TILE_WIDTH)
        path.parent.mkdir(parents=True, exist_ok=True)
        some = entries[file : file + TILE_WIDTH]
        path.write_bytes(b"".join(_varint(len(entry)) + entry for entry in some))


def _varint(number: int) -> bytes:
    low, high = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(high) if high else bytes([low])
