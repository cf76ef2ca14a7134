"""Accusations: who may be accused of what and when, and what becomes of the election.

The faults are in `test_record_faults`, and what is none in `test_record_innocence`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from crypto.errors import Malformed
from crypto.parameters import TOY
from record.accusations import fault
from record.artifacts import (
    Accusation,
    DecryptionSession,
    KeyConfirmation,
    Purpose,
    Role,
    sign_statement,
)
from record.state import Accused, Phase
from tests.ballots import begin_device, encrypt
from tests.decrypting import Session, opening, play_election, play_result, play_tallies
from tests.everything import accuse
from tests.refusing import refuse
from tests.world import World
from tests.wrong_statements import committed_to


def wrong_keys() -> tuple[World, Any]:
    """Keys of trustee 2 that it has committed to, with a proof that does not hold."""
    return committed_to(lambda keys: replace(keys, vote_proof=keys.data_proof))


def test_who_can_be_accused() -> None:
    """A trustee that exists, once, by the server alone, of a check with a name."""
    world, statement = wrong_keys()
    data = world.sign(statement).data
    good = Accusation(2, data, "2.C")
    for i in (4, 2**31 - 1):
        refuse(world, replace(good, trustee=i), "R.accusation", "server")
        assert fault(world.transcript, data, i, world.read) is None
    for role, key in world.secrets.roles.items():
        if role[0] is not Role.SERVER:
            forged = sign_statement(good, world.group, world.context.base_hash, key)
            refuse(world, forged, "R.signature", "")
    for changes, field in (
        ({"trustee": 0}, "trustee"),
        ({"message": b""}, "message"),
        ({"check": ""}, "check"),
    ):
        with pytest.raises(Malformed) as caught:
            world.transcript.parse(world.sign(replace(good, **changes)).data)
        assert caught.value.field == f"accusation.{field}"
    world.append(good)


@pytest.mark.parametrize("phase", [Phase.KEYS, Phase.SHARES, Phase.CONFIRMATION])
def test_an_accusation_ends_a_ceremony(phase: Phase) -> None:
    """Before everybody has confirmed there is no going on without the culprit."""
    world = World.create(TOY[-1], until=phase)
    accuse(world, 3)
    assert world.state.phase is Phase.ABORTED
    accusation = world.artifacts[-1].statement
    refuse(world, accusation, "R.order")
    h_b = world.context.base_hash
    refuse(world, KeyConfirmation(1, h_b, h_b), "R.order")


@pytest.mark.parametrize("phase", [Phase.READY, Phase.OPEN, Phase.CLOSED, Phase.TALLIED])
def test_an_accused_trustee_is_left_out(phase: Phase) -> None:
    """From then on it says nothing more, and is in no session."""
    world = (
        World.create(TOY[-1], until=phase)
        if phase <= Phase.OPEN
        else play_election(TOY[-1], until=phase)
    )
    accuse(world, 3)
    index = len(world.artifacts) - 1
    assert world.state.phase is phase
    assert world.state.accused == {3: Accused("R.equivocation", index)}
    assert world.state.eligible() == (1, 2)
    refuse(world, world.artifacts[-1].statement, "R.accusation", "server")
    if phase is Phase.CLOSED:
        play_tallies(world)
    purpose = Purpose.DRILL if phase <= Phase.OPEN else Purpose.TALLY
    for trustees in ((1, 3), (2, 3), (1, 2, 3)):
        refuse(world, DecryptionSession(1, trustees, purpose), "R.session", "server")
    session = Session(world, (1, 2), purpose)
    world.append(session.statement())
    theirs = replace(session.commitments(1)[0], trustee=3)
    error = refuse(world, theirs, "R.session", "trustee 3")
    assert f"artifact {index} accuses it (R.equivocation)" in error.problem
    for round_ in (session.commitments, session.shares, session.responses):
        session.play_round(round_)


@pytest.mark.parametrize("phase", [Phase.COUNTED, Phase.COMPLETE])
def test_accusations_come_to_an_end(phase: Phase) -> None:
    """Once everything is counted, nobody is accused any more."""
    world = play_election(TOY[-1], until=phase)
    data = world.sign(replace(world.state.key_commitments[3], commitment=bytes(32))).data
    refuse(world, Accusation(3, data, "R.equivocation"), "R.order")


@pytest.mark.parametrize("rounds", [0, 1, 2])
def test_the_session_of_an_accused_is_over(rounds: int) -> None:
    """No part of it follows, nothing combines it; another without the culprit may begin."""
    world = play_election(TOY[-1], until=Phase.TALLIED)
    session = Session(world, (1, 2, 3))
    world.append(session.statement())
    play: Any = (session.commitments, session.shares, session.responses)
    for round_ in play[:rounds]:
        session.play_round(round_)
    world.append(play[rounds](1)[0])
    accuse(world, 3)
    state = world.state.session
    assert state is not None
    assert (state.over, state.number) == (True, 1)
    refuse(world, play[rounds](2)[0], "R.session", "trustee 2")
    refuse(world, session.decrypted_tallies()[0], "R.session", "server")
    _finish(world, (1, 2))


def _finish(world: World, trustees: tuple[int, ...]) -> None:
    session = Session(world, trustees)
    session.play()
    for tally in session.decrypted_tallies():
        world.append(tally)
    _open_and_count(world)


def _open_and_count(world: World) -> None:
    for code in world.state.challenged:
        world.append(opening(world, code))
    play_result(world)
    assert world.state.phase is Phase.COMPLETE


def test_the_session_of_others_goes_on() -> None:
    """Who is accused and not in U disturbs nothing."""
    world = play_election(TOY[-1], until=Phase.TALLIED)
    session = Session(world, (1, 2))
    world.append(session.statement())
    session.play_round(session.commitments)
    before = world.state.round_root
    accuse(world, 3)
    assert world.state.round_root == before
    session.play_round(session.shares)
    session.play_round(session.responses)
    for tally in session.decrypted_tallies():
        world.append(tally)
    _open_and_count(world)


@pytest.mark.parametrize("decrypted", [0, 1, 3])
def test_a_complete_session_stays_good(decrypted: int) -> None:
    """What was answered is combined, whatever is found out about a trustee of U afterwards."""
    world = play_election(TOY[-1], until=Phase.TALLIED)
    session = Session(world, (2, 3))
    session.play()
    opened = session.decrypted_tallies()
    for tally in opened[:decrypted]:
        world.append(tally)
    accuse(world, 3)
    for tally in opened[decrypted:]:
        world.append(tally)
    _open_and_count(world)


def test_fewer_than_a_quorum_are_left() -> None:
    """Then nothing can be decrypted any more, and the record says why."""
    world = play_election(TOY[-1], until=Phase.TALLIED)
    for i in (1, 3):
        accuse(world, i)
    assert world.state.eligible() == (2,)
    for trustees in ((2,), (1, 2), (2, 3), (1, 2, 3)):
        refuse(world, DecryptionSession(1, trustees), "R.session", "server")
    assert [a.check for a in world.state.accused.values()] == ["R.equivocation"] * 2


def test_the_polls_do_not_mind() -> None:
    """Devices go on while a trustee is accused."""
    world = World.create(TOY[-1])
    begin_device(world)
    accuse(world, 1)
    world.append(encrypt(world).ballot)
