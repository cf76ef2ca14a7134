"""What a decryption session decrypts: the ciphertexts of its rounds, in order."""

from __future__ import annotations

from record.artifacts import Ballot, Purpose
from record.drill import drill_place
from record.rule import Read
from record.state import Place, State


def ciphertexts(state: State, purpose: Purpose, code: bytes) -> int:
    """How many ciphertexts a session has; `code` is a challenged ballot's, or empty."""
    match purpose:
        case Purpose.DRILL:
            return 1
        case Purpose.BALLOT:
            style = state.context.manifest.style(state.ballots[code].style)
            return sum(len(contest.options) for contest in style.contests)
    return sum(len(tally.options) for tally in state.encrypted_tallies)


def places(state: State, read: Read) -> tuple[Place, ...]:
    """Every ciphertext of the session that is on, as its rounds count them.

    `read(index)` gives an earlier artifact of the record.
    """
    session = state.session
    if session is None:
        return ()
    match session.purpose:
        case Purpose.DRILL:
            return (drill_place(state.need_keys(), session.number),)
        case Purpose.BALLOT:
            statement = read(state.ballots[session.confirmation_code].index).statement
            if not isinstance(statement, Ballot):
                raise AssertionError("a code stands for a ballot")
            return ballot_places(statement)
    return state.tally_places()


def ballot_places(ballot: Ballot) -> tuple[Place, ...]:
    """Every ciphertext of a ballot, in its order."""
    return tuple(
        Place(contest.index, j, selection.ciphertext)
        for contest in ballot.contests
        for j, selection in enumerate(contest.selections, start=1)
    )
