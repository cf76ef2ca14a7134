"""Which statement of a trustee holds each place of the key ceremony, for R.equivocation."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from verifier.hashing import HASH_WIDTH
from verifier.schema import pb
from verifier.wire import kind_of, unsigned

Seat = tuple[str, int, int]
"""Kind of statement, trustee, and the other trustee of a complaint or answer (else 0)."""


def seat_of(kind: str, statement: Any) -> Seat:
    """Return the place that a statement of the key ceremony takes."""
    other = 0
    if kind == "share_complaint":
        other = statement.sender
    elif kind == "share_answer":
        other = statement.recipient
    return kind, statement.trustee, other


@dataclass(frozen=True, slots=True)
class Said:
    """What a trustee said in one place: the digest of its statement, and its transcript."""

    digest: bytes
    transcript: bytes

    def contradicted_by(self, other: Said) -> bool:
        """Whether another statement in this place shows that the trustee said two things.

        Only if both are about one record: who was shown two may have answered both.
        """
        return self.transcript == other.transcript and self.digest != other.digest


def said_in(artifact: pb.Artifact) -> Said:
    """Return what a trustee's artifact says, without its signature."""
    statement = getattr(artifact, kind_of(artifact))
    # A transcript that is longer than any has failed R.encoding, and need not be kept whole.
    transcript = statement.transcript[: HASH_WIDTH + 1]
    return Said(hashlib.sha256(unsigned(artifact)).digest(), transcript)


class Seats:
    """The statements of the key ceremony, by place."""

    def __init__(self) -> None:
        """Start with every place free."""
        self._taken: dict[Seat, Said] = {}

    def take(self, artifact: pb.Artifact) -> None:
        """Take a statement; who comes first keeps the place."""
        kind = kind_of(artifact)
        seat = seat_of(kind, getattr(artifact, kind))
        self._taken.setdefault(seat, said_in(artifact))

    def taken(self, artifact: pb.Artifact) -> Said | None:
        """Return what holds a statement's place, None if the place is free."""
        kind = kind_of(artifact)
        return self._taken.get(seat_of(kind, getattr(artifact, kind)))
