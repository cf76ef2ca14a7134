"""Challenged ballots that are opened like a tally: order, codes, values and proofs.

Every rule is broken once, by a statement that is right in everything else.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from crypto import sealing
from crypto.elgamal import Ciphertext
from crypto.errors import InvalidProof
from crypto.group import mpz
from crypto.parameters import STANDARD, TOY
from crypto.sealing import SealedNonce
from record.artifacts import (
    Ballot,
    DecryptedBallot,
    DecryptedContest,
    DecryptedOption,
    DecryptionSession,
    Purpose,
)
from record.proofs import verify_decrypted_ballot
from record.sessions import ballot_places, places
from record.state import Phase
from tests.ballots import Encryptor, Fate, Plain
from tests.decrypting import Session, decrypted_ballot, opening, play_election, play_result
from tests.everything import accuse
from tests.refusing import refuse
from tests.world import World

BALLOT = Purpose.BALLOT
SERVER = "server"


class AnotherNonce(Encryptor):
    """The sealed nonce is not the one that the ballot was encrypted with."""

    def encrypted_nonce(self) -> SealedNonce:
        return sealing.seal_nonce(self.keys.data_key, self.h_i, secrets.token_bytes(32))


GOOD = Plain({"president": (0, 1, 0), "council": (0, 2)}, fate=Fate.CHALLENGE)
SHUT = Plain({"president": (1, 0, 0), "council": (1, 1)}, fate=Fate.CHALLENGE)
SHUT = replace(SHUT, encryptor=AnotherNonce)
CAST = Plain({"president": (0, 0, 1)})


def counted(*votes: Plain) -> World:
    """Every tally is decrypted; the challenged ballots are still to be opened."""
    world = play_election(TOY[-1], [CAST, *votes], until=Phase.TALLIED)
    session = Session(world)
    session.play()
    for tally in session.decrypted_tallies():
        world.append(tally)
    return world


def responded(*votes: Plain) -> tuple[World, Session]:
    """The session of the first challenged ballot is complete."""
    world = counted(*votes or (SHUT,))
    session = Session(world, (1, 3), BALLOT, world.state.challenged[0])
    session.play()
    return world, session


# --- a whole election


@pytest.mark.parametrize("shut_first", [True, False])
def test_a_ballot_that_its_nonce_does_not_open(shut_first: bool) -> None:
    """One challenged ballot comes open in a session of its own, another through its nonces."""
    votes = (SHUT, GOOD) if shut_first else (GOOD, SHUT)
    world = counted(*votes)
    opened: list[list[int]] = []
    for code, plain in zip(world.state.challenged, votes, strict=True):
        if plain is GOOD:
            statement = opening(world, code)
            world.append(statement)
            opened += [[s.value for s in c.selections] for c in statement.contests]
        else:
            with pytest.raises(InvalidProof, match="no power of the base"):
                opening(world, code)
            session = Session(world, (1, 2), BALLOT, code)
            session.play()
            ballot = decrypted_ballot(session)
            world.append(ballot)
            opened += [[o.count for o in c.options] for c in ballot.contests]
    shut, good = [[1, 0, 0], [1, 1]], [[0, 1, 0], [0, 2]]
    assert opened == (shut + good if shut_first else good + shut)
    assert world.state.phase is Phase.COUNTED
    play_result(world)
    assert world.transcript.phase is Phase.COMPLETE


def test_a_good_nonce_does_not_forbid_a_session() -> None:
    """Any challenged ballot may be opened like a tally, one after the other."""
    world = counted(GOOD, GOOD)
    for code in world.state.challenged:
        session = Session(world, None, BALLOT, code)
        session.play()
        world.append(decrypted_ballot(session))
    assert world.state.phase is Phase.COUNTED
    assert world.state.last_session == 3


def test_the_real_group() -> None:
    """The same at 4096 bits."""
    votes = [replace(SHUT, style="short")]
    world = play_election(STANDARD, votes, until=Phase.TALLIED, trustees=2, quorum=1)
    session = Session(world)
    session.play()
    for tally in session.decrypted_tallies():
        world.append(tally)
    session = Session(world, None, BALLOT, world.state.challenged[0])
    session.play()
    world.append(decrypted_ballot(session))
    assert world.state.phase is Phase.COUNTED


def test_the_ciphertexts_of_a_ballot() -> None:
    """All selections in the order of the ballot, by the contest's index in the manifest."""
    world, session = responded(SHUT, replace(GOOD, style="short"))
    first, second = (_ballot(world, code) for code in world.state.challenged)
    assert [(p.contest, p.option) for p in ballot_places(first)] == [
        *((1, 1), (1, 2), (1, 3)),
        *((2, 1), (2, 2)),
    ]
    assert [p.ciphertext for p in ballot_places(first)] == [
        Ciphertext(s.alpha, s.beta) for c in first.contests for s in c.selections
    ]
    assert places(world.state, world.read) == ballot_places(first) == session.places
    assert len(ballot_places(second)) == 3


def _ballot(world: World, code: bytes) -> Ballot:
    statement = world.read(world.state.ballots[code].index).statement
    assert isinstance(statement, Ballot)
    return statement


# --- the session


def test_the_tallies_come_first() -> None:
    """No ballot has a session before the last tally is decrypted."""
    world = play_election(TOY[-1], [CAST, SHUT], until=Phase.TALLIED)
    code = world.state.challenged[0]
    refuse(world, DecryptionSession(1, (1, 2), BALLOT, code), "R.session", SERVER)
    session = Session(world)
    session.play()
    *tallies, last = session.decrypted_tallies()
    for tally in tallies:
        world.append(tally)
    refuse(world, DecryptionSession(2, (1, 2), BALLOT, code), "R.session", SERVER)
    world.append(last)
    world.append(DecryptionSession(2, (1, 2), BALLOT, code))


def test_whose_session_is_next() -> None:
    """The next challenged ballot that is not opened yet, and no other ballot at all."""
    world = counted(SHUT, GOOD, replace(GOOD, fate=Fate.SPOIL))
    first, second = world.state.challenged
    others = [c for c in world.state.ballots if c not in world.state.challenged]
    assert len(others) == 2
    for code in (second, *others, b"", bytes(32)):
        refuse(world, DecryptionSession(2, (1, 2), BALLOT, code), "R.session", SERVER)
    for purpose in (Purpose.TALLY, Purpose.DRILL):
        for code in (b"", first):
            refuse(world, DecryptionSession(2, (1, 2), purpose, code), "R.session", SERVER)
    session = Session(world, None, BALLOT, first)
    session.play()
    refuse(world, DecryptionSession(3, (1, 2), BALLOT, second), "R.session", SERVER)
    world.append(decrypted_ballot(session))
    refuse(world, DecryptionSession(3, (1, 2), BALLOT, first), "R.session", SERVER)
    world.append(DecryptionSession(3, (1, 2), BALLOT, second))


def test_no_session_without_a_ballot() -> None:
    """Where everything is opened, nothing is left to decrypt."""
    world = counted()
    assert world.state.phase is Phase.COUNTED
    refuse(world, DecryptionSession(2, (1, 2), BALLOT, bytes(32)), "R.order")


def test_a_ballots_session_that_is_given_up() -> None:
    """Another session of the same ballot begins; an accusation ends one, too."""
    world = counted(SHUT)
    code = world.state.challenged[0]
    given_up = Session(world, (1, 3), BALLOT, code)
    world.append(given_up.statement())
    given_up.play_round(given_up.commitments)
    second = Session(world, (2, 3), BALLOT, code)
    world.append(second.statement())
    refuse(world, given_up.shares(1)[0], "R.session", "trustee 1")
    second.play_round(second.commitments)
    accuse(world, 3)
    refuse(world, second.shares(2)[0], "R.session", "trustee 2")
    refuse(world, decrypted_ballot(second), "R.session", SERVER)
    third = Session(world, (1, 2), BALLOT, code)
    third.play()
    world.append(decrypted_ballot(third))
    play_result(world)
    assert world.state.phase is Phase.COMPLETE


def test_a_complete_session_of_a_ballot_stays_good() -> None:
    """What was answered is combined, although a trustee of U is accused."""
    world, session = responded()
    accuse(world, 3)
    world.append(decrypted_ballot(session))


def test_a_ballot_opened_while_its_session_is_on() -> None:
    """The nonce may turn up after all: the session then has nothing to say any more."""
    world = counted(GOOD, SHUT)
    first, second = world.state.challenged
    session = Session(world, None, BALLOT, first)
    session.play()
    world.append(opening(world, first))
    refuse(world, decrypted_ballot(session), "R.challenged", SERVER)
    wrong = replace(decrypted_ballot(session), confirmation_code=second)
    refuse(world, wrong, "R.session", SERVER)
    session = Session(world, None, BALLOT, second)
    session.play()
    world.append(decrypted_ballot(session))
    assert world.state.phase is Phase.COUNTED


# --- the decrypted ballot


def test_when_a_ballot_is_published() -> None:
    """Not before its session, nor before that is complete, nor from a session of the tallies."""
    world = counted(SHUT)
    session = Session(world, None, BALLOT, world.state.challenged[0])
    good = decrypted_ballot(session)
    error = refuse(world, good, "R.session", SERVER)
    assert "tally session" in error.problem
    world.append(session.statement())
    for round_ in (session.commitments, session.shares, session.responses):
        refuse(world, good, "R.session", SERVER)
        for i in session.available:
            world.append(round_(i)[0])
            if i == session.available[0]:
                refuse(world, good, "R.session", SERVER)
    world.append(good)
    refuse(world, good, "R.order")


def test_no_ballot_before_any_session() -> None:
    """In the phase of the decryption, but with no session at all."""
    _, session = responded()
    good = decrypted_ballot(session)
    world = play_election(TOY[-1], [CAST, SHUT], until=Phase.TALLIED)
    good = replace(good, confirmation_code=world.state.challenged[0])
    refuse(world, good, "R.session", SERVER)


def test_whose_ballot_is_next() -> None:
    """Challenged ballots stand in the order of the challenges."""
    world, session = responded(SHUT, GOOD)
    good = decrypted_ballot(session)
    others = [c for c in world.state.ballots if c != good.confirmation_code]
    for code in (*others, bytes(32)):
        refuse(world, replace(good, confirmation_code=code), "R.challenged", SERVER)
    world.append(good)
    refuse(world, good, "R.challenged", SERVER)


Change = Callable[[World, Any], dict[str, Any]]


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (lambda w, o: {"count": o.count + 1}, "10.C"),
        (lambda w, o: {"count": 0}, "10.C"),
        (lambda w, o: {"value": o.value * w.keys.vote_key.element % w.group.p}, "10.C"),
        (lambda w, o: {"value": w.group.p - o.value}, "10.C"),
        (lambda w, o: {"count": 0, "value": mpz(1)}, "10.B"),
        (lambda w, o: {"challenge": (o.challenge + 1) % w.group.q}, "10.B"),
        (lambda w, o: {"response": (o.response + 1) % w.group.q}, "10.B"),
        (lambda w, o: {"challenge": o.response, "response": o.challenge}, "10.B"),
        (lambda w, o: {"count": 3}, "14.E"),
        (lambda w, o: {"count": 2**53}, "14.E"),
    ],
)
def test_wrong_values(change: Change, check: str) -> None:
    """sigma, T, c and v are proved as those of a tally are, within the option limit."""
    world, session = responded()
    good = decrypted_ballot(session)
    president, council = good.contests
    yes, no = council.options
    assert (yes.count, no.count) == (1, 1)
    wrong_no = replace(no, **change(world, no))
    wrong = replace(council, options=(yes, wrong_no))
    error = refuse(world, replace(good, contests=(president, wrong)), check, SERVER)
    assert good.confirmation_code.hex()[:16] in error.where
    assert "no" in error.where
    world.append(good)


def test_more_than_may_be_selected() -> None:
    """The sum stays within the selection limit; that shows before any proof is looked at."""
    world, session = responded()
    good = decrypted_ballot(session)
    president, council = good.contests
    two = tuple(replace(o, count=2) for o in council.options)
    wrong = replace(good, contests=(president, replace(council, options=two)))
    refuse(world, wrong, "14.F", SERVER)
    one = tuple(replace(o, count=1) for o in president.options)
    wrong = replace(good, contests=(replace(president, options=one), council))
    refuse(world, wrong, "14.F", SERVER)


def _options(council: DecryptedContest, *options: DecryptedOption) -> DecryptedContest:
    return replace(council, options=options)


def test_wrong_labels() -> None:
    """Contests and options are those of the style, all of them, in the manifest's order."""
    world, session = responded()
    good = decrypted_ballot(session)
    president, council = good.contests
    yes, no = council.options
    for contests, check in (
        ((), "14.B"),
        ((president,), "14.B"),
        ((president, replace(council, contest="mayor")), "14.A"),
        ((council, president), "R.challenged"),
        ((president, council, council), "R.challenged"),
        ((president, _options(council)), "14.D"),
        ((president, _options(council, yes)), "14.D"),
        ((president, _options(council, replace(yes, option="maybe"), no)), "14.C"),
        ((president, _options(council, no, yes)), "R.challenged"),
        ((president, _options(council, yes, no, no)), "R.challenged"),
    ):
        error = refuse(world, replace(good, contests=contests), check, SERVER)
        assert f"ballot {good.confirmation_code.hex()[:16]}" in error.where


def test_the_decryption_of_another_ballot() -> None:
    """Right values with right proofs, but of another ballot of the same style."""
    world, session = responded(SHUT, SHUT)
    first = decrypted_ballot(session)
    second = Session(world, (1, 3), BALLOT, world.state.challenged[1])
    other: DecryptedBallot = decrypted_ballot(second)
    refuse(world, replace(other, confirmation_code=first.confirmation_code), "10.B", SERVER)
    ballot = _ballot(world, second.code)
    verify_decrypted_ballot(world.context, world.keys, ballot, second.places, other)
