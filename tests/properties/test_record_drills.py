"""Drills: the ciphertext that everybody can make, and where a drill may stand."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.elgamal import Ciphertext, PublicKey
from crypto.group import group_for, mpz
from crypto.parameters import STANDARD, TOY, Parameters
from record.artifacts import DecryptionSession, Purpose
from record.drill import drill_nonce, drill_place
from record.election import ElectionKeys
from record.sessions import places
from record.state import Phase, Round
from tests.ballots import Plain, begin_device, close_statement, submit
from tests.decrypting import Session, close_polls, play_decryption, play_election, play_tallies
from tests.refusing import refuse
from tests.world import World
from tests.wrong_statements import dealt

DRILL = Purpose.DRILL


def begun(phase: Phase = Phase.READY, trustees: tuple[int, ...] = (1, 3)) -> tuple[World, Session]:
    """A drill has begun in this phase."""
    world = World.create(TOY[-1], until=phase)
    session = Session(world, trustees, DRILL)
    world.append(session.statement())
    return world, session


# --- the ciphertext


@pytest.mark.parametrize("parameters", [TOY[-1], STANDARD], ids=lambda x: x.name)
@pytest.mark.parametrize("number", [1, 2, 258, 2**31 - 1])
def test_the_ciphertext_by_hand(parameters: Parameters, number: int) -> None:
    """xi by HMAC-SHA-256 under H_E, A = g^xi, B = K^(xi + number), at contest 0."""
    p, q, g = parameters.p, parameters.q, parameters.g
    h_e = hashlib.sha256(b"some H_E").digest()
    key = pow(g, 271828, p)
    label = b"sailau.v1.drill" + b"\0" + number.to_bytes(4, "big")
    xi = int.from_bytes(hmac.new(h_e, label, hashlib.sha256).digest(), "big") % q

    group = group_for(parameters)
    assert drill_nonce(group, h_e, number) == xi
    public = PublicKey(group, group.g_power(271828))
    keys = ElectionKeys(public, public, h_e, bytes(32))
    place = drill_place(keys, number)
    assert (place.contest, place.option) == (0, number)
    a, b = pow(g, xi, p), pow(key, xi + number, p)
    assert place.ciphertext == Ciphertext(mpz(a), mpz(b))


KNOWN = 0xDDD5D18D798DF34C98BFABC2A47AB278EE4C077C10DB1B770816FAB80B5035BE
"""HMAC-SHA-256 of the label and 00000001 under 32 zero bytes, by openssl."""


def test_a_known_answer() -> None:
    """The nonce of drill 1 under an H_E of zeroes."""
    assert drill_nonce(group_for(STANDARD), bytes(32), 1) == KNOWN % STANDARD.q


@given(
    st.lists(st.integers(1, 2**31 - 1), min_size=2, max_size=2, unique=True),
    st.binary(min_size=32, max_size=32),
)
def test_no_two_drills_are_alike(numbers: list[int], h_e: bytes) -> None:
    """Another session, and another election, has another nonce."""
    group = group_for(STANDARD)
    first, second = (drill_nonce(group, h_e, n) for n in numbers)
    assert first != second
    assert first != drill_nonce(group, bytes(x ^ 1 for x in h_e), numbers[0])


def test_a_drill_decrypts_its_number() -> None:
    """M is K^xi, and what is decrypted is the number of the session."""
    world, first = begun()
    Session(world, (1, 2), DRILL).play()
    session = Session(world, (1, 2, 3), DRILL)
    session.play()
    assert (first.number, session.number) == (1, 3)
    (joint,) = session.joint()
    xi = drill_nonce(world.group, world.keys.extended_base_hash, 3)
    assert joint.combined == world.keys.vote_key.power(xi)
    assert joint.value() == world.keys.vote_key.power(3)
    assert places(world.state, world.read) == (drill_place(world.keys, 3),)


# --- where it stands


@pytest.mark.parametrize("phase", [Phase.READY, Phase.OPEN])
def test_a_drill(phase: Phase) -> None:
    """Before the opening and while the polls are open, with any k or more trustees."""
    for trustees in ((1, 2), (2, 3), (1, 2, 3)):
        world, session = begun(phase, trustees)
        state = world.state.session
        assert state is not None
        assert world.state.drill is state
        for round_ in Round:
            assert state.round() is round_
            session.play_round((session.commitments, session.shares, session.responses)[round_ - 1])
        assert state.round() is None
        assert state.answered() == trustees
        assert world.state.phase is phase


def test_no_drill_before_the_keys_are_confirmed() -> None:
    """Until all have confirmed there is nothing to try out."""
    for phase in (Phase.COMMITMENT, Phase.KEYS, Phase.SHARES, Phase.CONFIRMATION):
        world = World.create(TOY[-1], until=phase)
        refuse(world, DecryptionSession(1, (1, 2), DRILL), "R.order")
    refuse(dealt(), DecryptionSession(1, (1, 2), DRILL), "R.order")


def test_no_drill_after_the_close() -> None:
    """Once the polls have closed only tallies and ballots are decrypted."""
    for phase, check in (
        (Phase.CLOSED, "R.order"),
        (Phase.TALLIED, "R.session"),
        (Phase.COUNTED, "R.order"),
        (Phase.COMPLETE, "R.order"),
    ):
        world = play_election(TOY[-1], until=phase)
        number = world.state.last_session + 1
        refuse(world, DecryptionSession(number, (1, 2), DRILL), check)


@pytest.mark.parametrize("phase", [Phase.READY, Phase.OPEN])
def test_nothing_else_is_decrypted_before_the_close(phase: Phase) -> None:
    """A session of the tallies, or of a ballot, is refused while ballots may still come."""
    world = World.create(TOY[-1], until=phase)
    codes = [b"", bytes(32)]
    if phase is Phase.OPEN:
        codes.append(submit(world, Plain()).ballot.confirmation_code)
    for purpose in (Purpose.TALLY, Purpose.BALLOT):
        for code in codes:
            wrong = DecryptionSession(1, (1, 2), purpose, code)
            error = refuse(world, wrong, "R.session", "server")
            assert phase.name.lower() in error.problem
    refuse(world, DecryptionSession(1, (1, 2), DRILL, bytes(32)), "R.session", "server")
    refuse(world, DecryptionSession(1, (1,), DRILL), "R.session", "server")
    refuse(world, DecryptionSession(1, (1, 4), DRILL), "R.session", "server")


def test_numbers_go_on_across_kinds() -> None:
    """Sessions are counted from 1, whatever they are for."""
    world, _ = begun()
    for number in (1, 3):
        refuse(world, DecryptionSession(number, (1, 2), DRILL), "R.session", "server")
    world.append(DecryptionSession(2, (1, 2), DRILL))
    world.play_opening()
    world.append(DecryptionSession(3, (1, 2), DRILL))
    close_polls(world)
    play_tallies(world)
    for number in (1, 3, 5):
        refuse(world, DecryptionSession(number, (1, 2)), "R.session", "server")
    play_decryption(world)
    assert world.state.last_session == 4


def test_one_ciphertext_is_one_entry() -> None:
    """A drill has one part of one entry in each round."""
    world, session = begun()
    (good,) = session.commitments(1)
    for wrong in (
        replace(good, commitments=()),
        replace(good, commitments=good.commitments * 2),
        replace(good, first=1),
    ):
        refuse(world, wrong, "R.session", "trustee 1")
    refuse(world, replace(good, trustee=2), "R.session", "trustee 2")
    world.append(good)


def test_a_drill_of_its_own_number() -> None:
    """What was computed for another drill does not pass: the ciphertext is another one."""
    world, session = begun()
    old = session.parts[1][0]
    second = Session(world, (1, 3), DRILL)
    world.append(second.statement())
    second.parts[1][0] = old
    second.play_round(second.commitments)
    second.play_round(second.shares)
    refuse(world, second.responses(1)[0], "R.decryption-share", "trustee 1")
    world.append(second.responses(3)[0])


# --- its end


@pytest.mark.parametrize("rounds", [0, 1, 2, 3])
def test_the_close_ends_a_drill(rounds: int) -> None:
    """After the close no part of it follows; how far it came stays known."""
    world, session = begun(Phase.OPEN)
    play: Any = (session.commitments, session.shares, session.responses)
    for round_ in play[:rounds]:
        session.play_round(round_)
    for label in ("ballot-box-1", "ballot-box-2"):
        begin_device(world, label)
        world.append(close_statement(world, label))
    world.append(world.state.counts())
    due = play[min(rounds, 2)](1)[0]
    refuse(world, due, "R.order")
    play_tallies(world)
    refuse(world, due, "R.session", "trustee 1")
    assert world.state.session is None
    assert world.state.drill is not None
    assert world.state.drill.answered() == ((1, 3) if rounds == 3 else ())
    assert places(world.state, world.read) == ()
    tally = Session(world)
    refuse(world, tally.decrypted_tallies()[0], "R.session", "server")
    tally.play()


def test_the_last_drill_is_remembered() -> None:
    """Who answered the last drill can be told long after."""
    world, session = begun(Phase.OPEN, (1, 2))
    session.play_round(session.commitments)
    session = Session(world, (2, 3), DRILL)
    session.play()
    close_polls(world)
    play_tallies(world)
    play_decryption(world)
    assert world.state.drill is not None
    assert (world.state.drill.number, world.state.drill.answered()) == (2, (2, 3))
