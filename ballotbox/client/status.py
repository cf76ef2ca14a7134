"""What the server says of the election."""

from __future__ import annotations

from dataclasses import dataclass

from ballotbox.standing import phase_of
from crypto.errors import Malformed
from record.artifacts import Purpose
from record.state import Phase
from sailau.v1 import bulletin_board_pb2


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


def parse_status(said: bulletin_board_pb2.GetStatusResponse) -> ElectionStatus:
    """The answer to GetStatus. Raises Malformed for a phase or a purpose that is none."""
    try:
        phase, purpose = phase_of(said.phase), Purpose(said.session_purpose)
    except ValueError:
        raise Malformed("status", "has a phase or a purpose that is none") from None
    return ElectionStatus(
        phase=phase,
        size=said.size,
        submitted=said.submitted,
        cast=said.cast,
        challenged=said.challenged,
        open_devices=tuple(said.open_devices),
        unaccounted_devices=tuple(said.unaccounted_devices),
        trustees_done=tuple(said.trustees_done),
        trustees_present=tuple(said.trustees_present),
        session=said.session,
        session_trustees=tuple(said.session_trustees),
        notices=tuple(said.notices),
        trustees_excluded=tuple(said.trustees_excluded),
        session_purpose=purpose,
        drill=said.drill,
        drill_answered=tuple(said.drill_answered),
        standing=tuple(map(_standing, said.standing)),
    )


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
