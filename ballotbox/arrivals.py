"""What comes to the board: an artifact on its way in, and how it waits for its group."""

from __future__ import annotations

from dataclasses import dataclass

from ballotbox.admission import Ticket
from ballotbox.sequencer import Manner, Timing
from record.artifacts import Artifact, Ballot, Cast, Challenge, DeviceMissing, PollsClose, Statement
from record.manifest import Manifest

GROUP_SECONDS = 0.1
"""How long statements of voters wait for others, if the manifest does not say."""
_OF_VOTERS = (Ballot, Cast, Challenge)
"""Statements whose moment says something about a voter: they wait for a whole group."""
_CLOSING = (DeviceMissing, PollsClose)
"""Statements after which others are refused: what waits goes first."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """Where an artifact stands, and whether it was this call that put it there."""

    index: int
    new: bool


@dataclass(frozen=True, slots=True)
class Arrival:
    """An artifact with the hints that came with it.

    `ticket` is there while a ballot's proofs are being checked, `known` if the artifact is
    on the record already. Once `checked`, hints are right, or empty.
    """

    artifact: Artifact
    hints: bytes = b""
    ticket: Ticket | None = None
    known: Accepted | None = None

    @property
    def manner(self) -> Manner:
        """How it waits for its group."""
        return manner_of(self.artifact.statement)

    @property
    def patient(self) -> bool:
        """Whether it waits for a group, and counts for it."""
        return self.known is None and self.manner is Manner.PATIENT

    def checked(self) -> Arrival:
        """The arrival once its proofs are checked; raises as `Ticket.result`."""
        if self.ticket is None:
            return self
        return Arrival(self.artifact, self.hints if self.ticket.result() else b"")

    def wait(self) -> None:
        """Until its proofs are checked, whatever comes of it."""
        if self.ticket is not None:
            self.ticket.wait()

    def drop(self) -> None:
        """Nobody waits for it any more."""
        if self.ticket is not None:
            self.ticket.drop()


def manner_of(statement: Statement) -> Manner:
    """How it waits for its group."""
    if isinstance(statement, _OF_VOTERS):
        return Manner.PATIENT
    return Manner.CLOSING if isinstance(statement, _CLOSING) else Manner.OWN


def timing_of(manifest: Manifest) -> Timing:
    """How long statements of voters are kept back (docs/record.md, "The manifest")."""
    if manifest.groups is None:
        return Timing(GROUP_SECONDS)
    return Timing(manifest.groups.seconds, minimum=manifest.groups.ballots)
