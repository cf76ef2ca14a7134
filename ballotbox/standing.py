"""Where an election stands, as the server tells it: docs/record.md's phases, trustee by trustee."""

from __future__ import annotations

from collections.abc import Sequence

from record.state import Phase, Round, SessionState, State
from sailau.v1 import bulletin_board_pb2

_PREFIX = "PHASE_"


def phase_name(phase: Phase) -> str:
    """The phase's name in the schema, whose numbers are others than ours."""
    return _PREFIX + phase.name


def phase_of(number: int) -> Phase:
    """The phase that the schema numbers so; raises `ValueError` for one that is none."""
    name = bulletin_board_pb2.Phase.Name(number)
    try:
        return Phase[name.removeprefix(_PREFIX)]
    except KeyError:
        raise ValueError(name) from None


def trustees_done(state: State) -> list[int]:
    """Trustees that have finished the round that is due; empty if none is."""
    everybody = range(1, state.context.trustees + 1)
    match state.phase:
        case Phase.COMMITMENT:
            return [i for i in everybody if i in state.key_commitments]
        case Phase.KEYS:
            return [i for i in everybody if i in state.trustee_keys]
        case Phase.SHARES:
            return [i for i in everybody if i in state.encrypted_shares]
        case Phase.CONFIRMATION:
            return [i for i in everybody if i in state.confirmations]
    session = state.session
    round_ = session.round() if session is not None else None
    if session is None or round_ is None:
        return []
    return [i for i in session.trustees if session.done(round_, i)]


def standing(state: State) -> list[bulletin_board_pb2.TrusteeStanding]:
    """Each trustee's part in the ceremony and in the session, in order."""
    return [_standing(state, i) for i in range(1, state.context.trustees + 1)]


def _standing(state: State, i: int) -> bulletin_board_pb2.TrusteeStanding:
    commitments, shares, responses, parts = _session_parts(state.session, i)
    return bulletin_board_pb2.TrusteeStanding(
        trustee=i,
        committed=i in state.key_commitments,
        keys=i in state.trustee_keys,
        shares=i in state.encrypted_shares,
        confirmed=i in state.confirmations,
        complaints=_unanswered(state, i),
        session_commitments=commitments,
        session_shares=shares,
        session_responses=responses,
        session_parts=parts,
    )


def _session_parts(session: SessionState | None, i: int) -> tuple[int, int, int, int]:
    """Parts of each round that trustee i has sent, and how many a round has."""
    if session is None or i not in session.trustees:
        return 0, 0, 0, 0
    sent = (len(session.parts.get((round_, i), ())) for round_ in Round)
    return (*sent, session.part_count())  # type: ignore[return-value]


def _unanswered(state: State, i: int) -> Sequence[int]:
    """Whose shares trustee i has complained of, while there is no answer."""
    return sorted(
        sender for (ell, sender), answer in state.complaints.items() if ell == i and answer is None
    )
