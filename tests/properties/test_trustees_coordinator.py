"""The coordinator: who is there, when a session may begin, and what is kept for it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from crypto.errors import Malformed, Rejected
from crypto.parameters import TOY
from record.artifacts import Accusation, KeyCommitment, Purpose
from record.state import Phase, Status
from tests.decrypting import Session, close_polls
from tests.trustee_machines import Hall, ceremony, fork, tallied
from tests.world import World, manifest_bytes
from trustees import vault
from trustees.attendance import PRESENT
from trustees.messages import PostArtifact, PostNonceShares
from trustees.notices import notices


@cache
def the_tallied() -> Hall:
    """An election up to its tallies; fork it before going on."""
    return tallied(TOY[-1], 3, 2)


def test_attendance() -> None:
    """Whoever was not heard from for ten seconds is not there any more."""
    hall = fork(the_tallied())
    hall.attend(3)
    hall.now = PRESENT
    hall.attend(1)
    assert hall.coordinator.present() == (1, 3)
    hall.now = PRESENT + 0.1
    assert hall.coordinator.present() == (1,)


@pytest.mark.parametrize(
    ("there", "asked", "reason"),
    [
        ((), (), "below the quorum"),
        ((2,), (), "below the quorum"),
        ((1, 2, 3), (3,), "below the quorum"),
        ((1, 2), (1, 2, 3), "not connected: trustee 3"),
        ((1, 2), (1, 9), "not connected: trustee 9"),
    ],
)
def test_no_session(there: tuple[int, ...], asked: tuple[int, ...], reason: str) -> None:
    """No session with fewer than the quorum or somebody who is not there; nothing is published."""
    hall = fork(the_tallied())
    hall.attend(*there)
    size = hall.log.size()
    with pytest.raises(Rejected, match=reason) as caught:
        hall.coordinator.start_decryption(asked)
    assert caught.value.check == "R.session"
    assert hall.log.size() == size


def test_session() -> None:
    """A session takes all that are there, or those that were asked for; then the next one."""
    hall = fork(the_tallied())
    hall.attend(1, 2, 3)
    assert hall.coordinator.start_decryption((3, 1)) == (1, (1, 3))
    assert hall.coordinator.start_decryption() == (2, (1, 2, 3))
    session = hall.world.state.session
    assert session is not None
    assert (session.number, session.trustees) == (2, (1, 2, 3))


def test_no_session_before_and_after() -> None:
    """Not before the tallies are there, and not once they are all decrypted."""
    early = Hall(World.create(TOY[-1], until=Phase.OPEN))
    early.attend(1, 2)
    late = fork(the_tallied())
    late.decrypt((1, 2))
    late.tabulator.step()
    for hall in (early, late):
        with pytest.raises(Rejected) as caught:
            hall.coordinator.start_decryption()
        assert caught.value.check == "R.order"


def test_drills() -> None:
    """From the confirmation of the keys to the close, as often as anybody likes."""
    hall = ceremony(TOY[-1], 3, 2)
    hall.attend(1, 2)
    assert hall.coordinator.start_drill() == (1, (1, 2))
    hall.run()
    hall.world.play_opening()
    hall.attend(3)
    assert hall.coordinator.start_drill((2, 3)) == (2, (2, 3))
    assert hall.coordinator.notices() == (
        "Waiting for the commitments of trustee 2, trustee-2 (connected).",
        "Waiting for the commitments of trustee 3, trustee-3 (connected).",
    )
    hall.run()
    drill = hall.world.state.drill
    assert drill is not None
    assert drill.answered() == (2, 3)
    with pytest.raises(Rejected, match="below the quorum"):
        hall.coordinator.start_drill((1,))
    for other in (Hall(World.begin(TOY[-1], manifest_bytes(), 3, 2)), fork(the_tallied())):
        other.attend(1, 2, 3)
        with pytest.raises(Rejected) as caught:
            other.coordinator.start_drill()
        assert caught.value.check == "R.order"


def test_the_close_ends_a_drill() -> None:
    """Nobody waits for a drill any more, and its nonces are forgotten."""
    hall = ceremony(TOY[-1], 2, 2)
    hall.world.play_opening()
    hall.attend(1, 2)
    hall.coordinator.start_drill()
    hall.turn(1)
    assert vault.SESSION in hall.stores[1].values
    close_polls(hall.world)
    hall.step(1)
    assert vault.SESSION not in hall.stores[1].values
    hall.tabulator.step()
    hall.decrypt((1, 2))
    assert hall.tabulator.step()


# --- one program a trustee


def test_one_program_a_trustee() -> None:
    """A second program is told so, until the first has not been heard from for a while."""
    hall = fork(the_tallied())
    coordinator, one, two = hall.coordinator, b"1" * 16, b"2" * 16
    coordinator.attend(1, one)
    coordinator.attend(2, two)
    for other in (two, b""):
        with pytest.raises(Rejected, match="another program is connected as trustee 1") as caught:
            coordinator.attend(1, other)
        assert caught.value.check == "R.program"
    hall.now = PRESENT
    coordinator.attend(1, one)
    hall.now = 2 * PRESENT
    with pytest.raises(Rejected):
        coordinator.attend(1, two)
    assert coordinator.present() == (1,)
    hall.now = 2 * PRESENT + 0.1
    coordinator.attend(1, two)
    with pytest.raises(Rejected):
        coordinator.attend(1, one)


def test_notices() -> None:
    """In every round those who are late are named, and whether they are connected."""
    hall = Hall(World.begin(TOY[-1], manifest_bytes(), 2, 2))
    hall.attend(2)
    assert hall.coordinator.notices() == (
        "Waiting for the commitment to its keys of trustee 1, trustee-1 (not connected).",
        "Waiting for the commitment to its keys of trustee 2, trustee-2 (connected).",
    )
    hall.turn(1)
    assert len(hall.coordinator.notices()) == 1
    hall.turn(2)
    assert "the keys of trustee 1" in hall.coordinator.notices()[0]
    hall.turn(1)
    hall.turn(2)
    assert "the shares of trustee 1" in hall.coordinator.notices()[0]
    hall.run()
    assert hall.coordinator.notices() == ()
    hall = fork(the_tallied())
    hall.attend(1)
    assert hall.coordinator.notices() == ("Trustees connected: 1; decrypting needs 2.",)
    hall.attend(2)
    hall.coordinator.start_decryption()
    hall.run((1,))
    assert hall.coordinator.notices() == (
        "Waiting for the commitments of trustee 2, trustee-2 (connected).",
    )


def test_other_roles_statements() -> None:
    """What is not a trustee's statement is not posted here, even if it is signed and due."""
    hall = Hall(World.create(TOY[-1], until=Phase.READY))
    opening = hall.world.sign(hall.world.keys.opening())
    size = hall.log.size()
    with pytest.raises(Rejected) as caught:
        hall.coordinator.post(1, opening)
    assert caught.value.check == "R.order"
    assert hall.log.size() == size


def test_the_same_again() -> None:
    """The same bytes have the same index; other ones in the same round are a cheat."""
    hall = Hall(World.begin(TOY[-1], manifest_bytes(), 2, 2))
    message = hall.step(1).message
    assert isinstance(message, PostArtifact)
    artifact = hall.coordinator.parse(1, message.data)
    assert [hall.coordinator.post(1, artifact) for _ in range(3)] == [1, 1, 1]
    other = hall.world.sign(KeyCommitment(1, bytes(32)))
    with pytest.raises(Rejected) as caught:
        hall.coordinator.post(1, other)
    assert (caught.value.check, caught.value.culprit) == ("R.equivocation", "trustee 1")
    assert hall.world.state.phase is Phase.ABORTED
    size = hall.log.size()
    with pytest.raises(Rejected):
        hall.coordinator.post(1, other)
    assert hall.log.size() == size


def test_nobody_is_accused_for_others() -> None:
    """A message that a trustee passes on is no proof against it, nor, here, against its signer."""
    hall = Hall(World.begin(TOY[-1], manifest_bytes(), 3, 2))
    other = hall.world.sign(KeyCommitment(2, bytes(32)))
    hall.turn(2)
    for sender in (1, 3):
        with pytest.raises(Rejected):
            hall.coordinator.post(sender, other)
    late = hall.world.sign(KeyCommitment(3, bytes(32)))
    hall.run()
    with pytest.raises(Rejected):
        hall.coordinator.post(1, late)
    assert hall.world.state.phase is Phase.READY
    assert not hall.world.state.accused


# --- nonce shares


def begun() -> tuple[Hall, PostNonceShares]:
    """A hall with a session of 1 and 2, and the nonce shares of trustee 1."""
    hall = fork(the_tallied())
    hall.attend(1, 2)
    hall.coordinator.start_decryption()
    message = hall.step(1).message
    assert isinstance(message, PostNonceShares)
    return hall, message


def test_nonce_shares_are_kept() -> None:
    """They are kept by session, code and trustee; the same again changes nothing."""
    hall, message = begun()
    for _ in range(2):
        hall.coordinator.post_nonce_shares(1, 1, message.shares)
    kept = hall.nonce_shares.nonce_shares(1)
    assert {code: m[1] for code, m in kept.items()} == dict(message.shares)
    assert hall.nonce_shares.nonce_shares(2) == {}


def test_wrong_nonce_shares() -> None:
    """Another session, trustee or ballot, and what is no member, are refused; nothing is kept."""
    hall, message = begun()
    group, state = hall.world.group, hall.world.state
    (code, m), *_ = message.shares
    cast = next(c for c, e in state.ballots.items() if e.status is Status.CAST)
    minus = group.encode_element(group.p - group.parse_element(m, "m"))
    for trustee, session, shares, check in (
        (1, 2, [(code, m)], "R.session"),
        (1, 0, [(code, m)], "R.session"),
        (3, 1, [(code, m)], "R.session"),
        (1, 1, [(code, m), (cast, m)], "R.challenged"),
        (1, 1, [(bytes(32), m)], "R.challenged"),
        (1, 1, [(code, minus)], "R.nonce-share"),
    ):
        with pytest.raises(Rejected) as caught:
            hall.coordinator.post_nonce_shares(trustee, session, shares)
        assert caught.value.check == check
    for shares in ([], [(code, m)] * 513, [(code, m[1:])], [(code, bytes(len(m)))]):
        with pytest.raises(Malformed):
            hall.coordinator.post_nonce_shares(1, 1, shares)
    assert hall.nonce_shares.rows == {}


def test_too_few_left_is_said_before_the_polls_open() -> None:
    """Who sees it then can still make the election again."""
    world = World.create(TOY[-1], until=Phase.READY)
    for i in (1, 2):
        drill = Session(world, (i, 3), Purpose.DRILL)
        world.append(drill.statement())
        root = world.state.round_root
        (good,) = drill.commitments(i)
        world.append(good)
        wrong = replace(good, commitments=(bytes(32),), transcript=root)
        world.append(Accusation(i, world.sign(wrong).data, "R.equivocation"))
    assert any("nobody can open the totals" in n for n in notices(world.state, (1, 2, 3)))
