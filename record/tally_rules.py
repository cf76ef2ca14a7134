"""Rules of the tally: aggregates, decryption sessions, openings and the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from crypto.errors import Rejected
from crypto.group import mpz
from crypto.secret_sharing import public_key_share
from record.aggregate import encrypted_tallies, totals
from record.artifacts import (
    PART,
    Ballot,
    ChallengedBallotDecryption,
    DecryptedBallot,
    DecryptedTally,
    DecryptionCommitments,
    DecryptionResponses,
    DecryptionSession,
    DecryptionShares,
    EncryptedTally,
    Purpose,
    Result,
    Role,
)
from record.decryption import combine_all, commitment_hash, verify_responses, verify_shares
from record.proofs import (
    verify_challenged_ballot,
    verify_decrypted_ballot,
    verify_decrypted_option,
)
from record.rule import Read, Rule
from record.sessions import ballot_places, ciphertexts, places
from record.state import Phase, Round, SessionState, State, Status

RoundPart: TypeAlias = DecryptionCommitments | DecryptionShares | DecryptionResponses

ROUND_OF: dict[type, Round] = {
    DecryptionCommitments: Round.COMMITMENTS,
    DecryptionShares: Round.SHARES,
    DecryptionResponses: Round.RESPONSES,
}


def _reject(check: str, problem: str, where: str, culprit: str = "server") -> Rejected:
    return Rejected(check, problem, culprit=culprit, where=where)


def _cell(tally: EncryptedTally | DecryptedTally) -> str:
    return f"unit {', '.join(tally.units[:3])}, contest {tally.contest}"


# --- encrypted tallies


def _check_encrypted_tally(state: State, statement: EncryptedTally) -> None:
    due = state.tally_sets()[len(state.encrypted_tallies)]
    units, contest = tuple(u.label for u in due.units), due.contest
    if (statement.units, statement.contest) != (units, contest.label):
        floor = state.context.manifest.privacy_floor
        raise _reject(
            "R.small-units" if floor and statement.contest == contest.label else "R.tally-cells",
            f"the next tally is that of units {', '.join(units)}, contest {contest.label}",
            _cell(statement),
        )
    if len(statement.options) != len(contest.options):
        problem = f"{len(statement.options)} ciphertexts for {len(contest.options)} options"
        raise _reject("R.tally-cells", problem, _cell(statement))
    if statement.ballots != due.ballots:
        problem = f"{due.ballots} cast ballots belong in it, not {statement.ballots}"
        raise _reject("R.tally-cells", problem, _cell(statement))


def _apply_encrypted_tally(state: State, statement: EncryptedTally, _: int) -> None:
    state.encrypted_tallies.append(statement)
    state.advance()


def check_aggregates(state: State, read: Read) -> None:
    """Verification 9: recompute every encrypted tally from the cast ballots of the record.

    Raises `Rejected` (9.A, 9.B). Comes
    once, when all tallies are there; `Transcript.prove` does not do it, because it
    reads every cast ballot.
    """
    cast = (
        _ballot(read, entry.index)
        for entry in state.ballots.values()
        if entry.status is Status.CAST
    )
    if state.phase < Phase.TALLIED:
        raise _reject("R.tally-cells", "encrypted tallies are missing", "encrypted tallies")
    for own, theirs in zip(
        encrypted_tallies(state.context, cast), state.encrypted_tallies, strict=True
    ):
        _compare(own, theirs)


def _compare(own: EncryptedTally, theirs: EncryptedTally) -> None:
    for j, (mine, other) in enumerate(zip(own.options, theirs.options, strict=True), start=1):
        for check, name, right in (
            ("9.A", "A", mine.alpha == other.alpha),
            ("9.B", "B", mine.beta == other.beta),
        ):
            if not right:
                problem = f"{name} is not the product over the cast ballots"
                raise _reject(check, problem, f"{_cell(theirs)}, option {j}")


def _ballot(read: Read, index: int) -> Ballot:
    statement = read(index).statement
    if not isinstance(statement, Ballot):
        raise AssertionError(f"artifact {index} is not a ballot")
    return statement


# --- decryption sessions


def _check_session(state: State, statement: DecryptionSession) -> None:
    trustees = statement.trustees
    accused = [i for i in trustees if i in state.accused]
    problem = ""
    if statement.session != state.last_session + 1:
        problem = f"the next session is number {state.last_session + 1}"
    elif list(trustees) != sorted(set(trustees)) or trustees[-1:] > (state.context.trustees,):
        problem = "the trustees are not ascending indices of trustees"
    elif len(trustees) < state.context.quorum:
        problem = f"{len(trustees)} trustees, below the quorum of {state.context.quorum}"
    elif accused:
        problem = f"trustee {accused[0]} is accused ({state.accused[accused[0]].check})"
    problem = problem or _wrong_purpose(state, statement)
    if problem:
        raise _reject("R.session", problem, f"session {statement.session}")


def _wrong_purpose(state: State, statement: DecryptionSession) -> str:
    """Why this may not be decrypted now, or nothing."""
    counted = len(state.decrypted_tallies) == len(state.encrypted_tallies)
    tallied = state.phase is Phase.TALLIED
    code = statement.confirmation_code
    match statement.purpose:
        case Purpose.DRILL if tallied:
            return "the time of drills is over"
        case Purpose.TALLY | Purpose.BALLOT if not tallied:
            return f"nothing is decrypted while the election is {state.phase.name.lower()}"
        case Purpose.TALLY if state.decrypted_tallies:
            return "the tallies are being published already"
        case Purpose.BALLOT if not counted:
            return "the tallies come first"
        case Purpose.BALLOT if state.challenged[state.opened : state.opened + 1] != [code]:
            return "the next challenged ballot is another one"
        case Purpose.TALLY | Purpose.DRILL if code:
            return "a confirmation code belongs to the session of a ballot"
    return ""


def _apply_session(state: State, statement: DecryptionSession, _: int) -> None:
    purpose, code = statement.purpose, statement.confirmation_code
    count = ciphertexts(state, purpose, code)
    session = SessionState(statement.session, statement.trustees, count, purpose, code)
    state.session, state.last_session = session, statement.session
    if statement.purpose is Purpose.DRILL:
        state.drill = session


def _session(state: State, speaker: str = "server") -> SessionState:
    if state.session is None:
        raise _reject("R.session", "no decryption session has begun", "decryption", speaker)
    return state.session


def _entries(statement: RoundPart) -> Sequence[object]:
    match statement:
        case DecryptionCommitments():
            return statement.commitments
        case DecryptionShares():
            return statement.shares
        case DecryptionResponses():
            return statement.responses


def _check_part(state: State, statement: RoundPart) -> None:
    i, round_ = statement.trustee, ROUND_OF[type(statement)]
    session = _session(state, f"trustee {i}")
    parts = session.parts.get((round_, i), [])
    first = PART * len(parts)
    size = min(PART, session.ciphertexts - first)
    problem = ""
    if statement.session != session.number:
        problem = f"session {statement.session} is over; the session is {session.number}"
    elif session.over:
        problem = "the session is over: a trustee in it is accused"
    elif i not in session.trustees:
        problem = "the trustee is not in this session"
    elif session.done(round_, i):
        problem = "the trustee has already finished this round, with other content"
    elif round_ > 1 and not session.complete(Round(round_ - 1)):
        problem = f"round {round_ - 1} is not complete"
    elif (statement.first, len(_entries(statement))) != (first, size):
        problem = f"the next part has {size} entries from {first}"
    if problem:
        raise _reject("R.session", problem, f"round {round_}", f"trustee {i}")


def _apply_part(state: State, statement: RoundPart, index: int) -> None:
    key = ROUND_OF[type(statement)], statement.trustee
    _session(state).parts.setdefault(key, []).append(index)


def _earlier(state: State, read: Read, round_: Round, trustee: int, first: int) -> Any:
    parts = _session(state).parts.get((round_, trustee), [])
    if first // PART >= len(parts):
        # Another session has begun since this part was checked.
        raise _reject("R.session", "the session is over", f"round {round_}", f"trustee {trustee}")
    return read(parts[first // PART]).statement


def _prove_shares(state: State, statement: DecryptionShares, read: Read) -> None:
    """Each share was committed to (eq. 88) and is in the subgroup (spec 3.6.3)."""
    group, i, first = state.context.group, statement.trustee, statement.first
    session, culprit = _session(state), f"trustee {statement.trustee}"
    committed = _earlier(state, read, Round.COMMITMENTS, i, first).commitments
    these = places(state, read)[first : first + len(statement.shares)]
    for n, (place, share) in enumerate(zip(these, statement.shares, strict=True)):
        if commitment_hash(state.need_keys(), place, i, share, session.trustees) != committed[n]:
            problem, where = "the share is not what d_i committed to", f"ciphertext {first + n}"
            raise _reject("R.decryption-commitment", problem, where, culprit)
    verify_shares(group, statement.shares, i, first)


def _prove_responses(state: State, statement: DecryptionResponses, read: Read) -> None:
    """Each response fits its commitments and partial decryption (spec 3.6.5, eq. 94, 95)."""
    i, first = statement.trustee, statement.first
    session, keys = _session(state), state.need_keys()
    shares = {x: _earlier(state, read, Round.SHARES, x, first).shares for x in session.trustees}
    these = places(state, read)[first : first + len(statement.responses)]
    rows = [{x: shares[x][n] for x in session.trustees} for n in range(len(these))]
    joints = combine_all(keys, these, rows)
    verify_responses(joints, shares[i], statement.responses, i, share_key(state, i), first)


def share_key(state: State, i: int) -> mpz:
    """g^P(i), trustee i's public share of the vote key (spec 3.6.5, the product in eq. 94)."""
    return public_key_share(state.context.group, [t.vote_commitments for t in state.all_keys()], i)


# --- openings


def _check_combined(session: SessionState, purpose: Purpose, where: str) -> None:
    """A session for this purpose, with all its responses, is the latest."""
    problem = ""
    if session.purpose is not purpose:
        problem = f"the latest session is a {session.purpose.name.lower()} session"
    elif session.over and not session.complete(Round.RESPONSES):
        problem = "the session is over: a trustee in it is accused"
    elif not session.complete(Round.RESPONSES):
        problem = "the session's responses are not complete"
    if problem:
        raise _reject("R.session", problem, where)


def _check_decrypted_tally(state: State, statement: DecryptedTally) -> None:
    where = _cell(statement)
    _check_combined(_session(state), Purpose.TALLY, where)
    done = len(state.decrypted_tallies)
    if done == len(state.encrypted_tallies):
        raise _reject("R.tally-cells", "every tally is decrypted already", where)
    tally = state.encrypted_tallies[done]
    if (statement.units, statement.contest, statement.ballots) != (
        tally.units,
        tally.contest,
        tally.ballots,
    ):
        problem = f"the next tally is that of {_cell(tally)} with {tally.ballots} ballots"
        raise _reject("R.tally-cells", problem, where)
    labels = [o.label for o in state.contest(tally.contest).options]
    found = [o.option for o in statement.options]
    if unknown := [x for x in found if x not in labels]:
        raise _reject("11.B", f"the contest has no option {unknown[0]!r}", where)
    if absent := [x for x in labels if x not in found]:
        raise _reject("11.C", f"the option {absent[0]!r} is left out", where)
    if found != labels:
        raise _reject("R.order", "the options are not in the manifest's order", where)


def _apply_decrypted_tally(state: State, statement: DecryptedTally, _: int) -> None:
    state.decrypted_tallies.append(statement)
    state.decrypted_options += len(statement.options)
    state.advance()


def _prove_decrypted_tally(state: State, statement: DecryptedTally, _: Read) -> None:
    first = state.decrypted_options
    these = state.tally_places()[first : first + len(statement.options)]
    for place, option in zip(these, statement.options, strict=True):
        verify_decrypted_option(state.need_keys(), place, option)


def _check_opening(state: State, statement: ChallengedBallotDecryption | DecryptedBallot) -> None:
    where = f"code {statement.confirmation_code.hex()[:16]}"
    if state.opened == len(state.challenged):
        raise _reject("R.challenged", "every challenged ballot is opened already", where)
    if statement.confirmation_code != state.challenged[state.opened]:
        raise _reject("R.challenged", "another challenged ballot is next", where)


def _apply_opening(
    state: State, statement: ChallengedBallotDecryption | DecryptedBallot, _: int
) -> None:
    state.opened += 1
    state.advance()


def _prove_opening(state: State, statement: ChallengedBallotDecryption, read: Read) -> None:
    ballot = _ballot(read, state.ballots[statement.confirmation_code].index)
    verify_challenged_ballot(state.context, state.need_keys(), ballot, statement)


def _check_decrypted_ballot(state: State, statement: DecryptedBallot) -> None:
    _check_opening(state, statement)
    session = _session(state)
    where = f"code {statement.confirmation_code.hex()[:16]}"
    _check_combined(session, Purpose.BALLOT, where)
    if session.confirmation_code != statement.confirmation_code:
        raise _reject("R.session", "the latest session is another ballot's", where)


def _prove_decrypted_ballot(state: State, statement: DecryptedBallot, read: Read) -> None:
    ballot = _ballot(read, state.ballots[statement.confirmation_code].index)
    keys = state.need_keys()
    verify_decrypted_ballot(state.context, keys, ballot, ballot_places(ballot), statement)


def _check_result(state: State, statement: Result) -> None:
    right = totals(state.context, state.decrypted_tallies, state.cast_in)
    if statement.contests != right.contests:
        raise _reject(
            "R.result", "the totals are not the sums of the tallies", "result", "administrator"
        )


def _apply_result(state: State, statement: Result, _: int) -> None:
    state.result = statement
    state.phase = Phase.COMPLETE


_TALLIED = (Phase.TALLIED,)
_SESSIONS = (Phase.READY, Phase.OPEN, Phase.TALLIED)
RULES: Mapping[type, Rule[Any]] = {
    EncryptedTally: Rule(
        (Phase.CLOSED,), Role.SERVER, _check_encrypted_tally, _apply_encrypted_tally
    ),
    DecryptionSession: Rule(_SESSIONS, Role.SERVER, _check_session, _apply_session),
    DecryptionCommitments: Rule(_SESSIONS, Role.TRUSTEE, _check_part, _apply_part),
    DecryptionShares: Rule(_SESSIONS, Role.TRUSTEE, _check_part, _apply_part, _prove_shares),
    DecryptionResponses: Rule(_SESSIONS, Role.TRUSTEE, _check_part, _apply_part, _prove_responses),
    DecryptedTally: Rule(
        _TALLIED,
        Role.SERVER,
        _check_decrypted_tally,
        _apply_decrypted_tally,
        _prove_decrypted_tally,
    ),
    ChallengedBallotDecryption: Rule(
        _TALLIED, Role.SERVER, _check_opening, _apply_opening, _prove_opening
    ),
    DecryptedBallot: Rule(
        _TALLIED,
        Role.SERVER,
        _check_decrypted_ballot,
        _apply_opening,
        _prove_decrypted_ballot,
    ),
    Result: Rule((Phase.COUNTED,), Role.ADMINISTRATOR, _check_result, _apply_result),
}
